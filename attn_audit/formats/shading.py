"""Words shaded by weight: a coloured ground where there is colour, bars under them where not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from attn_audit.formats.pictures import ASCII, UNICODE
from attn_audit.formats.safety import printable

GROUNDS = ("", "#a39e98", "#b59a78", "#cb9758", "#e58f36", "#ff7f0e")
"""From no weight to the largest, in steps that differ in colour more than in lightness: on a dark
terminal as on a light one the strongest stands out."""

INK_ON_GROUND = "#1a1a1a"


class Shading(Enum):
    """How weights are shown."""

    COLOUR = "colour"
    BARS = "bars"
    ASCII = "ascii"

    @staticmethod
    def of(console: Console) -> "Shading":
        """The best that a console can show.

        Args:
            console: Where the words go.
        """
        if console.options.ascii_only:
            return Shading.ASCII
        has_colour = console.color_system in ("256", "truecolor") and not console.no_color
        return Shading.COLOUR if has_colour else Shading.BARS


@dataclass(frozen=True)
class _Word:
    text: str
    level: float
    """Weight over the largest weight, 0 to 1."""


def shaded_words(
    units: Sequence[str],
    weights: Sequence[float],
    n_columns: int,
    shading: Shading = Shading.COLOUR,
    encoding: str = "utf-8",
) -> Text:
    """Units in reading order, each shaded by its weight over the largest one.

    Args:
        units: Their own spelling; anything unprintable is spelled out.
        weights: One for each unit, not negative.
        n_columns: Terminal cells a line.
        shading: How to show weights.
        encoding: Of the terminal.

    Returns:
        Lines of words; with bars, each has a line of bars under it.
    """
    largest = max(weights, default=0.0) or 1.0
    words = [
        _Word(printable(unit, encoding), max(0.0, weight) / largest)
        for unit, weight in zip(units, weights, strict=True)
    ]
    draw = _coloured if shading is Shading.COLOUR else _barred
    lines = Text("\n").join(draw(line, shading) for line in _lines(words, n_columns))
    lines.rstrip()
    return lines


def scale(shading: Shading) -> Text:
    """What the shades mean.

    Args:
        shading: How weights are shown.
    """
    if shading is Shading.COLOUR:
        steps = [Text("   ", f"on {ground}") for ground in GROUNDS[1:]]
        return Text.assemble("least ", *steps, " most; almost nothing: plain")
    levels = (ASCII if shading is Shading.ASCII else UNICODE).levels.strip()
    return Text(
        f"bars under the words, {levels[0]} least to {levels[-1]} most; almost nothing: none"
    )


def _lines(words: Sequence[_Word], n_columns: int) -> Iterator[list[_Word]]:
    """Words that fit a line each; a word longer than a line is cut."""
    line: list[_Word] = []
    used = 0
    for word in words:
        for piece in chop_cells(word.text, n_columns) or [""]:
            width = cell_len(piece)
            if line and used + 1 + width > n_columns:
                yield line
                line, used = [], 0
            used += width + bool(line)
            line.append(_Word(piece, word.level))
    yield line


def _coloured(line: list[_Word], _: Shading) -> Text:
    parts = []
    for word in line:
        step = step_of(word.level)
        bold = "bold " if step == len(GROUNDS) - 1 else ""
        style = f"{bold}{INK_ON_GROUND} on {GROUNDS[step]}" if step else ""
        parts.append(Text(word.text, style))
    return Text(" ").join(parts)


def step_of(level: float) -> int:
    """The shade of a weight: 0 for almost nothing, then equal steps.

    Args:
        level: Weight over the largest weight, 0 to 1.

    Example:
        >>> step_of(0.01), step_of(0.2), step_of(1.0)
        (0, 1, 5)
    """
    n_steps = len(GROUNDS) - 1
    return 0 if level < 0.05 else min(n_steps, 1 + int(level * n_steps * 0.999))


def _barred(line: list[_Word], shading: Shading) -> Text:
    levels = (ASCII if shading is Shading.ASCII else UNICODE).levels
    bars = []
    for word in line:
        height = 0 if word.level < 0.05 else max(1, round(word.level * (len(levels) - 1)))
        bars.append(levels[height] * cell_len(word.text))
    return Text(f"{' '.join(word.text for word in line)}\n{' '.join(bars).rstrip()}")
