"""A document on a terminal, or as a text file: read from top to bottom, by people."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import StringIO
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from attn_audit.document import (
    DECISIVE,
    NOT_DECISIVE,
    Block,
    Bullets,
    Card,
    Definitions,
    Document,
    Example,
    Examples,
    Facts,
    Folded,
    Glance,
    Histograms,
    Notice,
    Paragraph,
    Places,
    Shaded,
    Spread,
    Table,
    Tone,
)
from attn_audit.formats.terminal import charts
from attn_audit.formats.terminal.style import FAINT, STYLES, Look, bold, indented
from attn_audit.formats.terminal.tables import table
from attn_audit.quoting import printable

SIDE_BY_SIDE = 94
"""From this width on, two texts stand beside each other."""

FILE_WIDTH = 100


def show(document: Document, console: Console) -> None:
    """Print a document, the question and what it comes to first.

    On a screen that it does not fit, that and the glance are printed once more at the end, where
    the eye is when the printing stops.
    """
    look = Look.of(console)
    answer = list(_concluded(document, look))
    lines = [*answer, *([Text()] if answer else []), *_document(document, look)]
    if console.is_terminal and len(lines) > console.height:
        blocks = (block for section in document.sections for block in section.blocks)
        glances = (block for block in blocks if isinstance(block, Glance))
        lines += [*(line for glance in glances for line in _framed(glance, look)), *answer]
    while lines and not lines[-1]:
        lines.pop()
    for line in lines:
        line.rstrip()
        console.print(line, no_wrap=True, overflow="ignore", crop=False)


def render(document: Document) -> str:
    """The same as a text file, in lines of at most 100 columns."""
    text = StringIO()
    show(document, Console(file=text, width=FILE_WIDTH, no_color=True, _environ={}))
    return text.getvalue()


def _concluded(document: Document, look: Look) -> Iterator[Text]:
    if document.question:
        yield from look.prose(document.question)
    if document.answer is not None:
        yield from look.prose(document.answer.words.text, bold(document.answer.words.tone))
        for paragraph in document.answer.sentences:
            yield from indented(_paragraph(paragraph, look.narrowed(look.width - 2)))


def _paragraph(block: Paragraph, look: Look) -> Iterator[Text]:
    label = f"{look.seen(block.label)}:"
    for line in look.prose(block.labelled, STYLES[block.tone]):
        if block.label and line.plain.startswith(label):
            line.stylize("bold", 0, len(label))
        yield line


def _document(document: Document, look: Look) -> Iterator[Text]:
    yield from look.heading(document.kind)
    inner = look.narrowed(look.width - 2)
    yield from indented(inner.prose(document.title, "bold"))
    if document.subject:
        yield from indented(inner.prose(document.subject, FAINT))
    if document.facts is not None:
        yield from indented(inner.facts(document.facts))
    yield Text()
    for section in document.sections:
        if not section.is_reference:
            yield from look.heading(section.title)
            for block in section.blocks:
                yield from _block(block, look)


def _block(block: Block, look: Look) -> Iterator[Text]:
    """A block and a line behind it; nothing where a terminal does not show such."""
    if isinstance(block, Glance):
        yield from _framed(block, look)
        return
    made = list(_inner(block, look.narrowed(look.width - 2)))
    if made:
        yield from indented(made)
        if not (isinstance(block, Paragraph) and block.tone is Tone.QUESTION):
            yield Text()


def _inner(block: Block, look: Look) -> Iterator[Text]:
    match block:
        case Paragraph():
            yield from _paragraph(block, look)
        case Bullets():
            for sentence in block.sentences:
                yield from look.prose(sentence.text, STYLES[sentence.tone], mark=look.bullet)
        case Facts():
            yield from look.facts(block)
        case Definitions():
            yield from _definitions(block, look)
        case Table():
            yield from _table(block, look)
        case Folded():
            yield from _folded(block, look)
        case Notice():
            yield from look.prose(f"{block.mark} {block.text}", STYLES[block.tone])
            yield from _parted(block.blocks, look)
        case Shaded():
            yield from charts.shades(look, is_signed=block.is_signed)
            yield Text()
            yield from charts.shaded(block, look)
        case Examples():
            yield from _examples(block, look)
        case Histograms() if not block.sides:
            yield from charts.histograms(block, look)
        case Places():
            yield from charts.places(block, look)
        case _:  # other figures: their numbers stand in tables
            return


def _parted(blocks: Iterable[Block], look: Look) -> Iterator[Text]:
    """Blocks with an empty line between any two."""
    for i, block in enumerate(blocks):
        if i:
            yield Text()
        yield from _inner(block, look)


def _folded(block: Folded, look: Look) -> Iterator[Text]:
    """Its own title only where its content does not say what it is."""
    if not (isinstance(block.blocks[0], Table) and block.blocks[0].title):
        yield from look.prose(block.title, "bold")
    yield from _parted(block.blocks, look)


def _table(block: Table, look: Look) -> Iterator[Text]:
    yield from table(block, look)
    if any(isinstance(cell, Spread) for row in block.rows for cell in row):
        yield from look.prose(charts.legend(look.ink), FAINT)


def _definitions(block: Definitions, look: Look) -> Iterator[Text]:
    for phrase, text in block.entries:
        yield from (Text(line, "bold") for line in look.folded(phrase.text, look.width))
        yield from indented(look.narrowed(look.width - 2).prose(text, FAINT) if text else [])


def _framed(glance: Glance, look: Look) -> Iterator[Text]:
    """An answer for each section: the sentence first, the numbers under it."""
    corners, inner = look.ink.frame, look.narrowed(look.width - 4)
    groups = [[*inner.prose(f"{DECISIVE}:"), *_card(card, inner)] for card in glance.decisive]
    groups += [inner.prose(f"{NOT_DECISIVE}:")] if glance.decisive and glance.others else []
    groups += [list(_card(card, inner)) for card in glance.others]
    lines = [line for group in groups for line in (Text(), *group)][1:]
    rule = corners[4] * (look.width - 2)
    yield Text(f"{corners[0]}{rule}{corners[1]}", FAINT)
    for line in lines:
        space = " " * max(0, inner.width - cell_len(line.plain))
        yield Text.assemble((f"{corners[5]} ", FAINT), line, space, (f" {corners[5]}", FAINT))
    yield Text(f"{corners[3]}{rule}{corners[2]}", FAINT)
    yield from indented(look.narrowed(look.width - 2).prose(glance.note, FAINT))
    yield Text()


def _card(card: Card, look: Look) -> Iterator[Text]:
    yield from look.prose(card.question, FAINT)
    yield from look.prose(card.verdict, "bold")
    for line in card.lines:
        yield from look.prose(line, mark="  ")


def _examples(block: Examples, look: Look) -> Iterator[Text]:
    yield from look.prose(f"{block.introduction} {block.elsewhere}".rstrip())
    yield from look.prose(block.note, FAINT) if block.note else ()
    if block.telling:
        shown = (row for example in block.telling for row in example.in_pair)
        yield from charts.shades(look, is_signed=any(row.full is not None for row in shown))
    for example in block.telling:
        yield Text()
        yield from look.prose(block.reasons[example.reasons[0]], "bold")
        label = "" if example.label is None else f", label {example.label}"
        yield from look.prose(f"{example.id}: predicted {example.said}{label}", FAINT)
        yield from _weighed(example, look)
        for line in example.in_short:
            yield from look.prose(line, FAINT)


def _weighed(example: Example, look: Look) -> Iterator[Text]:
    """Attention, and what belongs beside it: there where the screen is wide enough."""
    rows = example.in_pair
    is_beside = look.width >= SIDE_BY_SIDE and len(rows) == 2
    part = look.narrowed((look.width - 4) // 2) if is_beside else look
    short = (replace(row, under="") for row in rows)
    shaded = example.shaded
    texts = [list(charts.weighed(row, shaded.units, part, shaded.border)) for row in short]
    if not is_beside:
        yield from (line for text in texts for line in text)
        return
    for left, right in zip_longest(*texts, fillvalue=Text()):
        yield left + Text(" " * (part.width + 4 - cell_len(left.plain))) + right


def brief(document: Document) -> str:
    """What it is of and what it comes to: the answer, or those of the first screen."""
    return "\n".join(printable(line) for line in _brief_lines(document))


def _brief_lines(document: Document) -> Iterator[str]:
    subject = f" ({document.subject})" if document.subject else ""
    yield f"{document.kind} of {document.title}{subject}"
    if document.question:
        yield f"  {document.question}"
    if document.answer is not None:
        yield f"  {document.answer.text}"
    elif document.facts is not None:
        yield from (f"  {name}: {text}" for name, text in document.facts.entries)
    for section in document.sections:
        for block in section.blocks:
            if isinstance(block, Glance):
                for card in block.decisive:
                    yield f"  - {card.name} ({DECISIVE.lower()}): {card.verdict}"
                yield from (f"  - {card.name}: {card.verdict}" for card in block.others)
