"""A document: all that is said of a result, built once. A format renders documents, and no checks.

Text in it is plain, as it was given: a format escapes it, and spells out what would not be seen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from attn_audit.statistics.summary import Distribution, Group, Interval, JointHistogram


class Tone(StrEnum):
    """How something is said; a format has a style for each."""

    PLAIN = "plain"
    STRONG = "strong"
    FAINT = "faint"
    QUESTION = "question"
    CODE = "code"
    GOOD = "pass"
    BAD = "fail"
    OPEN = "inconclusive"
    WARNING = "warning"


class Hue(StrEnum):
    """What a mark belongs to: told apart by every kind of eye, and never by colour alone."""

    GRADIENT = "gradient"
    LEAVE_ONE_OUT = "leave-one-out"
    YARDSTICK = "yardstick"
    OTHER = "other"


@dataclass(frozen=True)
class Phrase:
    """A text with its tone."""

    text: str
    tone: Tone = Tone.PLAIN
    note: str = ""
    """What it means, where there is room for it."""


@dataclass(frozen=True)
class Spread:
    """Where a group's values lie, between these limits."""

    values: Distribution
    limits: tuple[float, float]


@dataclass(frozen=True)
class SignedEstimate:
    """A number to the left or to the right of 0, with its interval."""

    value: float
    interval: Interval | None
    reach: float
    """What the ends of the picture stand for."""


Picture = Spread | SignedEstimate
Cell = str | Phrase | Picture


def text_of(cell: Cell) -> str:
    """What stands in a cell; of a picture nothing."""
    if isinstance(cell, Phrase):
        return cell.text
    return cell if isinstance(cell, str) else ""


@dataclass(frozen=True)
class Paragraph:
    """One or more sentences."""

    text: str
    tone: Tone = Tone.PLAIN
    label: str = ""
    """In front of them, where a reader looks for it."""

    @property
    def labelled(self) -> str:
        """All of it in a row."""
        return f"{self.label}: {self.text}" if self.label else self.text


@dataclass(frozen=True)
class Bullets:
    """Sentences that stand alone, below each other."""

    sentences: tuple[Phrase, ...]

    @staticmethod
    def of(sentences: Sequence[str]) -> "Bullets":
        """Plain ones."""
        return Bullets(tuple(map(Phrase, sentences)))


@dataclass(frozen=True)
class Facts:
    """Headings and what belongs to them; an empty heading goes on with the one above."""

    entries: tuple[tuple[str, str], ...]
    title: Phrase | None = None


@dataclass(frozen=True)
class Definitions:
    """Names that may be long, and what they mean."""

    entries: tuple[tuple[Phrase, str], ...]
    terms: Mapping[str, str] = field(default_factory=dict)
    """Words of other sentences for which one of the names is to be looked up."""


@dataclass(frozen=True)
class Table:
    """Columns, and rows of as many cells; a row of one cell is a heading within the table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    n_text: int = 1
    """Columns from the left that hold text; the others hold numbers."""
    note: str = ""
    brief: "Table | None" = None
    """What stands for it where so many rows cannot all be shown."""

    @property
    def has_spread(self) -> bool:
        """Whether there is a picture whose parts have to be explained."""
        return any(isinstance(cell, Spread) for row in self.rows for cell in row)


@dataclass(frozen=True)
class Links:
    """Files beside the one that names them."""

    entries: tuple[tuple[str, str], ...]
    """What each is, and where: a path from there."""


@dataclass(frozen=True)
class Details:
    """What only some readers want to see: folded away where that is possible."""

    title: str
    blocks: tuple["Block", ...]
    is_left_out: bool = False
    """Whether it is left out where nothing can be folded away."""


@dataclass(frozen=True)
class Notice:
    """What a policy says, set off from the rest."""

    tone: Tone
    mark: str
    """The tone without colour."""
    text: str
    blocks: tuple["Block", ...]


@dataclass(frozen=True)
class Points:
    """Numbers with their intervals below each other on one axis."""

    rows: tuple[tuple[str, float, Interval | None, Hue], ...]
    limits: tuple[float, float]
    ends: tuple[str, str]
    """What is written at the ends of the axis."""
    said: str
    """What a screen reader says."""


@dataclass(frozen=True)
class Sketch:
    """One distribution in small."""

    values: Distribution
    ends: tuple[str, str]
    name: str


@dataclass(frozen=True)
class Card:
    """One answer of the first screen."""

    id: str
    """Of the section that it sums up."""
    name: str
    question: str
    verdict: str
    lines: tuple[str, ...]
    """The numbers, each with its interval."""
    picture: Points | Sketch | None = None
    site: str = ""
    """Whose attention it is about, where there is more than one."""


@dataclass(frozen=True)
class Glance:
    """The first screen: an answer for each section, those that decided the whole first."""

    decisive: tuple[Card, ...]
    """None where nothing is decided, or by no section."""
    others: tuple[Card, ...]
    note: str


DECISIVE = "This decided the answer"
"""On each card that did."""

NOT_DECISIVE = "The other checks did not decide it"
"""Between these cards and the others, which may well say Yes where the answer is No."""


ONE_SCALE = (
    "Leaving words out is shaded on one scale for all texts: the strongest shade is the whole "
    "output, or the whole margin, and more."
)

SHADES = (
    "The stronger the shade and the thicker the bar of a word, the larger its weight beside the "
    f"largest of its line. {ONE_SCALE}"
)
"""How shades are read."""

NO_WORD = "No word alone moves this much"
"""Beside a line without any."""

SIGNED = "What speaks against what is explained makes the model surer by not being there."
"""What shades with a sign mean."""


@dataclass(frozen=True)
class Weights:
    """The units of a text weighed in one way."""

    name: str
    values: tuple[float, ...] | None
    """One for each unit; below 0 where it speaks against the prediction; None where there are
    none."""
    note: str = ""
    """Beside the name."""
    under: str = ""
    """Under the words."""
    full: float | None = None
    """What the strongest shade stands for in every text, and more than it; None: the largest of
    the text."""

    @property
    def is_signed(self) -> bool:
        """Whether some unit speaks against the prediction."""
        return any(value < 0 for value in self.values or ())

    @property
    def is_blank(self) -> bool:
        """Whether no unit is shaded."""
        return self.values is not None and all(abs(of) < ALMOST_NOTHING for of in self.levels)

    @property
    def levels(self) -> tuple[float, ...]:
        """Each unit's part of a whole shade, -1 to 1.

        Example:
            >>> Weights("a", (1.0, 4.0)).levels, Weights("b", (0.1, -3.0), full=1.0).levels
            ((0.25, 1.0), (0.1, -1.0))
        """
        values = self.values or ()
        full = self.full or max(values, default=0.0) or 1.0
        least = 0.0 if self.full is None else -1.0
        return tuple(min(1.0, max(least, value / full)) for value in values)


MAX_UNITS = 120
"""Units shown of a text where it cannot be unfolded."""

N_TELLING = 3

BORDER = "|"
"""Stands between the units of two texts."""

ALMOST_NOTHING = 0.05
"""Of the largest weight: left plain."""


@dataclass(frozen=True)
class ShadedText:
    """A text, its units shaded by one weight or several."""

    units: tuple[str, ...]
    rows: tuple[Weights, ...]
    border: int | None = None
    """The first unit of a second text; None: all are of one."""

    @property
    def is_signed(self) -> bool:
        """Whether units speak against the prediction in some row."""
        return any(row.is_signed for row in self.rows)


@dataclass(frozen=True)
class Example:
    """One text that a report shows."""

    id: str
    said: str
    """Prediction, and how sure it is."""
    label: str | None
    gold: tuple[str, ...]
    predicted: tuple[str, ...]
    shaded: ShadedText
    uniform: str | None
    """What equal attention does."""
    tags: tuple[str, ...]
    """What was found of it, by `Examples.tags`."""
    reasons: tuple[str, ...]
    """Why it was chosen, by `Examples.reasons`; none of a random one."""
    is_sampled: bool
    numbers: dict[str, float]
    """By `Examples.numbers`."""
    in_short: tuple[str, ...]
    """Its numbers, in a few lines."""
    beside: str | None
    """The name of the weights to show beside attention where there is room for two."""

    @property
    def in_pair(self) -> tuple[Weights, ...]:
        """Attention, and the weights to show beside it."""
        first, *others = self.shaded.rows
        return (first, *(row for row in others if row.name == self.beside))


@dataclass(frozen=True)
class Examples:
    """Texts to look through: searched, filtered and sorted where that is possible."""

    introduction: str
    note: str
    """How units are spelled, where that needs a word."""
    examples: tuple[Example, ...]
    """The most telling first, one of each reason before the second of any; then random ones."""
    tags: dict[str, str]
    meanings: dict[str, str]
    """When a tag is given, where its name does not say it."""
    reasons: dict[str, str]
    numbers: dict[str, str]

    @property
    def telling(self) -> tuple[Example, ...]:
        """Those to show where nobody can look through all."""
        return tuple(example for example in self.examples if example.reasons)[:N_TELLING]

    @property
    def is_signed(self) -> bool:
        """Whether units of some text speak against its prediction."""
        return any(example.shaded.is_signed for example in self.examples)

    @property
    def elsewhere(self) -> str:
        """Where to look, if none is to be shown; empty: some are."""
        return "" if self.telling else "A page shows them: `--output report.html`."


@dataclass(frozen=True)
class Figure:
    """A picture with what it needs to be read."""

    name: str
    """Of its file, and in a page."""
    title: str
    reading: str
    """How to read it, in a sentence or two."""


@dataclass(frozen=True)
class Panel:
    """One distribution of a figure."""

    name: str
    values: Distribution
    """With a histogram."""
    hue: Hue = Hue.GRADIENT
    below: Distribution | None = None
    """A second one, drawn downwards."""
    classes: tuple[Group, ...] = ()
    """Its examples by predicted class, with histograms of the same bins; none: not told apart."""


@dataclass(frozen=True)
class Histograms(Figure):
    """How many examples have which value: a panel below the other, on one axis."""

    panels: tuple[Panel, ...]
    axis: str
    counted: str
    """What lies along the axis, in a word."""
    ticks: tuple[float, ...]
    mark: tuple[float, str] | None = None
    """A value with a name, beside the mean."""
    sides: tuple[str, str] | None = None
    """What is drawn upwards and downwards, where both are."""
    n_columns: int = 1
    """In which the panels stand, where there is room."""


@dataclass(frozen=True)
class Violins(Figure):
    """The same for each of several groups, as a shape with its quartiles."""

    panels: tuple[Panel, ...]
    axis: str
    counted: str


@dataclass(frozen=True)
class Joint(Figure):
    """How many examples have which two values."""

    counts: JointHistogram
    axes: tuple[str, str]
    counted: tuple[str, str]


@dataclass(frozen=True)
class Place:
    """A number at a layer and a head; of all heads, where that is None."""

    layer: int
    head: int | None
    mean: float
    interval: Interval | None
    written: str
    cell: str
    """As short as can be."""


@dataclass(frozen=True)
class Places(Figure):
    """Layers and heads beside each other: a panel a number."""

    panels: tuple[tuple[str, str, tuple[Place, ...]], ...]
    """What the number is, what it is called over a column, and where it was measured."""
    limit: float
    """What the strongest shade stands for."""


@dataclass(frozen=True)
class ForestPlot(Figure):
    """Numbers with their intervals below each other, against what chance gives and what is best."""

    rows: tuple[tuple[str, float, Interval | None], ...]
    axis: str
    band: tuple[str, float, Interval | None]
    """What chance gives, and what that is called."""
    best: tuple[str, float] | None
    """The most that there could be, and what that is called."""


Block = (
    Paragraph | Bullets | Facts | Definitions | Table | Links | Details | Notice | Glance
    | ShadedText | Examples | Figure
)  # fmt: skip


def all_blocks(blocks: Iterable[Block]) -> Iterator[Block]:
    """Those within others too."""
    for block in blocks:
        yield block
        if isinstance(block, Details | Notice):
            yield from all_blocks(block.blocks)


@dataclass(frozen=True)
class Section:
    """A part under a heading."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    short: str = ""
    """Of the title, for a list of the parts; the title itself where it is short."""
    is_reference: bool = False
    """For looking things up: left out where everything is read from top to bottom."""


@dataclass(frozen=True)
class Conclusion:
    """What it all comes down to: in a few words or a sentence, and what has to be said of them."""

    words: Phrase
    sentences: tuple[Paragraph, ...] = ()

    @property
    def text(self) -> str:
        """All of it in a row, but what is said aside.

        Example:
            >>> aside = Paragraph("More is in the manual.", Tone.FAINT)
            >>> Conclusion(Phrase("No"), (Paragraph("Words decide."), aside)).text
            'No. Words decide.'
        """
        of_it = (sentence for sentence in self.sentences if sentence.tone is not Tone.FAINT)
        said = " ".join(sentence.labelled for sentence in of_it)
        return f"{self.words.text}. {said}" if said else self.words.text


@dataclass(frozen=True)
class Document:
    """Everything that is said of one result."""

    kind: str
    """What it is: `Attention audit`."""
    title: str
    """What it is of."""
    subject: str
    """In which connection, in half a sentence."""
    sections: tuple[Section, ...]
    facts: Facts | None = None
    """What it rests on, where that stands in front."""
    question: str = ""
    """What is answered."""
    answer: Conclusion | None = None
    outcome: Phrase | None = None
    """The same in a word or two, beside the kind."""
    made: str = ""
    """When, by what and by whom."""

    @property
    def blocks(self) -> Iterator[Block]:
        """Those of all sections, and those within others."""
        return all_blocks(block for section in self.sections for block in section.blocks)
