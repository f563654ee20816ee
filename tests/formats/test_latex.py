"""Tables in LaTeX: every table of a document, and no text that LaTeX would read as its own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit import compare, table
from attn_audit.document import (
    Block,
    Bullets,
    Details,
    Document,
    Phrase,
    Section,
    Spread,
    Table,
    Tone,
)
from attn_audit.formats.documents.report import document
from attn_audit.formats.latex import MAX_ROWS, SPECIAL, escaped, render
from attn_audit.formats.result_files import Result, document_of
from attn_audit.results.report import Report
from attn_audit.statistics.summary import Distribution

COMMANDS = sorted((v for k, v in SPECIAL.items()), key=len, reverse=True)


def whole(*tables: Table) -> Document:
    """A document of one section with these tables, the last of them folded away."""
    *first, last = tables
    blocks: tuple[Block, ...] = (Bullets.of(["Said."]), *first, Details("More", (last,)))
    return Document("Report", "model_1", "on 5 %", (Section("found", "Found", blocks),))


def test_every_table_is_a_float_with_a_label_of_its_own() -> None:
    table = Table(("", "tau"), (("by class",), ("  a & b", "-0.50")), "First", note="50 % of all")
    text = render(whole(table, Table(("model", "n"), (("x_1", "1,821"),))))
    assert text.count(r"\begin{table}[t]") == text.count(r"\end{table}") == 2
    assert r"\multicolumn{2}{l}{\textit{by class}} \\" in text
    assert r"\quad a \& b & $-$0.50 \\" in text
    assert r"\caption{Found. First. 50 \% of all.}" in text
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
    assert not re.search(r"[\\#$%&_{}^~<>\n\"]", shown)


def test_a_whole_report_has_as_many_cells_in_every_row(report: Report) -> None:
    text = render(document(report))
    for found in re.finditer(r"\\begin\{tabular\}\{(\w+)\}\n(.*?)\\end\{tabular\}", text, re.S):
        rows = [line for line in found[2].splitlines() if line.endswith(r"\\")]
        of = [row for row in rows if not row.startswith(r"\multicolumn")]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in of} == {len(found[1])}


def test_a_long_table_goes_on_in_the_next() -> None:
    table = Table(("", "n"), tuple((f"row {i}", "1") for i in range(MAX_ROWS + 1)), "Long")
    text = render(whole(Table(("",), ()), table))
    assert r"\caption{Found. Long.}" in text
    assert r"\caption{Found. Long. Continued.}" in text
    assert r"\label{tab:found-2-2}" in text
    assert text.count("row ") == MAX_ROWS + 1


PACKAGES = ("booktabs.sty", "graphicx.sty")
HAS_LATEX = bool(
    shutil.which("pdflatex")
    and shutil.which("kpsewhich")
    and not subprocess.run(["kpsewhich", *PACKAGES], capture_output=True).returncode
)
needs_latex = pytest.mark.skipif(
    not HAS_LATEX, reason="there is no pdflatex with booktabs and graphicx"
)

AROUND = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
\input{tables}
\end{document}
"""


def compiled(text: str, folder: Path) -> str:
    """What pdfLaTeX says of tables that are read by a paper."""
    (folder / "tables.tex").write_text(text)
    (folder / "paper.tex").write_text(AROUND)
    words = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout


def _document(result: Result) -> Document:
    return document_of(result)


@needs_latex
def test_every_kind_of_result_is_set_within_the_page(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(report.model_copy(update={"records_file": None}).to_json())
    for made in (document(report), _document(table(path)), _document(compare(path, path))):
        log = compiled(render(made), tmp_path)
        assert "Output written on paper.pdf" in log
        assert "Overfull" not in log
        assert "Float too large" not in log


@needs_latex
def test_any_text_is_set(tmp_path: Path) -> None:
    texts = (
        *SPECIAL, "film_1 # 50% & ~ ^ \\ { } $5", "'x' don't “y” <|im_start|> -- ---",
        "łódź ß Æ İ ▁the Ġword ␣ …", "你好 → τ ε ≤ Ω Привет 😀", "\x1b[31m \u200b e\u0301",
        "an unbroken_" + "name_" * 40,
    )  # fmt: skip
    rows = (*((text, text, "-") for text in texts), ("a & heading_",))
    table = Table(("name", "n & m", "_"), rows, "Odd_% & more", note="50 % ~ of # all")
    assert "Overfull" not in compiled(render(whole(table)), tmp_path)
