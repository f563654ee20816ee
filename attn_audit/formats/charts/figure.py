"""What a figure is, and the parts that several are made of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt

from attn_audit.formats.charts.palette import Palette
from attn_audit.results.report import Report
from attn_audit.results.summary import Histogram

Drawn = alt.Chart | alt.LayerChart | alt.FacetChart
Row = dict[str, Any]

WIDTH = 560
"""In files; the page makes figures as wide as there is room."""

AXIS = alt.Axis(tickCount=5)
"""From 0 to 1, where there may be no room for more."""

FORMATS = {"share": ".1%", "low": ".3f"}
"""Of numbers that are said of a mark, by field."""


@dataclass(frozen=True)
class Figure:
    """One definition for the page and for files."""

    name: str
    """Of the file, and in the page."""
    check: str
    """Beside which check it stands; `sites` for layers and heads."""
    title: str
    reading: str
    """How to read it, in a sentence or two."""
    draw: Callable[[Report, Palette], Drawn | None]
    """None where the report lacks what it shows."""


def bins(histogram: Histogram) -> Iterator[Row]:
    """Each bin's borders, count and share of all that are counted.

    Args:
        histogram: With at least one example.
    """
    total = sum(histogram.counts)
    for (low, high), count in zip(pairwise(histogram.edges), histogram.counts, strict=True):
        yield {
            "low": low,
            "high": high,
            "count": count,
            "share": count / total,
            "range": f"{low:.3g} to {high:.3g}",
        }


def tooltip(**fields: str) -> list[alt.Tooltip]:
    """What is said of a mark under the pointer, as it stands in the data but for long numbers.

    Args:
        **fields: Title of each field.
    """
    return [
        alt.Tooltip(f"{name}:Q", title=title, format=FORMATS[name])
        if name in FORMATS
        else alt.Tooltip(f"{name}:N", title=title)
        for name, title in fields.items()
    ]


def stacked(layers: Sequence[alt.Chart], names: Sequence[str], height: int) -> alt.FacetChart:
    """One panel for each name, below each other on one axis.

    Args:
        layers: What each panel shows of the rows with its name, from the back.
        names: Values of the field `row`, from the top.
        height: Of a panel, in pixels.
    """
    header = alt.Header(title=None, labelOrient="top", labelAnchor="start", labelPadding=2)
    panel = alt.layer(*layers).properties(width=WIDTH, height=height)
    made: alt.FacetChart = panel.facet(
        row=alt.Row("row:N", sort=list(names), header=header), spacing=10
    )
    return made


def only(kind: str) -> str:
    """An expression that keeps the rows of a kind.

    Args:
        kind: Value of the field `kind`, a word of ours.
    """
    return f"datum.kind === '{kind}'"


def scale(low: float, high: float) -> alt.Scale:
    """An axis from end to end, as it is.

    Args:
        low: Left or lower end.
        high: The other one.
    """
    return alt.Scale(domain=[low, high], nice=False)


def values(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    """Rows as a chart's data.

    Args:
        rows: Plain values by field.
    """
    return alt.InlineData(values=[dict(row) for row in rows])
