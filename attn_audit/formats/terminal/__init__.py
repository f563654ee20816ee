"""A document on a terminal, or as a text file: read from top to bottom, by people."""

from collections.abc import Callable, Iterable, Iterator, Sequence
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
    Cell,
    Definitions,
    Details,
    Document,
    Example,
    Examples,
    Facts,
    Glance,
    Histograms,
    Notice,
    Paragraph,
    Phrase,
    Places,
    ShadedText,
    SignedEstimate,
    Spread,
    Table,
    Tone,
    text_of,
)
from attn_audit.formats.terminal import charts
from attn_audit.formats.terminal.charts import around, strip
from attn_audit.formats.terminal.style import (
    ACCENT,
    FAINT,
    STYLES,
    Look,
    bold,
    filled,
    indented,
    without_interval,
    words,
    wrapped,
)
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
        glances = (block for block in document.blocks if isinstance(block, Glance))
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
        case Details() if not block.is_left_out:
            yield from _details(block, look)
        case Notice():
            yield from look.prose(f"{block.mark} {block.text}", STYLES[block.tone])
            yield from _parted(block.blocks, look)
        case ShadedText():
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
    made = (list(_inner(block, look)) for block in blocks)
    for i, lines in enumerate(filter(None, made)):
        if i:
            yield Text()
        yield from lines


def _details(block: Details, look: Look) -> Iterator[Text]:
    """Its own title only where its content does not say what it is."""
    if not (isinstance(block.blocks[0], Table) and block.blocks[0].title):
        yield from look.prose(block.title, "bold")
    yield from _parted(block.blocks, look)


def _table(block: Table, look: Look) -> Iterator[Text]:
    shown = block.brief or block
    yield from look.prose(block.title, "bold") if block.title else ()
    yield from _Layout(shown, look).lines()
    yield from look.prose(shown.note, FAINT) if shown.note else ()
    yield from look.prose(charts.legend(look.ink), FAINT) if block.has_spread else ()


def _definitions(block: Definitions, look: Look) -> Iterator[Text]:
    for phrase, text in block.entries:
        yield Text(look.seen(phrase.text), "bold")
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
    texts = [list(charts.weighed(row, example.shaded, part)) for row in short]
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
    for block in document.blocks:
        if isinstance(block, Glance):
            for card in block.decisive:
                yield f"  - {card.name} ({DECISIVE.lower()}): {card.verdict}"
            yield from (f"  - {card.name}: {card.verdict}" for card in block.others)


GAP = 2
MIN_TEXT = 14
"""Columns of text are folded down to this."""

PICTURES = (40, 24, 12)
"""Widths of a picture, the widest that fits."""


class _Layout:
    """A table whose columns have been given their widths."""

    def __init__(self, block: Table, look: Look) -> None:
        self.block, self.look = block, look
        self.names = [look.seen(name) for name in block.columns]
        self.rows = [[_rewritten(cell, look.seen) for cell in row] for row in block.rows]
        self.columns = [
            j
            for j in range(len(block.columns))
            if j == 0 or any(row[j] != "" for row in self._full_rows())
        ]
        self.is_judged = any(_is_outcome(row[-1]) for row in self._full_rows())
        """Names and outcomes stay on a line, even if nothing else does."""
        self.widths: dict[int, int] = {}
        self.fits = self._fit()
        self._widen()

    def _full_rows(self) -> Iterator[list[Cell]]:
        return (row for row in self.rows if len(row) > 1)

    def _is_picture(self, j: int) -> bool:
        return any(isinstance(row[j], Spread | SignedEstimate) for row in self._full_rows())

    def _natural(self, j: int) -> int:
        cells = (row[j] for row in self._full_rows())
        longest_word = max(map(len, self.names[j].split()), default=0)
        return max(longest_word, 1, *(cell_len(text_of(cell)) for cell in cells))

    def _least(self, j: int) -> int:
        """How narrow a column of text may become."""
        if j >= self.block.n_text:
            return self.widths[j]
        if j == 0 and not self.is_judged and all(_is_code(row[0]) for row in self._full_rows()):
            return max(map(cell_len, self.names[0].split()), default=0)
        pieces = [piece for row in self._full_rows() for piece in _pieces(row[j])]
        return min(self.widths[j], max([MIN_TEXT, *map(cell_len, pieces)]))

    def _total(self) -> int:
        return sum(self.widths[j] for j in self.columns) + GAP * (len(self.columns) - 1)

    def _fit(self) -> bool:
        """Give every column its width: text is folded, then pictures go, then intervals."""
        pictures = [j for j in self.columns if self._is_picture(j)]
        self.widths = {j: 0 if j in pictures else self._natural(j) for j in self.columns}
        sizes = PICTURES if self.look.width >= 96 else PICTURES[1:]
        for width in sizes:
            self.widths.update(dict.fromkeys(pictures, width))
            if self._total() <= self.look.width:
                return True
        if self._squeeze():
            return True
        self.columns = [j for j in self.columns if j not in pictures]
        numbers = [j for j in self.columns if j >= self.block.n_text]
        having = [j for j in numbers if self._has_interval(j)]
        for j in reversed(having if len(having) > 1 else []):  # a single one is what it is about
            if self._squeeze():
                return True
            self._drop_intervals(j)
        return self._squeeze()

    def _widen(self) -> None:
        """Headers on one line, as far as there is room."""
        for j in self.columns:
            wanted = cell_len(self.names[j]) - self.widths[j]
            if self.fits and 0 < wanted <= self.look.width - self._total():
                self.widths[j] += wanted

    def _squeeze(self) -> bool:
        """Fold columns of text, the widest first, until all fits; nothing where it cannot."""
        before = dict(self.widths)
        least = {j: self._least(j) for j in self.columns}
        while self._total() > self.look.width:
            wider = [j for j in self.columns if self.widths[j] > least[j]]
            if not wider:
                self.widths = before
                return False
            self.widths[max(wider, key=lambda j: self.widths[j])] -= 1
        return True

    def _has_interval(self, j: int) -> bool:
        texts = (text_of(row[j]) for row in self._full_rows())
        return any(without_interval(text) != text for text in texts)

    def _drop_intervals(self, j: int) -> None:
        for row in self._full_rows():
            row[j] = _rewritten(row[j], without_interval)
        self.widths[j] = self._natural(j)

    def lines(self) -> Iterator[Text]:
        """The table, or where its columns do not fit beside each other, row by row."""
        if not self.fits:
            yield from self._stacked()
            return
        yield from self._joined([self._header(j) for j in self.columns], at_bottom=True)
        yield Text(self.look.ink.axis * self._total(), FAINT)
        for row in self.rows:
            if len(row) == 1:
                yield from self.look.prose(text_of(row[0]), "bold")
            elif _is_code(row[0]) and cell_len(text_of(row[0])) > self.widths[0]:
                yield Text(text_of(row[0]))
                yield from self._joined(self._cells(["", *row[1:]]))
            else:
                yield from self._joined(self._cells(row))

    def _cells(self, row: Sequence[Cell]) -> list[list[Text]]:
        return [self._cell(row[j], j) for j in self.columns]

    def _header(self, j: int) -> list[Text]:
        name, width = self.names[j], self.widths[j]
        if self._is_picture(j):
            low, high = name.split("|")
            return [Text(f"{low}{high:>{width - len(low)}}", FAINT)]
        return [Text(line, FAINT) for line in wrapped(name, width)]

    def _cell(self, cell: Cell, j: int) -> list[Text]:
        width = self.widths[j]
        if isinstance(cell, Spread):
            drawn = strip(cell.values, cell.limits, width, self.look.ink)
            return [Text(drawn, ACCENT)]
        if isinstance(cell, SignedEstimate):
            return [Text(around(cell.value, cell.reach, width, self.look.ink), ACCENT)]
        tone = cell.tone if isinstance(cell, Phrase) else Tone.PLAIN
        text = text_of(cell)
        margin = " " * (len(text) - len(text.lstrip()))
        lines = wrapped(text.strip(), max(1, width - len(margin)))
        return [Text(margin + line, STYLES[tone]) for line in lines]

    def _joined(self, cells: Sequence[list[Text]], *, at_bottom: bool = False) -> Iterator[Text]:
        height = max(map(len, cells))
        for i in range(height):
            line = Text()
            for j, lines in zip(self.columns, cells, strict=True):
                at = i - (height - len(lines)) if at_bottom else i
                part = lines[at] if 0 <= at < len(lines) else Text()
                space = " " * (self.widths[j] - cell_len(part.plain))
                is_text = j < self.block.n_text or self._is_picture(j)
                line += Text(" " * GAP) if j != self.columns[0] else Text()
                line = line + part + Text(space) if is_text else line + Text(space) + part
            yield line

    def _stacked(self) -> Iterator[Text]:
        """Each row under its name, beside which its last word stands where that has a tone."""
        for row in self.rows:
            name = text_of(row[0]).strip()
            margin = Text(" " * (len(text_of(row[0])) - len(text_of(row[0]).lstrip())))
            inner = self.look.narrowed(self.look.width - 2 - len(margin))
            title = [Text(name, "bold")] if _is_code(row[0]) else inner.prose(name, "bold")
            cells = list(zip(self.names[1:], row[1:], strict=False))
            last = cells[-1][1] if cells else ""
            if isinstance(last, Phrase) and _is_outcome(last):
                beside = title[-1] + Text("  ") + inner.phrase(last)
                if cell_len(beside.plain) <= inner.width + 2:
                    title[-1] = beside
                    cells.pop()
            yield from (margin + line for line in title)
            yield from (margin + line for line in indented(_in_a_row(cells, inner)))


def _rewritten(cell: Cell, write: Callable[[str], str]) -> Cell:
    if isinstance(cell, Phrase):
        return Phrase(write(cell.text), cell.tone)
    return write(cell) if isinstance(cell, str) else cell


def _in_a_row(cells: Sequence[tuple[str, Cell]], look: Look) -> Iterator[Text]:
    """Cells with the headings of their columns, none broken that fits on a line."""
    items = [f"{name} {text_of(cell)}".strip() for name, cell in cells if text_of(cell)]
    pieces = (*(f"{item};" for item in items[:-1]), *items[-1:])
    for line in filled(pieces, look.width):
        yield from look.prose(line) if line else ()


def _is_code(cell: Cell) -> bool:
    return isinstance(cell, Phrase) and cell.tone is Tone.CODE


def _is_outcome(cell: Cell) -> bool:
    return isinstance(cell, Phrase) and cell.tone not in (Tone.CODE, Tone.PLAIN)


def _pieces(cell: Cell) -> Iterator[str]:
    """What of a cell stays on one line: names that people search for as they are, else words."""
    yield from [text_of(cell)] if _is_code(cell) else words(text_of(cell), 24)
