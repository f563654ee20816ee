"""Tables in LaTeX: every table of a document, and no text that LaTeX would read as its own."""

import re

from hypothesis import given
from hypothesis import strategies as st

from attn_audit.document import (
    Block,
    Bullets,
    Document,
    Folded,
    Phrase,
    Section,
    Spread,
    Table,
    Tone,
)
from attn_audit.formats.documents.report import document
from attn_audit.formats.latex import SPECIAL, escaped, render
from attn_audit.results.report import Report
from attn_audit.statistics.summary import Distribution

COMMANDS = sorted((v for k, v in SPECIAL.items()), key=len, reverse=True)


def whole(*tables: Table) -> Document:
    """A document of one section with these tables, the last of them folded away."""
    *first, last = tables
    blocks: tuple[Block, ...] = (Bullets.of(["Said."]), *first, Folded("More", (last,)))
    return Document("Report", "model_1", "on 5 %", (Section("found", "Found", blocks),))


def test_every_table_is_a_float_with_a_label_of_its_own() -> None:
    table = Table(("", "tau"), (("by class",), ("  a & b", "-0.50")), "First", note="50 % of all")
    text = render(whole(table, Table(("model", "n"), (("x_1", "1,821"),))))
    assert text.count(r"\begin{table}[t]") == text.count(r"\end{table}") == 2
    assert r"\multicolumn{2}{l}{\textit{by class}} \\" in text
    assert r"\quad a \& b & $-$0.50 \\" in text
    assert r"\caption{First. 50 \% of all}" in text
    assert r"\label{tab:found-1}" in text
    assert r"\label{tab:found-2}" in text
    assert "Said." not in text


def test_columns_of_text_are_on_the_left_and_pictures_left_out() -> None:
    spread = Spread(Distribution(n=0, mean=None, sd=None, interval=None, minimum=None,
                                 maximum=None), (0.0, 1.0))  # fmt: skip
    rows = (("a", Phrase("b_c", Tone.CODE), spread, "1"),)
    text = render(whole(Table(("", "name", "0|1", "n"), rows, n_text=2)))
    assert r"\begin{tabular}{llr}" in text
    assert r"a & b\_c & 1 \\" in text


@given(st.text())
def test_nothing_in_a_text_acts(text: str) -> None:
    shown = escaped(text)
    for command in COMMANDS:
        shown = shown.replace(command, "")
    assert not re.search(r"[\\#$%&_{}^~<>\n]", shown)


def test_a_whole_report_has_as_many_cells_in_every_row(report: Report) -> None:
    text = render(document(report))
    for found in re.finditer(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", text, re.S):
        rows = [line for line in found[2].splitlines() if line.endswith(r"\\")]
        of = [row for row in rows if not row.startswith(r"\multicolumn")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in of} == {len(found[1])}
