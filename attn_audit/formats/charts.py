"""The figures of documents: a drawing for each kind of figure, for the page and as files.

Importing it imports Altair: only what draws does so.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import altair as alt
import vl_convert
from altair.utils.schemapi import debug_mode

from attn_audit.document import Figure, ForestPlot, Histograms, Joint, Panel, Place, Places, Violins
from attn_audit.errors import OutputError
from attn_audit.files import problem_of, replacing
from attn_audit.formats.palette import FILES, Palette
from attn_audit.numbers import mean, number
from attn_audit.quoting import printable
from attn_audit.statistics.summary import Distribution, Histogram, Interval


def configuration(palette: Palette) -> dict[str, Any]:
    """Vega-Lite's `config`: the look that all figures share."""
    axis = {
        "labelColor": palette.faint,
        "titleColor": palette.faint,
        "titleFontWeight": "normal",
        "domainColor": palette.faint,
        "tickColor": palette.faint,
        "gridColor": palette.grid,
        "labelFontSize": 12,
        "titleFontSize": 12,
    }
    return {
        "font": palette.font,
        "background": "transparent",
        "view": {"stroke": None},
        "axis": axis,
        "header": {"labelColor": palette.ink, "labelFontSize": 13, "labelFontWeight": "bold"},
        "legend": {"labelColor": palette.ink, "titleColor": palette.faint, "labelFontSize": 12},
        "text": {"color": palette.ink},
    }


PPI = 300
"""Of a PNG, in print."""

SCALE = 72 / 96
"""A pixel is 1/96 inch, and vl-convert's is 1/72: the files of a figure are equally large."""

BACKGROUND = "white"

FILE_FORMATS: dict[str, Callable[[str], bytes]] = {
    ".svg": lambda svg: svg.encode("utf-8"),
    ".png": lambda svg: vl_convert.svg_to_png(svg, ppi=PPI, scale=SCALE),
    ".pdf": lambda svg: vl_convert.svg_to_pdf(_in_points(svg)),
}


def _in_points(svg: str) -> str:
    """Of a size that is as large where a pixel is a point."""

    def smaller(side: re.Match[str]) -> str:
        return f'{side[1]}="{float(side[2]) * SCALE:g}"'

    opened, rest = svg.split(">", 1)
    return re.sub(r'\b(width|height)="([\d.]+)"', smaller, opened) + ">" + rest


def write_figures(figures: Sequence[Figure], folder: Path) -> tuple[Path, ...]:
    """Write figures as PNG, SVG and PDF, without titles: papers say in captions what is shown.

    Args:
        folder: Made if it does not exist; files of the same names are replaced.

    Returns:
        The files, in the order of the figures.

    Raises:
        OutputError: The folder cannot be made, or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, problem_of(error)) from None
    written = []
    for figure in figures:
        made = specification(figure, FILES)
        svg = vl_convert.vegalite_to_svg(json.dumps({**made, "background": BACKGROUND}))
        for suffix, drawn in FILE_FORMATS.items():
            written.append(folder / f"{figure.name}{suffix}")
            with replacing(written[-1]) as temporary:
                temporary.write_bytes(drawn(svg))
    return tuple(written)


Drawn = alt.Chart | alt.LayerChart | alt.FacetChart
Row = dict[str, Any]

WIDTH = 560
"""In files; the page makes figures as wide as there is room."""

AXIS = alt.Axis(tickCount=5)
"""There may be no room for more."""

SHARE = alt.Axis(labelExpr="format(abs(datum.value), '.0%')", tickCount=3)

FORMATS = {"share": ".1%", "low": ".3f"}
"""Of numbers that are said of a mark, by field."""

SIDES = ("below 0", "above 0")
SIDES_LEGEND = alt.Legend(title=None, orient="top")

NEAR = 0.12
"""Of an axis: names of two lines that are as near stand above each other."""

CELL = 26
MAX_HEADS_WITH_NUMBERS = 16
STRONGEST = 0.9
"""Of a shade: what is written on it stays readable on light and on dark ground."""


def specification(figure: Figure, palette: Palette) -> dict[str, Any]:
    """A figure as Vega-Lite, for where the palette says."""
    with debug_mode(False):  # tests validate: slow
        made: dict[str, Any] = draw(figure, palette).to_dict(validate=False)
    return made | {"config": configuration(palette), "description": figure.title}


def chart(figure: Figure) -> Drawn:
    """A figure with its title, as it is on white ground, for who goes on with it."""
    look = configuration(FILES) | {"background": BACKGROUND}
    made: Drawn = draw(figure, FILES).properties(title=figure.title).configure(**look)
    return made


def draw(figure: Figure, palette: Palette) -> Drawn:
    """A figure of any kind."""
    match figure:
        case Histograms():
            return _histograms(figure, palette)
        case Violins():
            return _violins(figure, palette)
        case Joint():
            return _joint(figure, palette)
        case Places():
            return _places(figure, palette)
        case ForestPlot():
            return _forest_plot(figure, palette)
        case _:
            raise AssertionError(f"no drawing of {type(figure).__name__}")


def _histograms(figure: Histograms, palette: Palette) -> Drawn:
    """A panel below the other, each with its mean; a second side downwards."""
    rows = [row for panel in figure.panels for row in _columns(panel, figure.sides)]
    edges = next(panel.values.histogram.edges for panel in figure.panels if panel.values.histogram)
    axis, base = scale(edges[0], edges[-1]), alt.Chart(values(rows))
    classes = next((panel.classes for panel in figure.panels if panel.classes), ())
    if figure.sides:
        colours = dict(zip(figure.sides, (palette.gradient, palette.leave_one_out), strict=True))
        told, colour = {"side": "attention"}, _told_apart("side", colours, SIDES_LEGEND)
    elif classes:
        told, colour = {"class": "predicted"}, _classes([group.name for group in classes], palette)
    else:
        colours = {panel.hue.value: palette.of(panel.hue) for panel in figure.panels}
        told, colour = {}, _told_apart("hue", colours, None)
    said = {**told, "range": figure.counted, "count": "examples", "share": "share"}
    bars = (
        base.transform_filter(only("bin"))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X("low:Q", scale=axis, title=figure.axis, bin="binned", axis=AXIS),
            x2="high:Q",
            y=alt.Y("height:Q", title="examples", axis=SHARE),
            y2="base:Q",
            color=colour,
            tooltip=tooltip(**said),
        )
    )
    means = (
        base.transform_filter(only("mean"))
        .mark_rule(strokeWidth=2, strokeDash=[4, 2], color=palette.ink)
        .encode(x=alt.X("low:Q", scale=axis), y="y:Q", y2="height:Q")
    )
    height = 160 if len(figure.panels) == 1 else 85
    marks = [] if figure.mark is None else _marked(figure, axis, palette)
    if marks:
        return alt.layer(bars, means, *marks).properties(width=WIDTH, height=height)
    names = [_named(panel) for panel in figure.panels]
    return stacked([bars, means], names, height, n_columns=figure.n_columns)


def _named(panel: Panel) -> str:
    """With its mean, where the panel shows one distribution."""
    name = printable(panel.name)
    return name if panel.below is not None or "(" in name else f"{name}: {mean(panel.values)}"


def _columns(panel: Panel, sides: tuple[str, str] | None) -> Iterator[Row]:
    name, hue = _named(panel), panel.hue.value
    for sign, found in ((1, panel.values), (-1, panel.below)):
        if found is None or found.histogram is None or not found.n:
            continue
        side = "" if sides is None else sides[sign < 0]
        shared: Row = {"row": name, "side": side, "hue": hue}
        for row in _stacked(panel) if panel.classes else bins(found.histogram):
            base = row.get("base", 0.0)
            ends = {"base": sign * base, "height": sign * (base + row["share"])}
            yield {**shared, "kind": "bin", **row, **ends}
        tallest = sign * max(found.histogram.counts) / sum(found.histogram.counts)
        yield {**shared, "kind": "mean", "low": found.mean, "y": 0, "height": tallest}


def _stacked(panel: Panel) -> Iterator[Row]:
    """The bins of each class on those of the class before: together as high as all examples."""
    shapes = [group.distribution.histogram for group in panel.classes]
    assert panel.values.histogram is not None
    total, below = sum(panel.values.histogram.counts), [0] * len(panel.values.histogram.counts)
    for group, shape in zip(panel.classes, shapes, strict=True):
        assert shape is not None
        for i, row in enumerate(bins(shape)):
            stacked_on = {"base": below[i] / total, "share": row["count"] / total}
            yield {**row, "class": printable(group.name), **stacked_on}
            below[i] += row["count"]


def _told_apart(field: str, colours: Mapping[str, str], legend: alt.Legend | None) -> alt.Color:
    """By the values of a field, each in its colour."""
    colour = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(f"{field}:N", scale=colour, legend=legend)


def _classes(names: Sequence[str], palette: Palette) -> alt.Color:
    both = (palette.first_class, palette.second_class)
    colours = dict(zip(map(printable, names), both, strict=True))
    return _told_apart("class", colours, alt.Legend(title="predicted", orient="top"))


def _coloured(classes: Sequence[str], palette: Palette) -> alt.Color | alt.ColorValue:
    return _classes(classes, palette) if classes else alt.ColorValue(palette.gradient)


def _marked(figure: Histograms, axis: alt.Scale, palette: Palette) -> list[alt.Chart]:
    """The mean's name, and a line with its own; above all columns, where two names never meet."""
    assert figure.mark is not None
    (value, name), found_mean = figure.mark, figure.panels[0].values.mean
    assert found_mean is not None
    low, high = axis.to_dict()["domain"]
    meets = abs(value - found_mean) < NEAR * (high - low)
    found: list[tuple[Row, int]] = [
        ({"at": found_mean, "name": "mean"}, -8 - 14 * meets),
        ({"at": value, "name": name}, -8),
    ]
    made = []
    for row, y in found:
        base = alt.Chart(values([row])).encode(x=alt.X("at:Q", scale=axis))
        made.append(base.mark_rule(strokeWidth=2, strokeDash=[4, 2], color=palette.ink))
        made.append(base.mark_text(y=y).encode(text="name:N"))
    return made


def _violins(figure: Violins, palette: Palette) -> Drawn:
    """One shape a group, with its quartiles; of two predicted classes, one above the other."""
    parts = [part for panel in figure.panels for part in _halves(panel)]
    widest = max(row["share"] for _, _, half in parts for row in half)
    base = alt.Chart(values([row for panel in figure.panels for row in _shape(panel, widest)]))
    classes = list(_histogram(figure.panels[0]).by_prediction)
    said = {"class": "predicted"} if classes else {}
    x = alt.X("low:Q", scale=scale(0.0, 1.0), title=figure.axis, axis=AXIS)
    violin = (
        base.transform_filter(only("bin"))
        .mark_bar(binSpacing=0)
        .encode(
            color=_coloured(classes, palette),
            opacity=alt.Opacity("opacity:Q", scale=None),
            x=alt.X("low:Q", scale=scale(0.0, 1.0), title=figure.axis, bin="binned", axis=AXIS),
            x2="high:Q",
            y=alt.Y("below:Q", title=None, axis=None),
            y2="above:Q",
            tooltip=tooltip(**said, range=figure.counted, count="examples", share="share"),
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
    return stacked([violin, box, median], [printable(p.name) for p in figure.panels], 70)


FEW, FADED = 20, 0.3
"""Examples below which a shape is drawn paler, and how pale."""


def _histogram(panel: Panel) -> Histogram:
    assert panel.values.histogram is not None
    return panel.values.histogram


def _halves(panel: Panel) -> list[tuple[str, tuple[int, int], list[Row]]]:
    """The shape on both sides, or of two classes each on its own: with the sides it is drawn to."""
    found = _histogram(panel)
    if not found.by_prediction:
        return [("", (-1, 1), list(bins(found)))]
    total = sum(found.counts)
    sides = ((0, 1), (-1, 0))
    return [
        (name, side, list(bins(Histogram(edges=found.edges, counts=counts), total)))
        for side, (name, counts) in zip(sides, found.by_prediction.items(), strict=True)
    ]


def _shape(panel: Panel, widest: float) -> list[Row]:
    """Every violin in the same measure: as wide as its shares, whatever its number of examples."""
    found: Distribution = panel.values
    opacity = FADED if found.n < FEW else 0.75
    shared = {"row": printable(panel.name), "y": 0, "opacity": opacity}
    quartile, median, last = found.q25, found.median, found.q75
    shapes: list[Row] = []
    for name, (below, above), half in _halves(panel):
        for row in half:
            end = row["share"] / widest
            drawn = {"class": printable(name), "below": below * end, "above": above * end}
            shapes.append({**shared, "kind": "bin", **drawn, **row})
    return [
        *shapes,
        {**shared, "kind": "box", "low": quartile, "high": last},
        {**shared, "kind": "median", "low": median},
    ]


def _joint(figure: Joint, palette: Palette) -> Drawn:
    """A grid of both numbers, the stronger its shade the more examples."""
    x, y = figure.counts.x_edges[-1], figure.counts.y_edges[-1]
    classes = list(figure.counts.by_prediction)
    symbol = palette.faint if classes else palette.gradient
    shade = alt.Legend(title="examples", orient="top", symbolFillColor=symbol)
    said = {"class": "predicted"} if classes else {}
    made: alt.Chart = (
        alt.Chart(values(list(_cells(figure))))
        .mark_rect()
        .encode(
            color=_coloured(classes, palette),
            x=alt.X("low:Q", scale=scale(0.0, x), title=figure.axes[0], bin="binned", axis=AXIS),
            x2="high:Q",
            y=alt.Y("jsd:Q", scale=scale(0.0, y), title=figure.axes[1], bin="binned"),
            y2="jsd_high:Q",
            opacity=alt.Opacity(
                "all:Q", scale=alt.Scale(type="sqrt", range=[0.35, 1]), legend=shade
            ),
            tooltip=tooltip(
                **said, range=figure.counted[0], jsd_range=figure.counted[1], count="examples"
            ),
        )
        .properties(width=WIDTH, height=260)
    )
    return made


def _cells(figure: Joint) -> Iterator[Row]:
    """Those with examples; one of two classes is shared by them as they share its examples."""
    joint = figure.counts
    of_classes = joint.by_prediction or {"": joint.counts}
    for i, (low, high) in enumerate(pairwise(joint.x_edges)):
        for j, (y_low, y_high) in enumerate(pairwise(joint.y_edges)):
            count, start = joint.counts[i][j], low
            for name, counts in of_classes.items():
                if not (own := counts[i][j]):
                    continue
                end = start + (high - low) * own / count
                yield {
                    "low": start, "high": end, "jsd": y_low, "jsd_high": y_high, "count": own,
                    "all": count, "class": printable(name), "range": f"{low:.2g} to {high:.2g}",
                    "jsd_range": f"{y_low:.2f} to {y_high:.2f}",
                }  # fmt: skip
                start = end


def _places(figure: Places, palette: Palette) -> Drawn:
    """A grid for each number, or points where heads are averaged."""
    rows = [
        _place(name, place, figure.limit) for name, _, places in figure.panels for place in places
    ]
    names = [name for name, _, _ in figure.panels]
    height = CELL * len({row["layer"] for row in rows})
    if all(row["head"] is None for row in rows):
        return _points(rows, names, height, palette)
    return _grid(rows, names, height, palette)


def _place(name: str, place: Place, limit: float) -> Row:
    return {
        "row": name,
        "layer": place.layer,
        "head": place.head,
        "mean": place.mean,
        "written": place.written,
        "cell": place.cell.removeprefix("+"),
        "side": SIDES[place.mean >= 0],
        "strength": abs(place.mean) / limit,
        **_ends(place.interval),
    }


def _grid(rows: list[Row], names: Sequence[str], height: int, palette: Palette) -> Drawn:
    base = alt.Chart(values(rows)).encode(
        x=alt.X("head:O", title="head", axis=alt.Axis(orient="bottom", labelAngle=0)),
        y=alt.Y("layer:O", title="layer"),
        tooltip=tooltip(layer="layer", head="head", written="mean"),
    )
    colours = dict(zip(SIDES, (palette.low, palette.high), strict=True))
    cells = base.mark_rect().encode(
        color=_told_apart("side", colours, SIDES_LEGEND),
        opacity=alt.Opacity(
            "strength:Q", scale=alt.Scale(domain=[0, 1], range=[0, STRONGEST]), legend=None
        ),
    )
    n_heads = len({row["head"] for row in rows})
    numbers = base.mark_text(fontSize=10).encode(text="cell:N")
    layers = [cells, numbers] if n_heads <= MAX_HEADS_WITH_NUMBERS else [cells]
    return stacked(layers, names, height)


def _points(rows: list[Row], names: Sequence[str], height: int, palette: Palette) -> Drawn:
    base = alt.Chart(values(rows)).encode(
        y=alt.Y("layer:O", title="layer"), tooltip=tooltip(layer="layer", written="mean")
    )
    spans = base.mark_rule(strokeWidth=2, color=palette.gradient).encode(
        x=alt.X("interval_low:Q", title="mean and 95% interval"), x2="interval_high:Q"
    )
    points = base.mark_point(filled=True, size=70, opacity=1, color=palette.gradient).encode(
        x="mean:Q"
    )
    return stacked([spans, points], names, height)


def _forest_plot(figure: ForestPlot, palette: Palette) -> Drawn:
    """A point a row, in their order; chance as a band behind them, the most there is as a line."""
    name, chance, around = figure.band
    low, high = (chance, chance) if around is None else (around.low, around.high)
    rows = [
        {"row": printable(row), "mean": value, "written": number(value), **_ends(interval)}
        for row, value, interval in figure.rows
    ]
    base = alt.Chart(values(rows)).encode(
        y=alt.Y("row:N", title=None, sort=None, axis=alt.Axis(labelLimit=220)),
        tooltip=tooltip(row="order", written="mean"),
    )
    band = alt.Chart(values([{"low": low, "high": high, "name": name}]))
    marks: list[alt.Chart] = [
        band.mark_rect(opacity=0.25, color=palette.ink).encode(
            x=alt.X("low:Q", title=figure.axis, axis=AXIS),
            x2="high:Q",
            tooltip=tooltip(name=""),
        ),
        base.mark_rule(strokeWidth=2, color=palette.gradient).encode(
            x="interval_low:Q", x2="interval_high:Q"
        ),
        base.mark_point(filled=True, size=70, opacity=1, color=palette.gradient).encode(x="mean:Q"),
    ]
    named = [(name, chance)] if figure.best is None else [(name, chance), figure.best]
    lines = alt.Chart(values([{"at": at, "name": what} for what, at in named])).encode(x="at:Q")
    within: tuple[tuple[Literal["left", "right"], str], ...] = (("left", "<="), ("right", ">"))
    marks += [
        lines.mark_rule(strokeDash=[4, 2], color=palette.ink),
        *(
            lines.mark_text(align=align, dx=4, y=-8)  # within the figure
            .transform_filter(f"datum.at {side} {chance}")
            .encode(text="name:N")
            for align, side in within
        ),
    ]
    height = CELL * max(2, len(rows))
    return alt.layer(*marks).properties(width=WIDTH, height=height)


def _ends(interval: Interval | None) -> Row:
    if interval is None:
        return {}
    return {"interval_low": interval.low, "interval_high": interval.high}


def bins(histogram: Histogram, total: int | None = None) -> Iterator[Row]:
    """Each bin's borders, count and share of all that are counted, or of more."""
    total = sum(histogram.counts) if total is None else total
    for (low, high), count in zip(pairwise(histogram.edges), histogram.counts, strict=True):
        yield {
            "low": low,
            "high": high,
            "count": count,
            "share": count / total,
            "range": f"{low:.3g} to {high:.3g}",
        }


def tooltip(**fields: str) -> list[alt.Tooltip]:
    """What is said of a mark under the pointer: the title of each field, and its value."""
    return [
        alt.Tooltip(f"{name}:Q", title=title, format=FORMATS[name])
        if name in FORMATS
        else alt.Tooltip(f"{name}:N", title=title)
        for name, title in fields.items()
    ]


def stacked(
    layers: Sequence[alt.Chart], names: Sequence[str], height: int, n_columns: int = 1
) -> alt.FacetChart:
    """One panel for each value of the field `row`, below each other on one axis."""
    header = alt.Header(title=None, labelOrient="top", labelAnchor="start", labelPadding=2)
    panel = alt.layer(*layers).properties(width=WIDTH // n_columns, height=height)
    if n_columns == 1:
        row = alt.Row("row:N", sort=list(names), header=header)
        below: alt.FacetChart = panel.facet(row=row, spacing=10)
        return below
    facet = alt.Facet("row:N", sort=list(names), header=header)
    beside: alt.FacetChart = panel.facet(facet=facet, columns=n_columns, spacing=10)
    return beside


def only(kind: str) -> str:
    """An expression that keeps the rows of a kind, a word of ours."""
    return f"datum.kind === '{kind}'"


def scale(low: float, high: float) -> alt.Scale:
    """An axis from end to end, as it is."""
    return alt.Scale(domain=[low, high], nice=False)


class _Rows(alt.InlineData):
    """Copies of a chart, which Altair makes of every part of one, share them."""

    def __deepcopy__(self, _: object) -> "_Rows":
        return self


def values(rows: Sequence[Mapping[str, Any]]) -> alt.Data:
    """Rows as a chart's data."""
    return _Rows(values=[dict(row) for row in rows])
