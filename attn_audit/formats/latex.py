r"""The tables of a document in LaTeX, to be read by `\input`.

Of packages they take booktabs and graphicx. A table that is wider than the text is made smaller,
one that is too long goes on in the next. Sentences and figures are left out: what is said around a
table in a paper is its author's.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from attn_audit.document import (
    Cell,
    Document,
    Section,
    SignedEstimate,
    Spread,
    Table,
    all_blocks,
    text_of,
)
from attn_audit.quoting import printable

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\ttfamily\char34}",  # \textquotedbl is of one encoding alone
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "–": "--",
    "—": "---",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "−": "$-$",
    "✓": r"$\surd$",
    "✗": r"$\times$",
    "<=": r"$\leq$",
    ">=": r"$\geq$",
    "--": "-{}-{}",  # no dash
    **{character: f"\\{character}" for character in "#$%&_{}"},
}
"""What is markup, or no letter of its usual fonts."""

FITTED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
"""Around what is made smaller where it is wider than the text."""

LAST_KNOWN = 0xFF
"""The last letter of Latin-1."""

MAX_ROWS = 36
"""Of a table on one page."""


def render(document: Document) -> str:
    r"""Every table of the document as a float of its own, in order."""
    tables = [
        line
        for section in document.sections
        for number, table in enumerate(_tables(section), start=1)
        for line in _floats(table, section, number)
    ]
    lines = [
        f"% {escaped(document.kind)}: {escaped(document.title)}",
        r"% needs \usepackage{booktabs,graphicx}; older engines \usepackage{textcomp} too",
        *_named_letters("".join(tables)),
        *tables,
    ]
    return "\n".join(lines) + "\n"


def _named_letters(text: str) -> Iterator[str]:
    """What pdfLaTeX does not know is set as its code point; engines with such fonts set it."""
    for letter in sorted({letter for letter in text if ord(letter) > LAST_KNOWN}):
        name = rf"u8:\detokenize{{{letter}}}\endcsname"
        code = rf"\texttt{{U+{ord(letter):04X}}}"
        yield rf"\ifcsname {name}\else\expandafter\gdef\csname {name}{{{code}}}\fi"


def _tables(section: Section) -> Iterator[Table]:
    return (block for block in all_blocks(section.blocks) if isinstance(block, Table))


def _floats(table: Table, section: Section, number: int) -> Iterator[str]:
    """A table, in parts that fit on a page. Its pictures' columns are left out."""
    drawn = {
        j
        for row in table.rows
        for j, cell in enumerate(row)
        if isinstance(cell, Spread | SignedEstimate)
    }
    shown = [j for j in range(len(table.columns)) if j not in drawn]
    alignment = "".join("l" if j < table.n_text else "r" for j in shown)
    for start in range(0, max(len(table.rows), 1), MAX_ROWS):
        part = f"-{start // MAX_ROWS + 1}" if start else ""
        caption = _caption(section.title, table.title, "Continued" if start else "", table.note)
        rows = table.rows[start : start + MAX_ROWS]
        yield from ("", r"\begin{table}[t]", r"\centering", FITTED)
        yield rf"\begin{{tabular}}{{{alignment}}}"
        yield from (r"\toprule", _row(escaped(table.columns[j]) for j in shown), r"\midrule")
        yield from (_line(row, shown) for row in rows)
        yield from (r"\bottomrule", r"\end{tabular}%", "}", rf"\caption{{{caption}}}")
        yield from (rf"\label{{tab:{section.id}-{number}{part}}}", r"\end{table}")


def _caption(*parts: str) -> str:
    said = [part.rstrip(".") for part in dict.fromkeys(parts) if part]
    return escaped(" ".join(part if part.endswith("?") else f"{part}." for part in said))


def _line(row: Sequence[Cell], shown: Sequence[int]) -> str:
    if len(row) > 1:
        return _row(_cell(row[j]) for j in shown)
    heading = rf"\textit{{{escaped(text_of(row[0]).strip())}}}"
    return rf"\multicolumn{{{len(shown)}}}{{l}}{{{heading}}} \\"


def _row(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: Cell) -> str:
    text = text_of(cell)
    indent = r"\quad " if text.startswith("  ") else ""
    return indent + ("--" if text.strip() == "-" else escaped(text.strip()))


_MINUS = re.compile(r"(?<![\w.-])-(?=\d|:|$)")
_OPENING = re.compile(r"(?<!\w)'(?=\w)")
_PIECE = re.compile("<=|>=|--|.")


def escaped(text: str) -> str:
    r"""Any text, to be set as it reads.

    Example:
        >>> escaped("-50 % of a_b, p <= 1")
        '$-$50 \\% of a\\_b, p $\\leq$ 1'
    """
    shown = _OPENING.sub("‘", _MINUS.sub("−", printable(text)))
    return _PIECE.sub(lambda found: SPECIAL.get(found[0], found[0]), shown)
