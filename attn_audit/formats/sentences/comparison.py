"""A comparison in words: what was compared, and what changed."""

from collections.abc import Iterator

from attn_audit.formats.numbers import count, counted, number
from attn_audit.formats.sentences.provenance import short
from attn_audit.results.comparison import Change, Comparison

TELLING = (
    "performance.accuracy.share",
    "correlation.attention_gradient.mean",
    "correlation.attention_leave_one_out.mean",
    "permutation.distance.mean",
    "adversarial.max_jsd.mean",
)
"""Numbers whose most changed examples are shown."""


def compared(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """What was compared: headings and what belongs to them.

    Args:
        comparison: Any comparison.
    """
    base, new = comparison.base, comparison.new
    yield "Base", f"{base.model} (sha256 {short(base.model_sha256)}), {base.report}"
    yield "New", f"{new.model} (sha256 {short(new.model_sha256)}), {new.report}"
    if base.data == new.data and base.n_examples == new.n_examples:
        yield "Data", f"{new.data}: {counted(new.n_examples, 'example')}{_matched(comparison)}"
    else:
        sides = ((side.data, counted(side.n_examples, "example")) for side in (base, new))
        yield "Data", " and ".join(f"{data}: {n}" for data, n in sides)
    if comparison.why_unpaired is not None:
        yield "Unpaired", comparison.why_unpaired
    if comparison.notes:
        yield "Differing", "; ".join(comparison.notes)


def _matched(comparison: Comparison) -> str:
    return "" if comparison.n_pairs is None else f", {count(comparison.n_pairs)} matched by id"


def in_short(comparison: Comparison) -> str:
    """How many numbers changed by more than their interval, in one sentence.

    Args:
        comparison: Any comparison.
    """
    n_changed = sum(map(has_changed, comparison.changes))
    whole = counted(len(comparison.changes), "number")
    if not comparison.changes:
        return "The reports hold no number in common."
    if n_changed == 0:
        return f"Of {whole} none changed by more than chance would: every interval includes 0."
    verb, whose = ("has", "its interval does") if n_changed == 1 else ("have", "their intervals do")
    return f"Of {whole} {count(n_changed)} {verb} changed: {whose} not include 0."


def has_changed(change: Change) -> bool:
    """Whether the interval of a change lies on one side of 0.

    Args:
        change: Any change.
    """
    interval = change.interval
    return interval is not None and (interval.low > 0 or interval.high < 0)


def value(metric: str, of_example: float) -> str:
    """An example's number; of shares, whether it has the property.

    Args:
        metric: Its name.
        of_example: 0 or 1 for shares.

    Example:
        >>> value("performance.accuracy.share", 1.0), value("permutation.distance.mean", 0.213)
        ('right', '0.21')
    """
    if metric == "performance.accuracy.share":
        return "right" if of_example else "wrong"
    if metric.endswith(".share"):
        return "yes" if of_example else "no"
    return number(of_example)
