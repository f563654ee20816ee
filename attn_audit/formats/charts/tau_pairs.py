"""Kendall's tau of every pair of rankings, one below the other."""

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
from attn_audit.formats.numbers import mean
from attn_audit.results.report import Report
from attn_audit.results.summary import CorrelationSummary, TauSummary

PAIRS = {
    "attention_gradient": "With gradients",
    "attention_leave_one_out": "With leave-one-out",
    "gradient_leave_one_out": "Yardstick",
}


def draw(report: Report, palette: Palette) -> Drawn | None:
    """A histogram for each pair that was measured, with its mean.

    Args:
        report: Any report.
        palette: Where the figure goes.
    """
    summary = report.checks.correlation
    taus = {} if summary is None else measured(summary)
    if not taus:
        return None
    rows = [row for pair, tau in taus.items() for row in _rows(pair, tau)]
    names = [_name(pair, tau) for pair, tau in taus.items()]
    colour = alt.Color(
        "row:N",
        scale=alt.Scale(domain=names, range=[palette.of_pair(pair) for pair in taus]),
        legend=None,
    )
    base = alt.Chart(values(rows))
    bars = (
        base.transform_filter(only("bin"))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("low:Q", scale=scale(-1.0, 1.0), title="Kendall's tau", bin="binned"),
            x2="high:Q",
            y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%", tickCount=2)),
            color=colour,
            tooltip=tooltip(range="tau", count="examples", share="share"),
        )
    )
    line = base.transform_filter(only("mean")).mark_rule(
        strokeWidth=2, strokeDash=[4, 2], color=palette.ink
    )
    return stacked([bars, line.encode(x=alt.X("low:Q", scale=scale(-1.0, 1.0)))], names, 90)


def measured(summary: CorrelationSummary) -> dict[str, TauSummary]:
    """The pairs that have examples, the yardstick last.

    Args:
        summary: Of a correlation check.
    """
    found = {pair: getattr(summary, pair) for pair in PAIRS}
    return {pair: tau for pair, tau in found.items() if tau is not None and tau.n}


def _name(pair: str, tau: TauSummary) -> str:
    return f"{PAIRS[pair]}: {mean(tau)}"


def _rows(pair: str, tau: TauSummary) -> list[Row]:
    assert tau.histogram is not None
    shared = {"row": _name(pair, tau)}
    rows = [{**shared, "kind": "bin", **row} for row in bins(tau.histogram)]
    return [*rows, {**shared, "kind": "mean", "low": tau.mean}]


FIGURE = Figure(
    name="tau_pairs",
    check="correlation",
    title="How alike the rankings are",
    reading=(
        "How many examples have which tau: 1 is the same order of the words, 0 unrelated, -1 "
        "reversed; dashed: the mean. The upper panels hold attention against a measure, the "
        "yardstick the two measures against each other: attention that tells what they tell lies "
        "as far to the right."
    ),
    draw=draw,
)
