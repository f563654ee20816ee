"""A model's layers in words: what many modules are called, on a line for each kind."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from attn_audit.results.description import LayerDescription

_NUMBER = re.compile(r"\d+")


def kinds(layers: Sequence[LayerDescription]) -> Iterator[str]:
    """Layers whose modules have the same name but for numbers, together.

    Args:
        layers: Of a model.

    Example:
        >>> layers = [LayerDescription(name=f"bert.layer.{i}.self", n_heads=12) for i in range(6)]
        >>> list(kinds(layers))
        ['layers 0-5, 12 heads each: bert.layer.N.self, N 0 to 5']
    """
    by_kind: dict[tuple[str, int], list[int]] = {}
    for i, layer in enumerate(layers):
        by_kind.setdefault((_NUMBER.sub("#", layer.name), layer.n_heads), []).append(i)
    for (_, n_heads), members in by_kind.items():
        which = f"layers {_ranges(members)}" if len(members) > 1 else f"layer {members[0]}"
        heads = "1 head" if n_heads == 1 else f"{n_heads} heads"
        each = " each" if len(members) > 1 else ""
        yield f"{which}, {heads}{each}: {_pattern([layers[i].name for i in members])}"


def _ranges(members: Sequence[int]) -> str:
    """Ascending numbers, neighbours as `0-5`."""
    runs = groupby(enumerate(members), key=lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans)


def _pattern(names: Sequence[str]) -> str:
    """The names as one, with N for the number that differs; where several do, the ends."""
    columns = list(zip(*map(_NUMBER.findall, names), strict=True))
    differing = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if not differing:
        return names[0]
    if len(differing) > 1:
        return f"{names[0]} to {names[-1]}"
    place, values = list(_NUMBER.finditer(names[0]))[differing[0]], columns[differing[0]]
    pattern = f"{names[0][: place.start()]}N{names[0][place.end() :]}"
    return f"{pattern}, N {values[0]} to {values[-1]}"
