"""Layers and heads beside each other: a grid for each tau, or points where heads are averaged."""

from collections.abc import Sequence

import altair as alt

from attn_audit.formats.charts.figure import Drawn, Figure, Row, stacked, tooltip, values
from attn_audit.formats.charts.palette import Palette
from attn_audit.formats.numbers import number, signed
from attn_audit.formats.sentences.site_measures import TAUS, Measure, measured, written
from attn_audit.results.report import Report
from attn_audit.results.summary import Interval, SiteSummary

LEAST_LIMIT = 0.5
"""What the strongest shade stands for, at least: else taus all near 0 would look far from it."""

SIDES = ("below 0", "above 0")

CELL = 26
MAX_HEADS_WITH_NUMBERS = 16
STRONGEST = 0.9
"""Of a shade: what is written on it stays readable on light and on dark ground."""


def draw(report: Report, palette: Palette) -> Drawn | None:
    """A panel for each tau, or where no tau was measured for each other number.

    Args:
        report: Any report.
        palette: Where the figure goes.
    """
    found = measured(report.sites)
    shown = [measure for measure in found if measure in TAUS] or found
    rows = [row for measure in shown for row in _rows(report.sites, measure)]
    if not rows:
        return None
    names = [_name(measure) for measure in shown]
    n_layers = len({site.layer for site in report.sites})
    if report.sites[0].head is None:
        return _points(rows, names, n_layers, palette)
    return _grid(rows, names, n_layers, palette)


def _name(measure: Measure) -> str:
    return f"Mean {measure.name}"


def _rows(sites: Sequence[SiteSummary], measure: Measure) -> list[Row]:
    means = [(site, mean) for site in sites if (mean := measure.mean(site)) is not None]
    limit = max([LEAST_LIMIT, *(abs(mean) for _, mean in means)])
    return [
        {
            "row": _name(measure),
            "layer": site.layer,
            "head": site.head,
            "mean": mean,
            "written": written(site, measure),
            "cell": signed(mean).removeprefix("+") if measure in TAUS else number(mean),
            "side": SIDES[mean >= 0],
            "strength": abs(mean) / limit,
            **_ends(measure.interval(site)),
        }
        for site, mean in means
    ]


def _ends(interval: Interval | None) -> Row:
    return (
        {} if interval is None else {"interval_low": interval.low, "interval_high": interval.high}
    )


def _grid(rows: list[Row], names: Sequence[str], n_layers: int, palette: Palette) -> Drawn:
    base = alt.Chart(values(rows)).encode(
        x=alt.X("head:O", title="head", axis=alt.Axis(orient="bottom", labelAngle=0)),
        y=alt.Y("layer:O", title="layer"),
        tooltip=tooltip(layer="layer", head="head", written="mean"),
    )
    cells = base.mark_rect().encode(
        color=alt.Color(
            "side:N",
            scale=alt.Scale(domain=list(SIDES), range=[palette.low, palette.high]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        opacity=alt.Opacity(
            "strength:Q", scale=alt.Scale(domain=[0, 1], range=[0, STRONGEST]), legend=None
        ),
    )
    n_heads = len({row["head"] for row in rows})
    numbers = base.mark_text(fontSize=10).encode(text="cell:N")
    layers = [cells, numbers] if n_heads <= MAX_HEADS_WITH_NUMBERS else [cells]
    return stacked(layers, names, CELL * n_layers)


def _points(rows: list[Row], names: Sequence[str], n_layers: int, palette: Palette) -> Drawn:
    base = alt.Chart(values(rows)).encode(
        y=alt.Y("layer:O", title="layer"), tooltip=tooltip(layer="layer", written="mean")
    )
    spans = base.mark_rule(strokeWidth=2, color=palette.gradient).encode(
        x=alt.X("interval_low:Q", title="mean and 95% interval"), x2="interval_high:Q"
    )
    points = base.mark_point(filled=True, size=70, opacity=1, color=palette.gradient).encode(
        x=alt.X("mean:Q")
    )
    return stacked([spans, points], names, CELL * n_layers)


FIGURE = Figure(
    name="sites",
    check="sites",
    title="Layer by layer, head by head",
    reading=(
        "Every layer and head by itself: the stronger the shade, the further its number is from 0; "
        "the number stands in each cell as well. The highest of many are high partly by chance."
    ),
    draw=draw,
)
