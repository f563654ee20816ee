"""Many reports beside each other: models first, then classes, and what was taken together."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, groupby

from attn_audit.document import Bullets, Cell, Details, Document, Paragraph, Section, Table, Tone
from attn_audit.findings.correlation import P_VALUE, TESTED
from attn_audit.findings.paper import BLOCKS, Column
from attn_audit.numbers import count, counted, short
from attn_audit.results.answers import OverSeeds, ReportTable, TabledModel

LACKING = "-"
"""In the place of a number that no report holds."""

SPREAD = "±: standard deviation over {}"


def document(table: ReportTable) -> Document:
    """All numbers of the paper that the reports hold."""
    n_reports = sum(len(model.reports) for model in table.models)
    data = dict.fromkeys(model.data for model in table.models)
    return Document(
        kind="Table",
        title=f"{counted(len(table.models), 'model')}, {counted(n_reports, 'report')}",
        subject=f"on {', '.join(data)}",
        sections=tuple(sections(table)),
    )


def sections(table: ReportTable) -> Iterator[Section]:
    """Models, classes, seeds, and the reports behind them: all, or those that were chosen."""
    lacking = (Bullets.of([f"{LACKING}: {why}" for why in table.missing]),) if table.missing else ()
    found = (
        Section("models", "Models", (*_of_models(table), *lacking)),
        Section("classes", "By predicted class (Table 2 of the paper)", tuple(_of_classes(table))),
        Section("reports", "What was taken together", tuple(_reports(table))),
    )
    chosen = {section.id for section in found if section.id in table.only}
    for section in found:
        if section.blocks and (not chosen or section.id in chosen):
            yield section


Rows = Iterator[tuple[Cell, ...]]


def _tables(
    table: ReportTable,
    rows_of: Callable[[Sequence[Column], TabledModel], Rows],
    *,
    of_classes: bool = False,
    is_alone: bool = False,
) -> Iterator[Table]:
    """A table for each block of which some report has a column.

    Args:
        is_alone: Whether each row is of one report, whose examples are counted elsewhere.
    """
    for block in BLOCKS:
        columns = [column for column in block.columns if column.name in table.columns]
        if columns and (block.is_of_classes or not of_classes):
            heads = ("", *(() if is_alone else ("examples",)), *(c.heading for c in columns))
            note = _tested(columns) if is_alone else _note(table, columns)
            rows = _under_data(table, partial(rows_of, columns))
            yield Table(heads, rows, block.title, note=note)


def _under_data(
    table: ReportTable, rows_of: Callable[[TabledModel], Rows]
) -> tuple[tuple[Cell, ...], ...]:
    """The rows of each model, under the name of its data where there are several."""
    rows: list[tuple[Cell, ...]] = []
    for data, models in groupby(table.models, key=lambda model: model.data):
        rows += [(data,)] if _has_several_data(table) else []
        rows += [row for model in models for row in rows_of(model)]
    return tuple(rows)


def _has_several_data(table: ReportTable) -> bool:
    return len({model.data for model in table.models}) > 1


def _of_models(table: ReportTable) -> Iterator[Table]:
    indent = "  " if _has_several_data(table) else ""

    def rows_of(columns: Sequence[Column], model: TabledModel) -> Rows:
        size = _sizes(report.n_examples for report in model.reports)
        yield (f"{indent}{model.name}", size, *_cells(model.numbers[0].values, columns, model))

    return _tables(table, rows_of)


def _sizes(found: Iterable[int]) -> str:
    known = sorted(found)
    return " to ".join(count(n) for n in sorted({known[0], known[-1]}))


def _cells(
    values: Mapping[str, OverSeeds], columns: Iterable[Column], model: TabledModel
) -> Iterator[str]:
    for column in columns:
        found = values.get(column.name)
        if found is None:
            yield LACKING
            continue
        figures = column.figures(*(v for v in (found.mean, found.sd) if v is not None))
        part = "" if found.n == len(model.reports) else f" ({found.n} of {len(model.reports)})"
        yield f"{' ± '.join(figures)}{part}"


def _note(table: ReportTable, columns: Iterable[Column]) -> str:
    several = [model for model in table.models if len(model.reports) > 1]
    over = "seeds" if all(model.has_seeds for model in several) else "reports"
    return "; ".join(filter(None, (SPREAD.format(over) if several else "", _tested(columns))))


def _tested(columns: Iterable[Column]) -> str:
    return TESTED if any(column.heading == P_VALUE for column in columns) else ""


def _of_classes(table: ReportTable) -> Iterator[Table]:
    """A table for each pair of rankings, in it the classes of each model and all of them."""

    def rows_of(columns: Sequence[Column], model: TabledModel) -> Rows:
        yield (model.name,)
        for over in (*model.numbers[1:], model.numbers[0]):
            name = over.predicted if over.predicted is not None else "all"
            size = _sizes(
                numbers.n_tau or 0
                for report in model.reports
                for numbers in report.numbers
                if numbers.predicted == over.predicted
            )
            yield (f"  {name}", size, *_cells(over.values, columns, model))

    if any(len(model.numbers) > 1 for model in table.models):
        yield from _tables(table, rows_of, of_classes=True)


def _reports(table: ReportTable) -> Iterator[Table | Details | Paragraph]:
    """Which reports are seeds of one model, and what each of them holds."""

    def rows_of(model: TabledModel) -> Rows:
        yield (f"{model.name}: {counted(len(model.reports), 'report')}",)
        for report in model.reports:
            seed = "not told" if report.seed is None else str(report.seed)
            yield f"  {report.report}", seed, short(report.model_sha256)

    rows = _under_data(table, rows_of)
    yield Table(("report", "training seed", "weights"), rows, n_text=3)
    yield Paragraph(
        "Together: reports of one architecture, trained and audited on the same data with the same "
        "settings, of another training seed and other weights.",
        Tone.FAINT,
    )
    several = [m for m in table.models if len(m.reports) > 1 and not m.has_seeds]
    guessed = [m.name for m in several if not m.is_told]
    if guessed:
        yield Paragraph(
            f"How they were trained is not known of {', '.join(guessed)}: taken for seeds of one "
            "model because kind, sizes and labels are the same. A module of one's own says it by "
            "CustomModel(..., training={'seed': 1, ...}).",
            Tone.WARNING,
        )
    alike = [m.name for m in several if m.is_told]
    if alike:
        yield Paragraph(
            f"Not each report tells a training seed of its own of {', '.join(alike)}: taken for "
            "seeds of one model because all else that is told of it is the same.",
            Tone.WARNING,
        )
    if any(len(model.reports) > 1 for model in table.models):
        yield Details("Each report by itself", tuple(_each(table)))


def _each(table: ReportTable) -> Iterator[Table]:
    def rows_of(columns: Sequence[Column], model: TabledModel) -> Rows:
        yield (model.name,)
        for report in model.reports:
            values = report.numbers[0].values
            name = report.report if report.seed is None else f"seed {report.seed}"
            cells = (c.figures(values[c.name]) if c.name in values else (LACKING,) for c in columns)
            yield (f"  {name}", *chain(*cells))

    return _tables(table, rows_of, is_alone=True)
