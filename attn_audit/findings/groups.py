"""Numbers by largest weight, predicted class, length and confidence, alike in every check."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from attn_audit.document import (
    Block,
    Bullets,
    Cell,
    Figure,
    Folded,
    Hue,
    Panel,
    Paragraph,
    Section,
    Spread,
    Table,
    Tone,
)
from attn_audit.findings.metric import ShareMetric
from attn_audit.numbers import count, counted, digits, mean, share
from attn_audit.statistics.summary import Distribution, Group, GroupedDistribution

if TYPE_CHECKING:
    from attn_audit.results.report import Report

MAX_CLASSES = 8
"""Predicted classes shown; the rest are counted."""

BY_PREDICTION = "by prediction"

NOT_MEASURED = "Not known: no example could be measured."


def parts_of(title: str, parts: Sequence[Group]) -> Iterator[str | Group]:
    """The lines of a table: its heading, the largest parts as they came, and how many are not."""
    if not parts:
        return
    yield title
    largest = sorted(parts, key=lambda part: -part.distribution.n)[:MAX_CLASSES]
    yield from (part for part in parts if part in largest)
    if len(parts) > len(largest):
        yield f"+ {len(parts) - len(largest)} smaller"


def group_table(measured: str, found: GroupedDistribution, limits: tuple[float, float]) -> Table:
    """Mean, interval and spread of a check's number, for every part of every grouping."""
    named = (
        ("by largest weight", found.by_max_attention),
        (BY_PREDICTION, found.by_prediction),
        ("by length", found.by_length),
        ("by confidence", found.by_confidence),
    )
    shown = [part for title, parts in named for part in parts_of(title, parts)]
    decimals = min(3, digits(*(p.distribution for p in shown if isinstance(p, Group))))

    def row(part: str | Group) -> tuple[Cell, ...]:
        if isinstance(part, str):
            return (part,)
        spread = part.distribution
        written = mean(spread, decimals)
        return f"  {part.name}", count(spread.n), written, Spread(spread, limits)

    low, high = (f"{limit:.2g}" for limit in limits)
    columns = ("", "examples", measured, f"{low}|{high}")
    return Table(columns, tuple(map(row, shown)), "By group")


def confidence_table(report: "Report", **shares: ShareMetric) -> Table:
    """Shares of the examples by how sure the model is of them.

    Args:
        **shares: By what is written above each, with `_` for spaces.
    """
    found = {name: report[metric].by_confidence for name, metric in shares.items()}
    strata = dict.fromkeys(part.name for parts in found.values() for part in parts)
    rows = []
    for stratum in strata:
        cells = [next((p for p in parts if p.name == stratum), None) for parts in found.values()]
        written = ("-" if part is None else share(part) for part in cells)
        most = max(part.n for part in cells if part is not None)
        rows.append((f"p {stratum}", count(most), *written))
    columns = ("", "examples", *(name.replace("_", " ") for name in shares))
    return Table(columns, tuple(rows), "By confidence")


def panel_of(
    what: str, part: Group, hue: Hue = Hue.GRADIENT, below: Distribution | None = None
) -> Panel:
    """A part of a grouping in a figure, with how many examples it is of."""
    name = f"{what} {part.name} ({counted(part.distribution.n, 'example')})"
    return Panel(name, part.distribution, hue, below)


def section_of(
    id: str,
    title: str,
    question: str,
    answer: Sequence[str],
    figures: Iterable[Figure],
    *tables: Folded,
) -> Section:
    """Question, answer, figures, and the numbers in tables."""
    asked, said = Paragraph(question, Tone.QUESTION), Bullets.of(answer)
    blocks: tuple[Block, ...] = (asked, said, *figures, *tables)
    return Section(id, title, blocks)


def folded(report: "Report", *tables: Table) -> Folded:
    """Tables of a check, and what parts by prediction mean where a prediction is several labels."""
    parted = {table.title for table in tables} | {row[0] for t in tables for row in t.rows}
    is_parted = any(BY_PREDICTION in str(name) for name in parted)
    if report.model.task != "multilabel" or not is_parted:
        return Folded("The numbers as tables", tables)
    note = "By prediction: an example counts under each label that it is given."
    return Folded("The numbers as tables", (*tables, Paragraph(note, Tone.FAINT)))
