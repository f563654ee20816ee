"""CSV and TSV with a header: lists are written with `|` between their items."""

import csv
from collections.abc import Iterator, Sequence

from attn_audit.data.fields import FieldNames
from attn_audit.data.formats.lines import decoded_lines
from attn_audit.data.quoting import listed
from attn_audit.data.rows import Row, line_of
from attn_audit.data.unpacking import MAX_LINE
from attn_audit.errors import RowError
from attn_audit.locations import AnyPath

SEPARATOR_IN_LISTS = "|"

Cells = tuple[int, list[str]]
"""The line on which a row begins, and its cells."""


def table_rows(
    path: AnyPath,
    name: str,
    delimiter: str,
    fields: FieldNames,
    max_unpacked_mb: int | None = None,
) -> Iterator[Row]:
    """The rows below the header; an empty cell is no value, except where text has to stand.

    Args:
        path: The file, perhaps gzipped.
        name: What messages call it.
        delimiter: A comma or a tab.
        fields: Which columns hold lists, and which hold text.
        max_unpacked_mb: How much a packed file may hold; None: what is likely for its size.

    Raises:
        RowError: The header lacks the text or repeats a name, a row has too many or too few cells,
            or quotation marks do not pair.
        UnreadableDataError: The file cannot be read.
    """
    rows = _cells(decoded_lines(path, name, max_unpacked_mb), name, delimiter)
    line, header = next(rows, (0, []))
    if not header:
        return
    names = _checked_header([cell.strip() for cell in header], fields, line_of(name, line))
    for line, cells in rows:
        if len(cells) != len(names):
            raise RowError(line_of(name, line), _wrong_width(len(cells), len(names)))
        values = {key: _value(cell, key, fields) for key, cell in zip(names, cells, strict=True)}
        yield Row(values, names, name, line)


def _cells(lines: Iterator[str], name: str, delimiter: str) -> Iterator[Cells]:
    csv.field_size_limit(MAX_LINE)  # the module's own is 128 kB, less than some documents
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    first = 1
    try:
        for cells in reader:
            if cells:
                yield first, cells
            first = reader.line_num + 1
    except csv.Error as error:
        hint = "A cell that holds quotation marks is quoted, and each mark in it doubled."
        problem = str(error).replace("\t", r"\t")
        raise RowError(line_of(name, first), f"malformed table: {problem}", hint=hint) from error


def _checked_header(names: list[str], fields: FieldNames, where: str) -> list[str]:
    wanted = fields.wanted(names, where)
    repeated = {name for name in wanted if wanted.count(name) > 1}
    if repeated:
        raise RowError(where, f"header repeats {listed(sorted(repeated))}")
    return names


def _wrong_width(found: int, expected: int) -> str:
    return f"{found} cells, but the header has {expected}"


def _value(cell: str, name: str, fields: FieldNames) -> object:
    if name in (fields.text, fields.text_pair):
        return cell
    if name in (fields.labels, fields.candidates) and name != fields.label:
        return _list(cell)
    return cell or None


def _list(cell: str) -> Sequence[str] | None:
    return cell.split(SEPARATOR_IN_LISTS) if cell else None
