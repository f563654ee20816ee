"""The largest divergence that keeps the output against the largest attention weight."""

from itertools import pairwise

import altair as alt

from attn_audit.formats.charts.figure import AXIS, WIDTH, Drawn, Figure, Row, scale, tooltip, values
from attn_audit.formats.charts.jsd import TITLE
from attn_audit.formats.charts.palette import Palette
from attn_audit.results.report import Report
from attn_audit.results.summary import JointHistogram


def draw(report: Report, palette: Palette) -> Drawn | None:
    """A grid of both numbers, the stronger its shade the more examples.

    Args:
        report: Any report.
        palette: Where the figure goes.
    """
    summary = report.checks.adversarial
    joint = None if summary is None else summary.jsd_by_max_attention
    cells = [] if joint is None else _cells(joint)
    if joint is None or not cells:
        return None
    chart = alt.Chart(values(cells)).mark_rect(color=palette.gradient)
    made: alt.Chart = chart.encode(
        x=alt.X(
            "low:Q",
            scale=scale(0.0, joint.x_edges[-1]),
            title="largest weight",
            bin="binned",
            axis=AXIS,
        ),
        x2="high:Q",
        y=alt.Y("jsd:Q", scale=scale(0.0, joint.y_edges[-1]), title=TITLE, bin="binned"),
        y2="jsd_high:Q",
        opacity=alt.Opacity(
            "count:Q",
            scale=alt.Scale(type="sqrt", range=[0.12, 1]),
            legend=alt.Legend(title="examples", orient="top", symbolFillColor=palette.gradient),
        ),
        tooltip=tooltip(range="largest weight", jsd_range="divergence", count="examples"),
    ).properties(width=WIDTH, height=260)
    return made


def _cells(joint: JointHistogram) -> list[Row]:
    """Those with examples."""
    return [
        {
            "low": low,
            "high": high,
            "jsd": jsd_low,
            "jsd_high": jsd_high,
            "count": count,
            "range": f"{low:.2g} to {high:.2g}",
            "jsd_range": f"{jsd_low:.2f} to {jsd_high:.2f}",
        }
        for (low, high), row in zip(pairwise(joint.x_edges), joint.counts, strict=True)
        for (jsd_low, jsd_high), count in zip(pairwise(joint.y_edges), row, strict=True)
        if count
    ]


FIGURE = Figure(
    name="jsd_by_weight",
    check="adversarial",
    title="Divergence against the largest weight",
    reading=(
        "The stronger a cell's shade, the more examples have that largest weight and that "
        "divergence. Examples to the right have one dominant word; those of them that lie high up "
        "would give the same output with attention elsewhere."
    ),
    draw=draw,
)
