"""How far shuffling moves outputs, by the largest attention weight: violins over four bins."""

import altair as alt

from attn_audit.formats.charts.figure import (
    AXIS,
    Drawn,
    Figure,
    Row,
    bins,
    only,
    scale,
    stacked,
    tooltip,
    values,
)
from attn_audit.formats.charts.palette import Palette
from attn_audit.formats.numbers import counted
from attn_audit.results.report import Report
from attn_audit.results.summary import Group

X = "median change of the output"


def draw(report: Report, palette: Palette) -> Drawn | None:
    """One violin a bin that has examples, with its quartiles.

    Args:
        report: Any report; one made before reports held these histograms has no such figure.
        palette: Where the figure goes.
    """
    summary = report.checks.permutation
    groups = [] if summary is None else [g for g in summary.by_max_attention if _drawable(g)]
    if not groups:
        return None
    base = alt.Chart(values([row for group in groups for row in _rows(group)]))
    x = alt.X("low:Q", scale=scale(0.0, 1.0), title=X, axis=AXIS)
    violin = (
        base.transform_filter(only("bin"))
        .mark_bar(binSpacing=0, color=palette.gradient, opacity=0.75)
        .encode(
            x=alt.X("low:Q", scale=scale(0.0, 1.0), title=X, bin="binned", axis=AXIS),
            x2="high:Q",
            y=alt.Y("below:Q", title=None, axis=None),
            y2="above:Q",
            tooltip=tooltip(range="output moves by", count="examples", share="share"),
        )
    )
    box = (
        base.transform_filter(only("box"))
        .mark_rule(strokeWidth=3, color=palette.ink)
        .encode(x=x, x2="high:Q", y="y:Q")
    )
    median = (
        base.transform_filter(only("median"))
        .mark_point(filled=True, size=60, opacity=1, stroke=palette.ink, fill=palette.ground)
        .encode(x=x, y="y:Q", tooltip=tooltip(low="median"))
    )
    return stacked([violin, box, median], [_name(group) for group in groups], 70)


def _drawable(group: Group) -> bool:
    return group.distribution.n > 0 and group.distribution.histogram is not None


def _name(group: Group) -> str:
    return f"Largest weight {group.name} ({counted(group.distribution.n, 'example')})"


def _rows(group: Group) -> list[Row]:
    """Every violin as wide as the others at its widest, whatever its number of examples."""
    found = group.distribution
    assert found.histogram is not None
    shapes = list(bins(found.histogram))
    widest = max(row["share"] for row in shapes)
    shared = {"row": _name(group), "y": 0}
    quartile, median, last = (found.quantiles[q] for q in ("0.25", "0.5", "0.75"))
    return [
        *(
            {
                **shared,
                "kind": "bin",
                "below": -row["share"] / widest,
                "above": row["share"] / widest,
                **row,
            }
            for row in shapes
        ),
        {**shared, "kind": "box", "low": quartile, "high": last},
        {**shared, "kind": "median", "low": median},
    ]


FIGURE = Figure(
    name="output_change",
    check="permutation",
    title="Change of the output against the largest weight",
    reading=(
        "One shape for each range of an example's largest attention weight: the thicker, the more "
        "of its examples move by that much; the bar is the middle half, the dot the median. Where "
        "peaked attention matters, the lower shapes lie further to the right; a lower shape that "
        "clings to 0 shows outputs that did not depend on where the peak was."
    ),
    draw=draw,
)
