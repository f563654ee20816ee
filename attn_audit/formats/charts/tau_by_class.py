"""Kendall's tau by predicted class: with gradients above the line, with leave-one-out below."""

from collections.abc import Sequence

import altair as alt

from attn_audit.formats.charts.figure import (
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
from attn_audit.formats.safety import printable
from attn_audit.results.report import Report
from attn_audit.results.summary import CorrelationSummary, Group

SIDES = {"attention_gradient": "with gradients", "attention_leave_one_out": "with leave-one-out"}

MAX_CLASSES = 6
"""The classes that are predicted most; of more, nobody sees a pattern."""


def draw(report: Report, palette: Palette) -> Drawn | None:
    """One panel for each class, the most frequent first.

    Args:
        report: Any report; one made before reports held these histograms has no such figure.
        palette: Where the figure goes.
    """
    summary = report.checks.correlation
    sides = {} if summary is None else _sides(summary)
    classes = _classes(sides)
    if not classes:
        return None
    titles = {group.name: _title(group) for group in classes}
    rows = [
        row
        for side, groups in sides.items()
        for group in groups
        if group.name in titles
        for row in _rows(side, titles[group.name], group)
    ]
    base = alt.Chart(values(rows))
    names, colours = list(SIDES.values()), [palette.of_pair(side) for side in SIDES]
    bars = (
        base.transform_filter(only("bin"))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("low:Q", scale=scale(-1.0, 1.0), title="Kendall's tau", bin="binned"),
            x2="high:Q",
            y=alt.Y("height:Q", title=None, axis=_axis()),
            color=alt.Color(
                "side:N",
                scale=alt.Scale(domain=names, range=colours),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=tooltip(side="attention", range="tau", count="examples", share="share"),
        )
    )
    means = (
        base.transform_filter(only("mean"))
        .mark_rule(strokeWidth=2, strokeDash=[4, 2], color=palette.ink)
        .encode(x=alt.X("low:Q", scale=scale(-1.0, 1.0)), y="y:Q", y2="height:Q")
    )
    return stacked([bars, means], list(titles.values()), 80)


def _axis() -> alt.Axis:
    return alt.Axis(labelExpr="format(abs(datum.value), '.0%')", tickCount=3)


def _sides(summary: CorrelationSummary) -> dict[str, Sequence[Group]]:
    taus = {side: getattr(summary, side) for side in SIDES}
    return {side: tau.by_prediction for side, tau in taus.items() if tau is not None and tau.n}


def _classes(sides: dict[str, Sequence[Group]]) -> list[Group]:
    """Those of the first side that have a histogram."""
    first = next(iter(sides.values()), ())
    drawable = [g for g in first if g.distribution.n and g.distribution.histogram]
    return sorted(drawable, key=lambda group: -group.distribution.n)[:MAX_CLASSES]


def _title(group: Group) -> str:
    return f"Predicted {printable(group.name)} ({counted(group.distribution.n, 'example')})"


def _rows(side: str, title: str, group: Group) -> list[Row]:
    found = group.distribution
    if found.histogram is None or not found.n:
        return []
    sign = 1 if side == "attention_gradient" else -1
    shared = {"row": title, "side": SIDES[side]}
    rows = [
        {**shared, "kind": "bin", "height": sign * row["share"], **row}
        for row in bins(found.histogram)
    ]
    tallest = max(row["share"] for row in rows)
    return [*rows, {**shared, "kind": "mean", "low": found.mean, "y": 0, "height": sign * tallest}]


FIGURE = Figure(
    name="tau_by_class",
    check="correlation",
    title="By predicted class",
    reading=(
        "The same for the examples of each predicted class (their number in brackets): tau with "
        "gradients upwards, with leave-one-out downwards; dashed: the means. Explanations that "
        "are worse for one class show as panels that lie further to the left."
    ),
    draw=draw,
)
