"""Many reports beside each other: models first, then classes, and what was taken together."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby

from attn_audit.document import Bullets, Cell, Document, Folded, Paragraph, Section, Table, Tone
from attn_audit.findings.correlation import P_VALUE, TESTED
from attn_audit.findings.paper import BLOCKS, Block, Column
from attn_audit.numbers import count, counted, short
from attn_audit.results.answers import (
    OverSeeds,
    ReportTable,
    TabledModel,
    TabledReport,
)

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


def _shown(table: ReportTable, *, of_classes: bool = False) -> Iterator[tuple[Block, list[Column]]]:
    """Blocks with those of their columns that some report has."""
    for block in BLOCKS:
        columns = [column for column in block.columns if column.name in table.columns]
        if columns and (block.is_of_classes or not of_classes):
            yield block, columns


def _of_models(table: ReportTable) -> Iterator[Table]:
    for block, columns in _shown(table):
        rows = [
            row
            for data, models in _by_data(table)
            for row in (
                *data,
                *(
                    (_indented(m.name, data), _n(m), *_cells(m.numbers[0].values, columns, m))
                    for m in models
                ),
            )
        ]
        yield Table(
            ("", "examples", *_headings(columns)),
            tuple(rows),
            block.title,
            note=_note(table, columns),
        )


def _by_data(
    table: ReportTable,
) -> Iterator[tuple[tuple[tuple[Cell, ...], ...], list[TabledModel]]]:
    """The models of each data set, under its name where there are several."""
    parts = [(data, list(of)) for data, of in groupby(table.models, key=lambda m: m.data)]
    for data, models in parts:
        yield (((data,),) if len(parts) > 1 else ()), models


def _indented(name: str, under: Sequence[object]) -> str:
    return f"  {name}" if under else name


def _headings(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(column.heading for column in columns)


def _n(model: TabledModel) -> str:
    return _sizes(report.n_examples for report in model.reports)


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
    if not any(len(model.numbers) > 1 for model in table.models):
        return
    for block, columns in _shown(table, of_classes=True):
        rows: list[tuple[Cell, ...]] = []
        for data, models in _by_data(table):
            rows += data
            for model in models:
                rows.append((model.name,))
                for over in (*model.numbers[1:], model.numbers[0]):
                    name = over.predicted if over.predicted is not None else "all"
                    size = _sizes(
                        numbers.n_tau or 0
                        for report in model.reports
                        for numbers in report.numbers
                        if numbers.predicted == over.predicted
                    )
                    rows.append((f"  {name}", size, *_cells(over.values, columns, model)))
        heads = ("", "examples", *_headings(columns))
        yield Table(heads, tuple(rows), block.title, note=_note(table, columns))


def _reports(table: ReportTable) -> Iterator[Table | Folded | Paragraph]:
    """Which reports are seeds of one model, and what each of them holds."""
    rows: list[tuple[Cell, ...]] = []
    for data, models in _by_data(table):
        rows += data
        for model in models:
            n = counted(len(model.reports), "report")
            rows.append((f"{model.name}: {n}",))
            rows += [_report(report) for report in model.reports]
    yield Table(("report", "training seed", "weights"), tuple(rows), n_text=3)
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
        yield Folded("Each report by itself", tuple(_each(table)))


def _report(report: TabledReport) -> tuple[Cell, ...]:
    seed = "not told" if report.seed is None else str(report.seed)
    return f"  {report.report}", seed, short(report.model_sha256)


def _each(table: ReportTable) -> Iterator[Table]:
    for block, columns in _shown(table):
        rows: list[tuple[Cell, ...]] = []
        for data, models in _by_data(table):
            rows += data
            for model in models:
                rows.append((model.name,))
                rows += [_alone(report, columns) for report in model.reports]
        heads, note = ("", *_headings(columns)), _tested(columns)
        yield Table(heads, tuple(rows), block.title, note=note)


def _alone(report: TabledReport, columns: Sequence[Column]) -> tuple[Cell, ...]:
    values, name = report.numbers[0].values, _seed_or_file(report)
    cells = (column.figures(values[column.name]) if column.name in values else (LACKING,)
             for column in columns)  # fmt: skip
    return (f"  {name}", *chain(*cells))


def _seed_or_file(report: TabledReport) -> str:
    return report.report if report.seed is None else f"seed {report.seed}"
