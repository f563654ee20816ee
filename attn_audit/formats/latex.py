r"""The tables of a document in LaTeX, to be read by `\input`; of packages they take booktabs alone.

Sentences and figures are left out: what is said around a table in a paper is its author's.
"""

import re
from collections.abc import Iterable, Iterator

from attn_audit.document import (
    Around,
    Block,
    Cell,
    Document,
    Folded,
    Notice,
    Section,
    Spread,
    Table,
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
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "±": r"$\pm$",
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


def render(document: Document) -> str:
    r"""Every table of the document as a float of its own, in order."""
    lines = [
        f"% {escaped(document.kind)}: {escaped(document.title)}",
        r"% needs \usepackage{booktabs}; older engines \usepackage{textcomp} too",
    ]
    for section in document.sections:
        for number, table in enumerate(_tables(section.blocks), start=1):
            lines += ["", *_float(table, section, number)]
    return "\n".join(lines) + "\n"


def _tables(blocks: Iterable[Block]) -> Iterator[Table]:
    """Those within others too."""
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Folded | Notice):
            yield from _tables(block.blocks)


def _float(table: Table, section: Section, number: int) -> Iterator[str]:
    """Pictures have no place in it: their columns are left out."""
    drawn = {
        j for row in table.rows for j, cell in enumerate(row) if isinstance(cell, Spread | Around)
    }
    shown = [j for j in range(len(table.columns)) if j not in drawn]
    alignment = "".join("l" if j < table.n_text else "r" for j in shown)
    caption = f"{table.title or section.title}. {table.note}".removesuffix(" ")
    yield from (r"\begin{table}[t]", r"\centering", rf"\begin{{tabular}}{{{alignment}}}")
    yield from (r"\toprule", _row(escaped(table.columns[j]) for j in shown), r"\midrule")
    for row in table.rows:
        if len(row) == 1:
            heading = rf"\textit{{{escaped(text_of(row[0]).strip())}}}"
            yield rf"\multicolumn{{{len(shown)}}}{{l}}{{{heading}}} \\"
        else:
            yield _row(_cell(row[j]) for j in shown)
    yield from (r"\bottomrule", r"\end{tabular}", rf"\caption{{{escaped(caption)}}}")
    yield from (rf"\label{{tab:{section.id}-{number}}}", r"\end{table}")


def _row(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: Cell) -> str:
    text = text_of(cell)
    indent = r"\quad " if text.startswith("  ") else ""
    return indent + escaped(text.strip())


_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")
_PIECE = re.compile("<=|>=|--|.")


def escaped(text: str) -> str:
    r"""Any text, to be set as it reads.

    Example:
        >>> escaped("-50 % of a_b, p <= 1")
        '$-$50 \\% of a\\_b, p $\\leq$ 1'
    """
    shown = _MINUS.sub("−", printable(text))
    return _PIECE.sub(lambda found: SPECIAL.get(found[0], found[0]), shown)
