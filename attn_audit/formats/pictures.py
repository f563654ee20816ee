"""Distributions drawn in characters: column charts and box strips, in Unicode or plain ASCII."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from attn_audit.results.summary import Distribution, Histogram


@dataclass(frozen=True)
class Ink:
    """The characters that pictures are drawn with."""

    levels: str
    """A cell from empty to full."""
    axis: str
    tick: str
    top: str
    side: str
    corner: str
    whisker: str
    left: str
    right: str
    box: str
    median: str


UNICODE = Ink(
    levels=" ▁▂▃▄▅▆▇█", axis="─", tick="┬", top="┤", side="│", corner="└",
    whisker="─", left="╶", right="╴", box="━", median="┿",
)  # fmt: skip
ASCII = Ink(
    levels=" .:#", axis="-", tick="+", top="|", side="|", corner="+",
    whisker="-", left="-", right="-", box="=", median="O",
)  # fmt: skip


def columns(histogram: Histogram, n_rows: int, n_columns: int, ink: Ink, peak: float) -> list[str]:
    """A histogram as columns, each bin as wide as the others.

    Args:
        histogram: Counts between edges.
        n_rows: Height.
        n_columns: Width; every bin takes the same whole number of columns, at least one.
        ink: Characters to draw with.
        peak: The count that is as high as the picture.

    Returns:
        The rows from the top, all equally long.

    Example:
        >>> columns(Histogram(edges=(0, 1, 2, 3), counts=(1, 8, 4)), 1, 6, UNICODE, 8.0)
        ['▁▁██▄▄']
    """
    width = bin_width(histogram, n_columns)
    n_levels = len(ink.levels) - 1
    heights = [ceil(count / peak * n_rows * n_levels) if peak else 0 for count in histogram.counts]
    return [
        "".join(ink.levels[max(0, min(n_levels, h - row * n_levels))] * width for h in heights)
        for row in reversed(range(n_rows))
    ]


def bin_width(histogram: Histogram, n_columns: int) -> int:
    """How many columns each bin takes.

    Args:
        histogram: Counts between edges.
        n_columns: Columns there are.
    """
    return max(1, n_columns // max(1, len(histogram.counts)))


def place(value: float, edges: Sequence[float], n_columns: int) -> int:
    """The column, from 0 to n_columns, where a value stands on an axis of equally wide bins.

    Args:
        value: Between the first and the last edge; beyond, the end is taken.
        edges: Borders of the bins, ascending.
        n_columns: Columns of the whole axis.

    Example:
        >>> place(0.5, (0.0, 0.5, 1.0), 10), place(2.0, (0.0, 0.5, 1.0), 10)
        (5, 10)
    """
    for i, (low, high) in enumerate(pairwise(edges)):
        if value <= high:
            part = max(0.0, (value - low) / (high - low))
            return round((i + part) / (len(edges) - 1) * n_columns)
    return n_columns


def axis(
    edges: Sequence[float], n_columns: int, ticks: Sequence[float], ink: Ink
) -> tuple[str, str]:
    """The line under a column chart, and the numbers under its ticks.

    Args:
        edges: Borders of the bins.
        n_columns: Columns of the chart; the axis is one longer, for the last tick.
        ticks: Values to name.
        ink: Characters to draw with.

    Example:
        >>> axis((0.0, 0.5, 1.0), 10, (0.0, 0.5, 1.0), ASCII)
        ('+----+----+', '0   0.5   1')
    """
    line = [ink.axis] * (n_columns + 1)
    names = [" "] * (n_columns + 6)
    for tick in ticks:
        at = place(tick, edges, n_columns)
        line[at] = ink.tick
        name = f"{tick:.2g}"
        start = min(max(0, at - (len(name) - 1) // 2), n_columns + 6 - len(name))
        if tick == ticks[-1]:
            start = at - len(name) + 1
        names[start : start + len(name)] = name
    return "".join(line), "".join(names).rstrip()


def strip(distribution: Distribution, low: float, high: float, n_columns: int, ink: Ink) -> str:
    """Where the values lie, in one line: 5 to 95 % thin, the middle half thick, the median marked.

    Args:
        distribution: With quantiles; empty text where there is no example.
        low: Value at the left end.
        high: Value at the right end.
        n_columns: Width.
        ink: Characters to draw with.

    Example:
        >>> values = {"0.05": 0.1, "0.25": 0.3, "0.5": 0.5, "0.75": 0.7, "0.95": 0.9}
        >>> strip(Distribution(n=9, mean=0.5, sd=0.3, interval=None, minimum=0, quantiles=values,
        ...                    maximum=1), 0.0, 1.0, 21, ASCII)
        '  ----====O====----  '
    """
    if not distribution.quantiles:
        return ""
    places = [
        place(distribution.quantiles[q], (low, high), n_columns - 1)
        for q in ("0.05", "0.25", "0.5", "0.75", "0.95")
    ]
    start, box_start, middle, box_end, end = places
    cells = [" "] * n_columns
    cells[start : end + 1] = ink.whisker * (end + 1 - start)
    cells[start], cells[end] = ink.left, ink.right
    cells[box_start : box_end + 1] = ink.box * (box_end + 1 - box_start)
    cells[middle] = ink.median
    return "".join(cells)


def signed_bar(level: float, n_columns: int, ink: Ink) -> str:
    """A bar to the right of the middle, or to the left for a number below 0.

    Args:
        level: From -1 to 1; beyond, the end is taken.
        n_columns: Width, odd: the middle takes one column.
        ink: Characters to draw with.

    Example:
        >>> signed_bar(0.5, 9, ASCII), signed_bar(-1.0, 9, ASCII)
        ('    |==  ', '====|    ')
    """
    half = n_columns // 2
    bar = ink.box * round(min(1.0, abs(level)) * half)
    left, right = ("", bar) if level > 0 else (bar, "")
    return f"{left:>{half}}{ink.side}{right:<{half}}"
