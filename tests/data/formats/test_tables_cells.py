"""Tables written by Python's own writer, and literally, come back as they were."""

import csv
import io
import re
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from attn_audit.data.formats.tables import (
    CellQuoting,
    how_cells_are_written,
    is_quoted,
    plain_cells,
    quoted_cells,
)

PIECES = st.sampled_from(["a", "film", " ", '"', '""', "\t", "\n", "\r\n", "'", ","])
CELLS = st.lists(PIECES, max_size=6).map("".join)
ROWS = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=6)
)
DIALECTS = st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])


def written(rows: list[list[str]], quoting: int, end: str) -> list[str]:
    """The lines of a table, as files are cut into lines."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter="\t", quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerows(rows)
    return [f"{line}\n" for line in file.getvalue().split("\n")[:-1]]


def read(lines: list[str]) -> list[list[str]]:
    def again() -> Iterator[str]:
        return iter(lines)

    if is_quoted(again, "test.tsv", "\t"):
        return [cells for _, cells in quoted_cells(again(), "test.tsv", "\t")]
    return [cells for _, cells in plain_cells(again(), "\t")]


@given(ROWS, DIALECTS, st.sampled_from(["\n", "\r\n"]))
def test_what_a_writer_of_csv_wrote_is_read_back(
    rows: list[list[str]], quoting: int, end: str
) -> None:
    """But for cells with tabs and line ends that look as rows do."""
    assume(not any("\t" in cell and "\n" in cell for row in rows for cell in row))
    table = [[f"h{i}" for i in range(len(rows[0]))], *rows]
    assert read(written(table, quoting, end)) == table


@example([['a"', '""""']])
@given(ROWS)
def test_what_is_written_literally_is_read_back(rows: list[list[str]]) -> None:
    """But for a table that a writer of CSV would have written just so, marks doubled."""
    plain = [[re.sub(r"[\t\r\n]", " ", cell) for cell in row] for row in rows]
    table = [[f"h{i}" for i in range(len(rows[0]))], *plain]
    lines = ["\t".join(row) + "\n" for row in table]
    parsed = _parsed(lines)
    assume(parsed is None or written(parsed, csv.QUOTE_MINIMAL, "\n") != lines)
    assert read(lines) == table


def _parsed(lines: list[str]) -> list[list[str]] | None:
    try:
        return list(csv.reader(lines, delimiter="\t", strict=True))
    except csv.Error:
        return None


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["text\tlabel", "plain\t1"], CellQuoting.PLAIN),
        (["text\tlabel", '"Great" film\t1'], CellQuoting.PLAIN),
        (["text\tlabel", '"Great film"\t1'], CellQuoting.PLAIN),
        (["text\tlabel", '"Great film\t1', "bad\t0"], CellQuoting.PLAIN),
        (["text\tlabel", '"Great film\t1', 'bad"\t0'], CellQuoting.PLAIN),
        (["text\tlabel", '"Great film\t1', 'is "bad\t0', '"so"\t0'], CellQuoting.PLAIN),
        (["text\tlabel", '"Great film"\t1', '"so ""bad"""\t0'], CellQuoting.PLAIN),
        (["text\tlabel", '"so ""bad"""\t0'], CellQuoting.QUOTED),
        (["text\tlabel", '"so ""bad"""\t0', 'a 5" disc\t1'], CellQuoting.PLAIN),
        (["text\tlabel", 'a"\t""""'], CellQuoting.PLAIN),
        (["text\tlabel", '"a\ttab"\t0', 'a 5" disc\t1'], CellQuoting.QUOTED),
        (["text\tlabel", '"two', 'lines"\t0'], CellQuoting.QUOTED),
        (["text\tlabel", '"a\ttab"\t0'], CellQuoting.QUOTED),
        (['"text"\t"label"', '"Great film"\t"1"'], CellQuoting.QUOTED),
        (['"text"\t"label"', '"Great film"\t1'], CellQuoting.QUOTED),
        (["text\tlabel", '"a ""b""\t1', 'c"\t1'], CellQuoting.EITHER),
        (["text", '"two', 'lines"'], CellQuoting.EITHER),
        (["text", '"so ""bad"""'], CellQuoting.QUOTED),
    ],
)
def test_how_cells_are_written(lines: list[str], found: CellQuoting) -> None:
    assert how_cells_are_written((f"{line}\n" for line in lines), "\t") is found
