"""Tables on a terminal: as wide as they need to be, and made to fit where that is too much."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from attn_audit.document import Around, Cell, Facts, Phrase, Spread, Table, Tone
from attn_audit.formats.terminal.charts import around, strip
from attn_audit.formats.terminal.style import (
    ACCENT,
    FAINT,
    STYLES,
    Look,
    indented,
    without_interval,
    words,
    wrapped,
)

GAP = 2
MIN_TEXT = 14
"""Columns of text are folded down to this."""

PICTURES = (40, 24, 12)
"""Widths of a picture, the widest that fits."""


def table(block: Table, look: Look) -> Iterator[Text]:
    """Its title, its header, its rows, and what there is to note."""
    made = _Layout(block.brief or block, look)
    if block.title:
        yield from look.prose(block.title, "bold")
    yield from made.lines()
    if note := (block.brief or block).note:
        yield from look.prose(note, FAINT)


class _Layout:
    """A table whose columns have been given their widths."""

    def __init__(self, block: Table, look: Look) -> None:
        self.block, self.look = block, look
        self.columns = list(range(len(block.columns)))
        self.rows = [[self._plain(cell) for cell in row] for row in block.rows]
        self.widths: dict[int, int] = {}
        self.fits = self._fit()
        self._widen()

    def _plain(self, cell: Cell) -> Cell:
        if isinstance(cell, str):
            return self.look.seen(cell)
        if isinstance(cell, Phrase):
            return Phrase(self.look.seen(cell.text), cell.tone)
        return cell

    def _full_rows(self) -> Iterator[list[Cell]]:
        return (row for row in self.rows if len(row) > 1)

    def _is_picture(self, j: int) -> bool:
        return any(isinstance(row[j], Spread | Around) for row in self._full_rows())

    def _natural(self, j: int) -> int:
        cells = (row[j] for row in self._full_rows())
        longest_word = max(map(len, self.block.columns[j].split()), default=0)
        return max(longest_word, 1, *(cell_len(text_of(cell)) for cell in cells))

    def _least(self, j: int) -> int:
        """How narrow a column of text may become."""
        if j >= self.block.n_text:
            return self.widths[j]
        cells = [row[j] for row in self._full_rows()]
        pieces = [
            word
            for cell in cells
            if not (isinstance(cell, Phrase) and cell.tone is Tone.CODE)
            for word in words(text_of(cell), 24)
        ]
        return min(self.widths[j], max([MIN_TEXT, *map(cell_len, pieces)]))

    def _total(self) -> int:
        return sum(self.widths[j] for j in self.columns) + GAP * (len(self.columns) - 1)

    def _fit(self) -> bool:
        """Give every column its width: text is folded, then pictures go, then intervals."""
        room = self.look.width
        pictures = [j for j in self.columns if self._is_picture(j)]
        self.widths = {j: 0 if j in pictures else self._natural(j) for j in self.columns}
        sizes = PICTURES if room >= 96 else PICTURES[1:]
        for width in sizes:
            self.widths.update(dict.fromkeys(pictures, width))
            if self._total() <= room:
                return True
        if self._squeeze(room):
            return True
        self.columns = [j for j in self.columns if j not in pictures]
        numbers = [j for j in self.columns if j >= self.block.n_text and j not in pictures]
        having = [j for j in numbers if self._has_interval(j)]
        for j in reversed(having if len(having) > 1 else []):  # a single one is what it is about
            if self._squeeze(room):
                return True
            self._drop_intervals(j)
        return self._squeeze(room)

    def _widen(self) -> None:
        """Headers on one line, as far as there is room."""
        for j in self.columns:
            wanted = cell_len(self.block.columns[j]) - self.widths[j]
            if self.fits and 0 < wanted <= self.look.width - self._total():
                self.widths[j] += wanted

    def _squeeze(self, room: int) -> bool:
        """Fold columns of text, the widest first, until all fits; nothing where it cannot."""
        before = dict(self.widths)
        least = {j: self._least(j) for j in self.columns}
        while self._total() > room:
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
            cell = row[j]
            if isinstance(cell, str):
                row[j] = without_interval(cell)
            elif isinstance(cell, Phrase):
                row[j] = Phrase(without_interval(cell.text), cell.tone)
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
            else:
                yield from self._joined([self._cell(row[j], j) for j in self.columns])

    def _header(self, j: int) -> list[Text]:
        name, width = self.block.columns[j], self.widths[j]
        if self._is_picture(j):
            low, high = name.split("|")
            return [Text(f"{low}{high:>{width - len(low)}}", FAINT)]
        return [Text(line, FAINT) for line in wrapped(name, width)]

    def _cell(self, cell: Cell, j: int) -> list[Text]:
        width = self.widths[j]
        if isinstance(cell, Spread):
            drawn = strip(cell.values, cell.limits, width, self.look.ink)
            return [Text(drawn, ACCENT)]
        if isinstance(cell, Around):
            return [Text(around(cell.value, cell.reach, width, self.look.ink), ACCENT)]
        tone = cell.tone if isinstance(cell, Phrase) else Tone.PLAIN
        text = text_of(cell)
        margin = " " * (len(text) - len(text.lstrip()))
        if tone is Tone.CODE:
            lines = self.look.folded(text, width)
        else:
            lines = [margin + line for line in wrapped(text.strip(), max(1, width - len(margin)))]
        return [Text(line, STYLES[tone]) for line in lines]

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
        for row in self.rows:
            name = text_of(row[0]).strip()
            if isinstance(row[0], Phrase) and row[0].tone is Tone.CODE:
                yield from (Text(line, "bold") for line in self.look.folded(name, self.look.width))
            else:
                yield from self.look.prose(name, "bold")
            entries = tuple(
                (self.block.columns[j], text_of(cell))
                for j, cell in enumerate(row)
                if j and text_of(cell)
            )
            yield from indented(self.look.narrowed(self.look.width - 2).facts(Facts(entries)))


def text_of(cell: Cell) -> str:
    """What stands in a cell; of a picture nothing."""
    if isinstance(cell, Phrase):
        return cell.text
    return cell if isinstance(cell, str) else ""
