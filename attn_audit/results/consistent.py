"""Whether the numbers of a stored report can be those of an audit: nothing is drawn from others."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite

from pydantic import BaseModel

from attn_audit.findings.metric import BESIDE_MEAN
from attn_audit.summary import Distribution, Histogram, JointHistogram


def contradictions(value: object, place: str = "") -> Iterator[str]:
    """What no audit writes, with the dotted name of where it stands.

    Args:
        value: A report, or a part of one.
        place: Its dotted name.
    """
    match value:
        case BaseModel():
            yield from (f"{place}: {problem}" for problem in _of_model(value))
            for name in type(value).model_fields:
                yield from contradictions(getattr(value, name), f"{place}.{name}".lstrip("."))
        case dict():
            for key, inner in value.items():
                yield from contradictions(inner, f"{place}.{key}")
        case tuple() | list():
            for i, inner in enumerate(value):
                yield from contradictions(inner, f"{place}.{i}")
        case float() if not isfinite(value):
            yield f"{place}: {value} is no finite number"
        case _:
            pass


def _of_model(value: BaseModel) -> Iterator[str]:
    if isinstance(value, Distribution):
        parts = [name for name in BESIDE_MEAN if name != "sd"]
        if value.n > 0 and any(getattr(value, name) is None for name in ("mean", *parts)):
            yield f"no mean, extremes or quantiles of {value.n} examples"
    elif isinstance(value, Histogram):
        yield from _of_bins(value.edges, value.counts)
    elif isinstance(value, JointHistogram):
        for row in value.counts:
            yield from _of_bins(value.y_edges, row)
        yield from _of_bins(value.x_edges, [sum(row) for row in value.counts])


def _of_bins(edges: Sequence[float], counts: Sequence[int]) -> Iterator[str]:
    if len(edges) != len(counts) + 1:
        yield f"{len(counts)} counts between {len(edges)} edges"
    elif not counts or any(low >= high for low, high in pairwise(edges)):
        yield "edges that do not rise"
    elif min(counts) < 0:
        yield "a count below 0"
