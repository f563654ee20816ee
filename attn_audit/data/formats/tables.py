"""CSV and TSV with a header: lists are written with `|` between their items."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar

from attn_audit.data.fields import FieldNames
from attn_audit.data.formats.base import FileFormat
from attn_audit.data.formats.cells import (
    TO_READ_PLAIN,
    TO_READ_QUOTED,
    is_quoted,
    plain_cells,
    quoted_cells,
)
from attn_audit.data.formats.lines import decoded_lines
from attn_audit.data.quoting import listed
from attn_audit.data.rows import Row, line_of
from attn_audit.data.source import DataSource
from attn_audit.errors import RowError
from attn_audit.locations import AnyPath

SEPARATOR_IN_LISTS = "|"


class Table(FileFormat):
    """A header and rows below it; an empty cell is no value, except where text has to stand."""

    delimiter: ClassVar[str]
    is_quoted: ClassVar[bool | None]
    """Whether cells are quoted where the user does not say; None: as the whole file shows."""

    def rows(self, path: AnyPath, name: str, source: DataSource) -> Iterator[Row]:
        """The rows below the header.

        Raises:
            RowError: The header lacks the text or repeats a name, a row has too many or too few
                cells, or quotation marks do not pair.
            UnreadableDataError: The file cannot be read, or nobody can tell whether its cells are
                quoted.
        """
        fields, delimiter = source.fields, self.delimiter
        lines = partial(decoded_lines, path, name, source.max_unpacked_mb)
        is_csv = self.is_quoted if source.quoting == "auto" else source.quoting == "csv"
        if is_csv is None:
            is_csv = is_quoted(lines, name, delimiter)
        rows = quoted_cells(lines(), name, delimiter) if is_csv else plain_cells(lines(), delimiter)
        line, header = next(rows, (0, []))
        if not header:
            return
        names = _checked_header([cell.strip() for cell in header], fields, line_of(name, line))
        for line, cells in rows:
            if len(cells) != len(names):
                problem = f"{len(cells)} cells, but the header has {len(names)}"
                hint = TO_READ_PLAIN if is_csv else TO_READ_QUOTED
                raise RowError(line_of(name, line), problem, hint=hint)
            pairs = zip(names, cells, strict=True)
            yield Row({key: _value(cell, key, fields) for key, cell in pairs}, names, name, line)


class CommaSeparated(Table):
    """CSV: cells are quoted where they have to be."""

    suffixes = (".csv", ".csv.gz")
    delimiter, is_quoted = ",", True


class TabSeparated(Table):
    """TSV: as files say it, since most quote nothing."""

    suffixes = (".tsv", ".tsv.gz")
    delimiter, is_quoted = "\t", None


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


def _list(cell: str) -> Sequence[str] | None:
    return cell.split(SEPARATOR_IN_LISTS) if cell else None
