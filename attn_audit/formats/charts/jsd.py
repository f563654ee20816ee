"""The largest divergence that keeps the output, over the examples."""

from math import log

import altair as alt

from attn_audit.formats.charts.figure import WIDTH, Drawn, Figure, Row, bins, scale, tooltip, values
from attn_audit.formats.charts.palette import Palette
from attn_audit.results.report import Report

TITLE = "largest divergence found (epsilon-max JSD, nats)"


def draw(report: Report, palette: Palette) -> Drawn | None:
    """A histogram with the mean and the largest value that any divergence has.

    Args:
        report: Any report.
        palette: Where the figure goes.
    """
    summary = report.checks.adversarial
    if summary is None or summary.max_jsd.histogram is None or not summary.max_jsd.n:
        return None
    histogram = summary.max_jsd.histogram
    axis = scale(0.0, histogram.edges[-1])
    bars = (
        alt.Chart(values(list(bins(histogram))))
        .mark_bar(binSpacing=1, color=palette.gradient)
        .encode(
            x=alt.X("low:Q", scale=axis, title=TITLE, bin="binned"),
            x2="high:Q",
            y=alt.Y("share:Q", title="share of examples", axis=alt.Axis(format="%", tickCount=4)),
            tooltip=tooltip(range="divergence", count="examples", share="share"),
        )
    )
    mean = _marked({"at": summary.max_jsd.mean, "name": "mean"}, 8, axis, palette)
    most = _marked({"at": log(2), "name": "ln 2"}, 24, axis, palette)
    return alt.layer(bars, *mean, *most).properties(width=WIDTH, height=200)


def _marked(row: Row, y: int, axis: alt.Scale, palette: Palette) -> tuple[alt.Chart, alt.Chart]:
    """A dashed line and, this many pixels from the top, its name: two names never meet."""
    base = alt.Chart(values([row])).encode(x=alt.X("at:Q", scale=axis))
    line = base.mark_rule(strokeWidth=2, strokeDash=[4, 2], color=palette.ink)
    return line, base.mark_text(align="right", dx=-4, y=y).encode(text="name:N")


FIGURE = Figure(
    name="jsd",
    check="adversarial",
    title="How different attention could look",
    reading=(
        "How many examples allow which divergence: 0 is the model's own attention, ln 2 = 0.69 "
        "attention on entirely other words. Mass at the right end means that the output does not "
        "single out the attention that was shown."
    ),
    draw=draw,
)
