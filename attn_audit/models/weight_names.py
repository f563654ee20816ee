"""Names of weights that are not those of a module, and what was put in front of them."""

from collections.abc import Collection

from attn_audit.quoting import listed

UNWRAP = (
    "Take it off, as by {name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}, "
    "or save the state dict of the module itself: torch.compile and DataParallel wrap it."
)


def mismatch(wanted: Collection[str], found: Collection[str]) -> tuple[str, str | None]:
    """How names differ, in words, and what to do where all that differs is what precedes them.

    Args:
        wanted: Of the module.
        found: In the file.

    Example:
        >>> mismatch(["a.bias"], ["module.a.bias"])[0]
        "every name begins with 'module.' (missing a.bias; not expected module.a.bias)"
    """
    missing, surplus = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
    named = (("missing", missing), ("not expected", surplus))
    parts = "; ".join(f"{word} {listed(names)}" for word, names in named if names)
    for front in sorted({name.removesuffix(missing[0]) for name in surplus} if missing else ()):
        if front.endswith(".") and {front + name for name in missing} <= {*surplus}:
            hint = UNWRAP.replace("PREFIX", repr(front))
            return f"every name begins with {front!r} ({parts})", hint
    return parts, None
