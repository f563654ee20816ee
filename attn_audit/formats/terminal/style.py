"""The look of everything on a terminal: styles, characters, and lines that fit."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from attn_audit.document import Facts, Hue, Phrase, Tone
from attn_audit.quoting import printable

WIDEST = 100
"""Columns used at most."""

WIDEST_PROSE = 96
"""Longer lines are hard to read."""

FAINT, ACCENT = "dim", "cyan"

STYLES = {
    Tone.PLAIN: "",
    Tone.STRONG: "bold",
    Tone.FAINT: FAINT,
    Tone.QUESTION: "bold italic",
    Tone.CODE: "",
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.OPEN: "bold yellow",
    Tone.WARNING: "yellow",
}

HUES = {
    Hue.GRADIENT: ACCENT,
    Hue.LEAVE_ONE_OUT: ACCENT,
    Hue.YARDSTICK: "magenta",
    Hue.OTHER: "green",
}

IN_ASCII = {"✓": "+", "✗": "x", "–": "-", "→": "->", "“": '"', "”": '"'}
"""Signs of our own, where there is no room for them."""

_INTERVAL = re.compile(r"(\S+ )?\[[^][]{1,24}\]")
_ESTIMATE = r"[-+<>]?\d[\d.,]*%?(?= \[[-+<>\d])"


class Shading(Enum):
    """How weights are shown."""

    COLOUR = "colour"
    BARS = "bars"
    ASCII = "ascii"


@dataclass(frozen=True)
class Ink:
    """The characters that pictures are drawn with."""

    levels: str
    """A cell from empty to full."""
    axis: str
    tick: str
    top: str
    side: str
    corner: str
    whisker: str
    left: str
    right: str
    box: str
    median: str
    frame: str
    """Corners from the upper left clockwise, then the sides."""


UNICODE = Ink(
    levels=" ▁▂▃▄▅▆▇█", axis="─", tick="┬", top="┤", side="│", corner="└",
    whisker="─", left="╶", right="╴", box="━", median="┿", frame="╭╮╯╰─│",
)  # fmt: skip
ASCII = Ink(
    levels=" .:#", axis="-", tick="+", top="|", side="|", corner="+",
    whisker="-", left="-", right="-", box="=", median="O", frame="++++-|",
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What a console can show, and how wide it is."""

    width: int
    encoding: str
    ink: Ink
    shading: Shading

    @staticmethod
    def of(console: Console) -> "Look":
        """The best that a console can show."""
        is_ascii = console.options.ascii_only
        has_colour = console.color_system in ("256", "truecolor") and not console.no_color
        return Look(
            width=min(console.width, WIDEST),
            encoding=console.options.encoding,
            ink=ASCII if is_ascii else UNICODE,
            shading=Shading.ASCII if is_ascii else Shading.COLOUR if has_colour else Shading.BARS,
        )

    def narrowed(self, width: int) -> "Look":
        """The same on a part of the screen."""
        return Look(width, self.encoding, self.ink, self.shading)

    @property
    def bullet(self) -> str:
        """In front of sentences."""
        return "- " if self.ink is ASCII else "• "

    def seen(self, text: str) -> str:
        """Any text as what is safe to print, and can be."""
        if self.ink is ASCII:
            text = "".join(IN_ASCII.get(character, character) for character in text)
        return printable(text, self.encoding)

    def phrase(self, phrase: Phrase) -> Text:
        """A text in its tone."""
        return Text(self.seen(phrase.text), STYLES[phrase.tone])

    def heading(self, name: str) -> list[Text]:
        """What opens a section, and a rule behind it as far as there is room."""
        *above, last = wrapped(self.seen(name), self.width)
        rule = self.ink.axis * max(0, self.width - cell_len(last) - 1)
        opening = Text.assemble((last, "bold"), (f" {rule}".rstrip(), FAINT))
        return [*(Text(line, "bold") for line in above), opening]

    def prose(self, text: str, style: str = "", mark: str = "") -> list[Text]:
        """A paragraph, wrapped; estimates that have an interval in bold."""
        width = max(10, min(self.width, WIDEST_PROSE) - len(mark))
        made = []
        for i, line in enumerate(wrapped(self.seen(text), width)):
            shown = Text((" " * len(mark) if i else mark) + line, style)
            shown.highlight_regex(_ESTIMATE, "bold")
            made.append(shown)
        return made

    def facts(self, facts: Facts) -> list[Text]:
        """Headings and what belongs to them, in two columns where both have room."""
        title: list[Text] = []
        if facts.title is not None:  # a name that people search for, in one piece
            title = [Text(self.seen(facts.title.text), bold(facts.title.tone))]
        names = [self.seen(name) for name, _ in facts.entries]
        left = max(map(cell_len, names), default=0) + 2
        if self.width - left < 24:
            return [*title, *self._stacked(facts)]
        made = title
        for name, (_, text) in zip(names, facts.entries, strict=True):
            for i, line in enumerate(self.narrowed(self.width - left).prose(text)):
                shown = "" if i else name
                made.append(Text(shown + " " * (left - cell_len(shown)), FAINT) + line)
        return made

    def _stacked(self, facts: Facts) -> list[Text]:
        made: list[Text] = []
        for name, text in facts.entries:
            made += [Text(self.seen(name), FAINT)] if name else []
            made += indented(self.narrowed(self.width - 2).prose(text))
        return made


def bold(tone: Tone) -> str:
    """The style of a tone, in bold."""
    return f"bold {STYLES[tone].removeprefix('bold').strip()}".rstrip()


def indented(lines: Iterable[Text]) -> list[Text]:
    """Two columns to the right, as all text under a heading."""
    return [Text("  ") + line if line else line for line in lines]


def wrapped(text: str, width: int) -> Iterator[str]:
    """Cut text into lines at spaces, but not inside an interval or before it.

    Example:
        >>> list(wrapped("a mean tau of 0.20 [0.19, 0.21] with it", 20))
        ['a mean tau of', '0.20 [0.19, 0.21]', 'with it']
    """
    return filled(words(text, width), width)


def filled(pieces: Iterable[str], width: int) -> Iterator[str]:
    """Lines of as many pieces as fit, a space between any two."""
    line = ""
    for piece in pieces:
        if line and cell_len(line) + 1 + cell_len(piece) > width:
            yield line
            line = piece
        else:
            line = f"{line} {piece}" if line else piece
    yield line


def words(text: str, width: int) -> Iterator[str]:
    """What stays together of a text, no piece wider than a line."""
    glued = _INTERVAL.sub(lambda found: found[0].replace(" ", "\0"), text)
    for piece in glued.split(" "):
        word = piece.replace("\0", " ")
        yield from chop_cells(word, width) if cell_len(word) > width else [word]


def without_interval(text: str) -> str:
    """An estimate alone, where there is no room for its interval.

    Example:
        >>> without_interval("0.20 [0.19, 0.21]")
        '0.20'
    """
    return re.sub(r" \[[^][]*\]$", "", text)
