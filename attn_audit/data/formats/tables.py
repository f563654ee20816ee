"""CSV and TSV: how cells are split, and lists written with `|` between their items."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial

from attn_audit.data.formats.lines import MAX_LINE, decoded_lines
from attn_audit.data.source import DataSource, FieldNames, Row, line_of
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.files import AnyPath
from attn_audit.quoting import listed

Cells = tuple[int, list[str]]
"""The line on which a row begins, and its cells."""

MARK = '"'

TO_READ_QUOTED = "If cells are quoted, say --quoting csv."
TO_READ_PLAIN = (
    "If quotation marks are part of the text, say --quoting none; else a cell that holds some is "
    "quoted, and each mark in it doubled."
)

_INSIDE = re.compile(r'(?:[^"]|"")*')


class CellQuoting(Enum):
    """How a table is to be read."""

    PLAIN = "plain"
    QUOTED = "quoted"
    EITHER = "either"
    """Both can be, and nothing speaks for one."""


def plain_cells(lines: Iterable[str], delimiter: str) -> Iterator[Cells]:
    """Every line is a row, every separator ends a cell; blank lines are no rows."""
    for number, line in enumerate(lines, start=1):
        content = _without_end(line)
        if content:
            yield number, content.split(delimiter)


def quoted_cells(lines: Iterable[str], name: str, delimiter: str) -> Iterator[Cells]:
    """Cells as in CSV: what stands in quotation marks may hold separators and line ends.

    Raises:
        RowError: Quotation marks do not pair.
    """
    csv.field_size_limit(MAX_LINE)  # the module's own is 128 kB, less than some documents
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    first = 1
    try:
        for cells in reader:
            if cells:
                yield first, cells
            first = reader.line_num + 1
    except csv.Error as error:
        problem = str(error).replace("\t", r"\t")
        raise RowError(
            line_of(name, first), f"malformed table: {problem}", hint=TO_READ_PLAIN
        ) from error


def is_quoted(read_lines: Callable[[], Iterator[str]], name: str, delimiter: str) -> bool:
    """Whether a table as a whole quotes its cells, so that marks are no part of the text.

    Raises:
        UnreadableDataError: It can be read both ways, and they differ.
    """
    found = how_cells_are_written(read_lines(), delimiter)
    if found is CellQuoting.EITHER:
        problem = "its quotation marks may quote cells of several lines, or be part of the texts"
        hint = "Say which with --quoting csv or --quoting none."
        raise UnreadableDataError(name, problem, hint=hint)
    return found is CellQuoting.QUOTED


def how_cells_are_written(lines: Iterable[str], delimiter: str) -> CellQuoting:
    """How a whole table was written, in one pass with nothing kept of it.

    It is quoted if it can be read so, every row as wide as the header, and something else than
    quoting cannot explain it: the header is quoted; or cut at every separator, rows are not as wide
    as the header; or every cell that has to be is quoted, no other one is, and some of them for the
    marks inside, doubled. A cell that merely begins with a mark, a text that stands in marks, and
    marks that happen to pair across lines are left as they are.
    """
    plain, quoted = _Widths(), _QuotedReading(delimiter)
    for line in lines:
        content = _without_end(line)
        quoted.take(content)
        if content:
            plain.add(content.count(delimiter) + 1)
    if not quoted.n_quoted or not quoted.is_possible:
        return CellQuoting.PLAIN
    if quoted.has_quoted_header or not plain.are_equal:
        return CellQuoting.QUOTED
    if quoted.n_needless or quoted.n_literal:
        return CellQuoting.PLAIN
    if quoted.n_doubled_on_one_line:
        return CellQuoting.QUOTED
    return CellQuoting.EITHER if plain.first == 1 or quoted.n_doubled else CellQuoting.PLAIN


DELIMITERS = ",;\t"


def delimiter_of(header: str, wanted: str) -> str:
    """What separates the cells of a `.csv`, in which a comma is but the most frequent.

    Its header alone tells: texts hold commas and semicolons of their own, which a guess over all
    rows, such as `csv.Sniffer`'s, takes for separators.

    Args:
        wanted: The field of the text: what it can be read by comes before what makes most cells.
    """

    def cells(delimiter: str) -> list[str]:
        return [cell.strip() for cell in next(csv.reader([header], delimiter=delimiter), [])]

    return max(DELIMITERS, key=lambda each: (wanted in cells(each), len(cells(each))))


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


class _Widths:
    """Whether all rows have as many cells as the first."""

    def __init__(self) -> None:
        self.first, self.are_equal = 0, True

    def add(self, width: int) -> None:
        self.first = self.first or width
        self.are_equal = self.are_equal and width == self.first


class _QuotedReading:
    """A table read as CSV, line by line; of the cells it keeps what their quotes are good for."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._widths, self._is_strict = _Widths(), True
        self._width = 0  # cells of the row that were closed
        self._is_inside = self._spans_lines = self._needs_quotes = self._has_doubled = False
        self.n_quoted = self.n_needless = self.n_literal = 0
        self.n_doubled = self.n_doubled_on_one_line = 0
        self.has_quoted_header = False

    @property
    def is_possible(self) -> bool:
        """Whether every quoted cell was closed before a separator, and all rows are as wide."""
        return self._is_strict and not self._is_inside and self._widths.are_equal

    def take(self, line: str) -> None:
        """The next line, without its end."""
        if not self._is_strict or not (line or self._is_inside):
            return
        at: int | None = 0
        if self._is_inside:
            self._spans_lines = self._needs_quotes = True
        while at is not None and self._is_strict:
            at = self._cell(line, at)

    def _cell(self, line: str, at: int) -> int | None:
        """One cell, or what the line holds of it; where the next begins, None at the end."""
        if not self._is_inside:
            if not line.startswith(MARK, at):
                separator = line.find(self._delimiter, at)
                held = line[at:] if separator < 0 else line[at:separator]
                self.n_literal += MARK in held
                return self._closed(line, separator)
            at = self._open(at)
        found = _INSIDE.match(line, at)
        assert found is not None
        held, end = found.group(), found.end()
        self._has_doubled = self._has_doubled or MARK in held
        self._needs_quotes = self._needs_quotes or MARK in held or self._delimiter in held
        if end == len(line):
            return None
        self._is_inside = False
        is_blank_row = end == at and self._widths.first == 1
        self.n_needless += not (self._needs_quotes or is_blank_row)
        self.n_doubled += self._has_doubled
        self.n_doubled_on_one_line += self._has_doubled and not self._spans_lines
        if end + 1 < len(line) and line[end + 1] != self._delimiter:
            self._is_strict = False
        return self._closed(line, end + 1 if end + 1 < len(line) else -1)

    def _open(self, at: int) -> int:
        self._is_inside = True
        self._spans_lines = self._needs_quotes = self._has_doubled = False
        self.n_quoted += 1
        self.has_quoted_header = self.has_quoted_header or not self._widths.first
        return at + 1

    def _closed(self, line: str, separator: int) -> int | None:
        self._width += 1
        if separator >= 0:
            return separator + 1
        self._widths.add(self._width)
        self._width = 0
        return None


SEPARATOR_IN_LISTS = "|"


def table_rows(
    path: AnyPath,
    name: str,
    source: DataSource,
    *,
    delimiter: str | None = None,
    may_be_plain: bool = False,
) -> Iterator[Row | RowError]:
    """A header and rows below it; an empty cell is no value, except where text has to stand.

    Args:
        delimiter: Between cells; None: as the header shows.
        may_be_plain: Whether the whole file shows if cells are quoted where the user does not say,
            since most quote nothing; else they are where they have to be.

    Raises:
        RowError: The header lacks the text or repeats a name, or quotation marks do not pair.
        UnreadableDataError: The file cannot be read, or nobody can tell whether its cells are
            quoted.
    """
    fields = source.fields
    lines = partial(decoded_lines, path, name, source.max_unpacked_mb)
    delimiter = delimiter or delimiter_of(next(lines(), ""), fields.text)
    is_csv = source.quoting == "csv"
    if source.quoting == "auto":
        is_csv = not may_be_plain or is_quoted(lines, name, delimiter)
    rows = quoted_cells(lines(), name, delimiter) if is_csv else plain_cells(lines(), delimiter)
    line, header = next(rows, (0, []))
    if not header:
        return
    names = _checked_header([cell.strip() for cell in header], fields, line_of(name, line))
    for line, cells in rows:
        if len(cells) != len(names):
            problem = f"{len(cells)} cells, but the header has {len(names)}"
            hint = TO_READ_PLAIN if is_csv else TO_READ_QUOTED
            yield RowError(line_of(name, line), problem, hint=hint)
            continue
        pairs = zip(names, cells, strict=True)
        yield Row({key: _value(cell, key, fields) for key, cell in pairs}, names, name, line)


def _checked_header(names: list[str], fields: FieldNames, where: str) -> list[str]:
    wanted = fields.wanted(names, where)
    repeated = {name for name in wanted if wanted.count(name) > 1}
    if repeated:
        raise RowError(where, f"header repeats {listed(sorted(repeated))}")
    return names


def _value(cell: str, name: str, fields: FieldNames) -> object:
    if name in (fields.text, fields.text_pair):
        return cell
    if name in (fields.of_several_labels, fields.candidates) and name != fields.of_one_label:
        return _list(cell)
    return cell or None


def _list(cell: str) -> object:
    if cell.strip().startswith("["):
        return cell  # a list as JSON or Python writes it
    return cell.split(SEPARATOR_IN_LISTS) if cell else None
