"""Pictures in characters: distributions, grids of layers and heads, words shaded by weight."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import ceil

from rich.cells import cell_len, chop_cells
from rich.text import Text

from attn_audit.document import (
    ALMOST_NOTHING,
    BORDER,
    MAX_UNITS,
    ONE_SCALE,
    SIGNED,
    Histograms,
    Panel,
    Place,
    Places,
    ShadedText,
    Weights,
)
from attn_audit.formats.palette import AGAINST_GROUNDS, GROUNDS, INK_ON_GROUND, SIGNED_GROUNDS
from attn_audit.formats.terminal.style import ACCENT, FAINT, HUES, UNICODE, Ink, Look, Shading
from attn_audit.numbers import digits, mean, percent
from attn_audit.statistics.summary import Distribution, Histogram

N_COLUMNS = 63
"""Width of a chart, at most."""

CELL, LABEL, BAR = 6, 8, 11
"""Columns of a cell of a grid, of what stands beside its rows, and of a bar around 0."""


def columns(histogram: Histogram, n_rows: int, n_columns: int, ink: Ink, peak: float) -> list[str]:
    """A histogram as columns, each bin as wide as the others.

    Args:
        n_columns: Width; every bin takes the same whole number of columns, at least one.
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
    """How many columns each bin takes."""
    return max(1, n_columns // max(1, len(histogram.counts)))


def place(value: float, edges: Sequence[float], n_columns: int) -> int:
    """The column, from 0 to n_columns, where a value stands on an axis of equally wide bins.

    Beyond its ends, an end is taken.

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
    """The line under a column chart, and the numbers under those of its ticks that have room.

    Example:
        >>> from attn_audit.formats.terminal.style import ASCII
        >>> axis((0.0, 0.5, 1.0), 10, (0.0, 0.5, 1.0), ASCII)
        ('+----+----+', '0   0.5   1')
    """
    line = [ink.axis] * (n_columns + 1)
    names = [" "] * (n_columns + 6)
    for tick in (ticks[0], ticks[-1], *ticks[1:-1]):
        at = place(tick, edges, n_columns)
        line[at] = ink.tick
        name = f"{tick:.2g}"
        start = min(max(0, at - (len(name) - 1) // 2), n_columns + 6 - len(name))
        if tick == ticks[-1]:
            start = at - len(name) + 1
        around_it = names[max(0, start - 1) : start + len(name) + 1]
        if not "".join(around_it).strip():
            names[start : start + len(name)] = name
    return "".join(line), "".join(names).rstrip()


def strip(values: Distribution, limits: tuple[float, float], n_columns: int, ink: Ink) -> str:
    """Where the values lie, in one line: 5 to 95 % thin, the middle half thick, the median marked.

    Example:
        >>> from attn_audit.formats.terminal.style import ASCII
        >>> values = Distribution(n=9, mean=0.5, sd=0.3, interval=None, minimum=0, maximum=1,
        ...                       q05=0.1, q25=0.3, median=0.5, q75=0.7, q95=0.9)
        >>> strip(values, (0.0, 1.0), 21, ASCII)
        '  ----====O====----  '
    """
    if values.quantiles is None:
        return ""
    start, box_start, middle, box_end, end = (
        place(value, limits, n_columns - 1) for value in values.quantiles
    )
    cells = [" "] * n_columns
    cells[start : end + 1] = ink.whisker * (end + 1 - start)
    cells[start], cells[end] = ink.left, ink.right
    cells[box_start : box_end + 1] = ink.box * (box_end + 1 - box_start)
    cells[middle] = ink.median
    return "".join(cells)


def legend(ink: Ink) -> str:
    """What a strip shows."""
    whisker, box = ink.whisker * 2, ink.box * 2
    return f"{whisker} 5% to 95% of the examples  {box} the middle half  {ink.median} the median"


def around(value: float, reach: float, n_columns: int, ink: Ink) -> str:
    """A bar to the right of the middle, or to the left for a number below 0.

    Example:
        >>> from attn_audit.formats.terminal.style import ASCII
        >>> around(0.5, 1.0, 9, ASCII), around(-2.0, 1.0, 9, ASCII)
        ('    |==', '====|')
    """
    half = (n_columns - 1) // 2
    bar = ink.box * round(min(1.0, abs(value) / reach) * half)
    left, right = ("", bar) if value > 0 else (bar, "")
    return f"{left:>{half}}{ink.side}{right}"


def histograms(figure: Histograms, look: Look) -> Iterator[Text]:
    """One panel as a chart with its axis; several below each other, on one axis."""
    panels = [p for p in figure.panels if p.values.histogram and any(p.values.histogram.counts)]
    if len(panels) == 1:
        yield from _chart(figure, panels[0].values, look)
    elif panels:
        yield from _panels(figure, panels, look)


def _chart(figure: Histograms, values: Distribution, look: Look) -> Iterator[Text]:
    shape, ink = values.histogram, look.ink
    assert shape is not None
    margin, n_rows, peak = 7, 4, float(max(shape.counts))
    room = min(N_COLUMNS, look.width - margin - 8)
    width = bin_width(shape, room) * len(shape.counts)
    share = percent(peak / sum(shape.counts))
    yield from look.prose(f"examples by {figure.axis}", FAINT)
    for i, row in enumerate(columns(shape, n_rows, room, ink, peak)):
        left = f"{share:>{margin - 2}} {ink.top}" if i == 0 else " " * (margin - 1) + ink.side
        yield Text.assemble((left, FAINT), (row.rstrip(), ACCENT))
    line, names = axis(shape.edges, width, figure.ticks, ink)
    yield Text(f"{'0%':>{margin - 2}} {ink.corner}{line}", FAINT)
    yield Text(f"{' ' * margin}{names}", FAINT)


def _panels(figure: Histograms, panels: Sequence[Panel], look: Look) -> Iterator[Text]:
    """Name, mean and interval, and columns as high as the same share of examples in every panel."""
    decimals = digits(*(panel.values for panel in panels))
    named = [(panel.name, mean(panel.values, decimals)) for panel in panels]
    left = max(cell_len(look.seen(part)) for parts in named for part in parts) + 2
    room = look.width - left
    is_beside = room >= 24
    size = min(40, room) if is_beside else min(40, look.width - 2)
    shapes = [panel.values.histogram for panel in panels if panel.values.histogram is not None]
    peak = max(max(shape.counts) / sum(shape.counts) for shape in shapes)
    space = left if is_beside else 0
    for panel, shape, (name, value) in zip(panels, shapes, named, strict=True):
        drawn = columns(shape, 2, size, look.ink, peak * sum(shape.counts))
        texts = [Text(look.seen(name)), Text(value, "bold")]
        if not is_beside:
            yield from texts
            texts = [Text(), Text()]
        for text, row in zip(texts, drawn, strict=True):
            text.append(" " * (space - cell_len(text.plain)))
            yield text.append(row.rstrip(), HUES[panel.hue])
    width = bin_width(shapes[0], size) * len(shapes[0].counts)
    for line in axis(shapes[0].edges, width, figure.ticks, look.ink):
        yield Text(" " * space + line, FAINT)


def places(figure: Places, look: Look) -> Iterator[Text]:
    """Heads as grids, layers alone as bars; and what the shades mean."""
    has_heads = any(p.head is not None for _, _, places in figure.panels for p in places)
    for i, (name, _, found) in enumerate(figure.panels):
        if i:
            yield Text()
        yield from look.prose(name, "bold")
        if has_heads:
            yield from _grid(found, figure.limit, look)
        else:
            yield from _bars(found, figure.limit, look)
    if has_heads and (meaning := _scale(figure.limit, look)) is not None:
        yield meaning


def _grid(found: Sequence[Place], limit: float, look: Look) -> Iterator[Text]:
    """Layers down, heads across, in blocks of as many heads as fit; what is missing, blank."""
    cells = {(place.layer, place.head): place for place in found}
    heads = sorted({place.head for place in found if place.head is not None})
    n_fit = max(1, (look.width - LABEL) // CELL)
    size = ceil(len(heads) / ceil(len(heads) / n_fit))
    for start in range(0, len(heads), size):
        block = heads[start : start + size]
        names = "".join(f"{head:>{CELL - 1}} " for head in block)
        yield Text(f"  layer {names}".rstrip(), FAINT)
        for layer in sorted({place.layer for place in found}):
            row = (_grid_cell(cells.get((layer, head)), limit, look) for head in block)
            yield Text.assemble((f"{layer:>{LABEL - 1}} ", FAINT), *row)


def _grid_cell(found: Place | None, limit: float, look: Look) -> Text:
    if found is None:
        return Text(" " * CELL)
    written = f"{found.cell:>{CELL - 1}}"
    level = max(-1.0, min(1.0, found.mean / limit))
    match look.shading:
        case Shading.COLOUR:
            return Text(f"{written} ", f"{INK_ON_GROUND} on {ground(level)}")
        case Shading.BARS:
            return Text(written + UNICODE.levels[round(abs(level) * 8)])
        case Shading.ASCII:
            return Text(f"{written} ")


def ground(level: float) -> str:
    """The shade of a number over what the strongest shade stands for, -1 to 1.

    Example:
        >>> ground(0.02), ground(-1.0)
        ('#a0a0a0', '#1498fb')
    """
    middle = len(SIGNED_GROUNDS) // 2
    return SIGNED_GROUNDS[middle + round(level * middle)]


def _scale(limit: float, look: Look) -> Text | None:
    """What the shades of a grid mean; None where there are none."""
    match look.shading:
        case Shading.COLOUR:
            swatches = [Text("  ", f"on {shade}") for shade in SIGNED_GROUNDS]
            ends = Text(f"{-limit:.1f} ", FAINT), Text(f" +{limit:.1f}; grey: unrelated", FAINT)
            return Text.assemble(ends[0], *swatches, ends[1])
        case Shading.BARS:
            least, most = UNICODE.levels[1], UNICODE.levels[-1]
            return Text(f"bars: {least} little to {most} {limit:.1f}, above 0 or below", FAINT)
        case Shading.ASCII:
            return None


def _bars(found: Sequence[Place], limit: float, look: Look) -> Iterator[Text]:
    """Each layer's number with its interval, and as a bar to the left or to the right of 0."""
    size = 2 * (max(BAR, min(41, look.width - LABEL - 22)) // 2) + 1
    ends = f"{-limit:.1f}{f'+{limit:.1f}':>{size - 4}}"
    yield Text(f"  layer {ends}", FAINT)
    for place_ in found:
        bar = around(place_.mean, limit, size, look.ink)
        yield Text.assemble(
            (f"{place_.layer:>{LABEL - 1}} ", FAINT), (f"{bar:<{size}}", ACCENT),
            f"  {place_.written}",
        )  # fmt: skip


def shaded_words(units: Sequence[str], levels: Sequence[float], look: Look) -> Iterator[Text]:
    """Units in reading order, each shaded by its part of a whole shade; below 0 otherwise.

    With bars, each line of words has a line of bars under it.
    """
    draw = _coloured if look.shading is Shading.COLOUR else _barred
    line: list[tuple[str, float]] = []
    used = 0
    for unit, level in zip(units, levels, strict=True):
        for piece in chop_cells(look.seen(unit), look.width) or [""]:
            width = cell_len(piece)
            if line and used + 1 + width > look.width:
                yield from draw(line, look)
                line, used = [], 0
            used += width + bool(line)
            line.append((piece, level))
    yield from draw(line, look)


def _coloured(line: Sequence[tuple[str, float]], _: Look) -> Iterator[Text]:
    parts = []
    for word, level in line:
        step, is_against = step_of(abs(level)), level < 0
        grounds, line_under = (AGAINST_GROUNDS, "underline ") if is_against else (GROUNDS, "")
        bold = "bold " if step == len(GROUNDS) - 1 else ""
        style = f"{line_under}{bold}{INK_ON_GROUND} on {grounds[step]}" if step else ""
        parts.append(Text(word, style))
    yield Text(" ").join(parts)


def step_of(level: float) -> int:
    """The shade of a weight over the largest: 0 for almost nothing, then equal steps.

    Example:
        >>> step_of(0.01), step_of(0.2), step_of(1.0)
        (0, 1, 5)
    """
    n_steps = len(GROUNDS) - 1
    return 0 if level < ALMOST_NOTHING else min(n_steps, 1 + int(level * n_steps * 0.999))


def _barred(line: Sequence[tuple[str, float]], look: Look) -> Iterator[Text]:
    levels = look.ink.levels
    bars = []
    for word, level in line:
        size, width = abs(level), cell_len(word)
        height = 0 if size < ALMOST_NOTHING else max(1, round(size * (len(levels) - 1)))
        against = "-" if height and level < 0 else ""
        bars.append((against + levels[height] * width)[:width])
    yield Text(" ".join(word for word, _ in line))
    yield Text(" ".join(bars).rstrip(), ACCENT)


def shades(look: Look, *, is_signed: bool = False) -> Iterator[Text]:
    """What the shades of words mean, and those of words that speak for and against."""
    if look.shading is Shading.COLOUR:
        steps, against = (
            [Text("   ", f"on {ground}") for ground in grounds[1:]]
            for grounds in (GROUNDS, AGAINST_GROUNDS)
        )
        yield Text.assemble(
            ("Weight: least ", FAINT), *steps, (" most; almost nothing: plain", FAINT)
        )
        if is_signed:
            yield Text.assemble(("Against: least ", FAINT), *against, (" most, underlined", FAINT))
    else:
        levels = look.ink.levels.strip()
        said = f"Weight: bars under the words, {levels[0]} least to {levels[-1]} most"
        yield from look.prose(f"{said}; almost nothing: none", FAINT)
        if is_signed:
            yield Text("Against: bars that begin with -"[: look.width], FAINT)
    if is_signed:
        yield from look.prose(f"{ONE_SCALE} {SIGNED}", FAINT)


def shaded(block: ShadedText, look: Look) -> Iterator[Text]:
    """A text as often as it was weighed."""
    for i, row in enumerate(block.rows):
        if i:
            yield Text()
        yield from weighed(row, block, look)


def weighed(row: Weights, block: ShadedText, look: Look) -> Iterator[Text]:
    """The name of the weights, the words, and what is said of them."""
    units, border = block.units, block.border
    title = look.prose(f"{row.name}  {row.note}".rstrip())
    title[0].stylize("bold", 0, min(len(row.name), len(title[0])))
    yield from title
    if row.values is not None:
        shown, levels = list(units[:MAX_UNITS]), list(row.levels[:MAX_UNITS])
        if border is not None and border < len(shown):
            shown.insert(border, BORDER)
            levels.insert(border, 0.0)
        yield from shaded_words(shown, levels, look)
        if len(units) > MAX_UNITS:
            sizes = [abs(value) for value in row.values]
            rest = sum(sizes[MAX_UNITS:]) / (sum(sizes) or 1)
            more = f"... and {len(units) - MAX_UNITS} more units with {percent(rest)} of the weight"
            yield from look.prose(more, FAINT)
    if row.under:
        yield from look.prose(row.under, FAINT)
