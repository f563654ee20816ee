"""Small pictures as SVG: no script draws them, and they take their colours from the page."""

from collections.abc import Sequence

from markupsafe import Markup

from attn_audit.document import Around, Points, Sketch, Spread
from attn_audit.numbers import mean, number
from attn_audit.quoting import printable

WIDTH, ROW = 300, 20

LEFT, RIGHT = 118, 292
"""Ends of an axis, unless names are longer: a point at one is whole."""

CHARACTER = 6
"""Of a name, at most, on average."""

MOST_LEFT = 220
"""Where an axis begins at the latest, however long names are."""

HEIGHT = 56
"""Of a histogram's columns."""

CELL_WIDTH, CELL_HEIGHT = 160, 16
"""Of what stands in a table."""


def picture(value: Points | Sketch | Spread | Around | None) -> Markup:
    """A picture of any kind."""
    match value:
        case Points():
            return _points(value)
        case Sketch():
            return _shape(value)
        case Spread():
            return _spread(value)
        case Around():
            return _around(value)
        case None:
            return Markup()


def _points(found: Points) -> Markup:
    """Numbers below each other on one axis, each with its interval."""
    low, high = found.limits
    names = (CHARACTER * len(printable(name)) for name, *_ in found.rows)
    left = min(MOST_LEFT, max([LEFT, *names]))

    def x(at: float) -> float:
        part = (min(high, max(low, at)) - low) / (high - low)
        return round(left + part * (RIGHT - left), 1)

    lines = []
    for i, (name, value, interval, hue) in enumerate(found.rows):
        first, last = (value, value) if interval is None else (interval.low, interval.high)
        line = Markup(
            '<text x="0" y="{below}">{name}</text>'
            '<line class="track" x1="{low}" x2="{high}" y1="{y}" y2="{y}"/>'
            '<line class="span {hue}" x1="{first}" x2="{last}" y1="{y}" y2="{y}"/>'
            '<circle class="{hue}" cx="{at}" cy="{y}" r="5"/>'
        ).format(
            y=ROW * i + ROW // 2, below=ROW * i + ROW // 2 + 4, name=printable(name),
            hue=hue.value, low=x(low), high=x(high), first=x(first), last=x(last), at=x(value),
        )  # fmt: skip
        lines.append(line)
    bottom = ROW * len(found.rows)
    return _whole(bottom + 16, found.said, [*lines, _ends(bottom + 12, (left, RIGHT), found.ends)])


def _shape(found: Sketch) -> Markup:
    """Columns from end to end, the mean marked; nothing where there is no example."""
    shape = found.values.histogram
    if shape is None or found.values.mean is None:
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
    at = round((found.values.mean - first) / (last - first) * WIDTH, 1)
    line = Markup(
        '<line class="track" x1="0" x2="{}" y1="{}" y2="{}"/>'
        '<line class="mean" x1="{}" x2="{}" y1="0" y2="{}"/>'
    ).format(WIDTH, HEIGHT, HEIGHT, at, at, HEIGHT)
    said = f"Examples by {found.name}; mean {mean(found.values)}"
    return _whole(HEIGHT + 16, said, [*columns, line, _ends(HEIGHT + 12, (0, WIDTH), found.ends)])


def _ends(y: int, at: tuple[int, int], ends: tuple[str, str]) -> Markup:
    return Markup(
        '<text class="end" x="{}" y="{}">{}</text>'
        '<text class="end" text-anchor="end" x="{}" y="{}">{}</text>'
    ).format(at[0], y, printable(ends[0]), at[1], y, printable(ends[1]))


def _whole(height: int, said: str, parts: Sequence[Markup]) -> Markup:
    opened = Markup('<svg class="picture" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        WIDTH, height, printable(said)
    )
    return opened + Markup().join(parts) + Markup("</svg>")


def _spread(found: Spread) -> Markup:
    """5 to 95 % thin, the middle half thick, the median a dot."""
    quantiles = found.values.quantiles
    if quantiles is None:
        return Markup()
    low, high = found.limits
    first, start, middle, end, last = (
        round((value - low) / (high - low) * (CELL_WIDTH - 8) + 4, 1) for value in quantiles
    )
    _, first_quartile, median, last_quartile, _ = (number(value, 3) for value in quantiles)
    said = f"middle half {first_quartile} to {last_quartile}, median {median}"
    parts = Markup(
        '<line class="whisker" x1="{first}" x2="{last}" y1="8" y2="8"/>'
        '<line class="box" x1="{start}" x2="{end}" y1="8" y2="8"/>'
        '<circle class="median" cx="{middle}" cy="8" r="3.5"/>'
    ).format(first=first, start=start, middle=middle, end=end, last=last)
    return _in_cell(parts, said)


def _around(found: Around) -> Markup:
    """A point and its interval to the left or to the right of 0; the cell beside it says it."""

    def x(value: float) -> float:
        return round(CELL_WIDTH / 2 * (1 + 0.95 * value / found.reach), 1)

    interval = found.interval
    span = Markup() if interval is None else Markup(
        '<line class="box" x1="{}" x2="{}" y1="8" y2="8"/>'
    ).format(x(interval.low), x(interval.high))  # fmt: skip
    zero = Markup('<line class="whisker" x1="{0}" x2="{0}" y1="0" y2="16"/>').format(CELL_WIDTH / 2)
    point = Markup('<circle class="median" cx="{}" cy="8" r="3.5"/>').format(x(found.value))
    return _in_cell(zero + span + point, "")


def _in_cell(parts: Markup, said: str) -> Markup:
    """Said to who cannot see it, where no cell beside it says the same."""
    told = Markup('role="img" aria-label="{}"').format(said) if said else 'aria-hidden="true"'
    return Markup(
        '<svg class="strip" width="{w}" height="{h}" viewBox="0 0 {w} {h}" {told}>{parts}</svg>'
    ).format(w=CELL_WIDTH, h=CELL_HEIGHT, told=Markup(told), parts=parts)
