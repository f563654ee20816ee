"""Small pictures as SVG: no script draws them, and they take their colours from the page."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from attn_audit.formats.numbers import mean
from attn_audit.results.summary import Distribution, Interval

WIDTH, ROW, LEFT = 300, 20, 118
HEIGHT = 56
"""Of a histogram's columns."""

OPEN = Markup('<svg class="picture" viewBox="0 0 {} {}" role="img" aria-label="{}">')


@dataclass(frozen=True)
class Point:
    """A number with its interval."""

    name: str
    value: float
    interval: Interval | None
    colour: str
    """A variable of the style sheet."""


def points(
    rows: Sequence[Point], limits: tuple[float, float], ends: tuple[str, str], said: str
) -> Markup:
    """Numbers below each other on one axis, each with its interval.

    Args:
        rows: At least one.
        limits: Values at the ends of the axis.
        ends: What is written there.
        said: What a screen reader says.
    """
    lines = [_point(i, row, limits) for i, row in enumerate(rows)]
    bottom = ROW * len(rows)
    return _whole(bottom + 16, said, [*lines, _ends(bottom + 12, LEFT, ends)])


def _point(i: int, row: Point, limits: tuple[float, float]) -> Markup:
    low, high = limits

    def x(value: float) -> float:
        part = (min(high, max(low, value)) - low) / (high - low)
        return round(LEFT + part * (WIDTH - LEFT - 8), 1)

    interval = row.interval
    span = (row.value, row.value) if interval is None else (interval.low, interval.high)
    return Markup(
        '<text x="0" y="{below}">{name}</text>'
        '<line class="track" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
        '<line class="span {colour}" x1="{first}" x2="{last}" y1="{y}" y2="{y}"/>'
        '<circle class="{colour}" cx="{at}" cy="{y}" r="5"/>'
    ).format(
        y=ROW * i + ROW // 2,
        below=ROW * i + ROW // 2 + 4,
        name=row.name,
        colour=row.colour,
        low=x(low),
        high=x(high),
        first=x(span[0]),
        last=x(span[1]),
        at=x(row.value),
    )


def histogram(distribution: Distribution, ends: tuple[str, str], name: str) -> Markup:
    """Columns from end to end, the mean marked; nothing where there is no example.

    Args:
        distribution: Of any number, with a histogram.
        ends: What is written under the ends of the axis.
        name: What the number is.
    """
    shape = distribution.histogram
    if shape is None or distribution.mean is None:
        return Markup()
    peak, width = max(shape.counts), WIDTH / len(shape.counts)
    columns = [
        Markup(
            '<rect class="gradient" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>'
        ).format(i * width + 0.5, HEIGHT * (1 - count / peak), width - 1, HEIGHT * count / peak)
        for i, count in enumerate(shape.counts)
        if count
    ]
    first, last = shape.edges[0], shape.edges[-1]
    at = round((distribution.mean - first) / (last - first) * WIDTH, 1)
    line = Markup(
        '<line class="track" x1="0" x2="{}" y1="{}" y2="{}"/>'
        '<line class="mean" x1="{}" x2="{}" y1="0" y2="{}"/>'
    ).format(WIDTH, HEIGHT, HEIGHT, at, at, HEIGHT)
    said = f"Examples by {name}; mean {mean(distribution)}"
    return _whole(HEIGHT + 16, said, [*columns, line, _ends(HEIGHT + 12, 0, ends)])


def _ends(y: int, left: int, ends: tuple[str, str]) -> Markup:
    return Markup(
        '<text class="end" x="{}" y="{}">{}</text>'
        '<text class="end" text-anchor="end" x="{}" y="{}">{}</text>'
    ).format(left, y, ends[0], WIDTH, y, ends[1])


def _whole(height: int, said: str, parts: Sequence[Markup]) -> Markup:
    return OPEN.format(WIDTH, height, said) + Markup().join(parts) + Markup("</svg>")
