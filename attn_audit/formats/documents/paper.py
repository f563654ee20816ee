"""The page of the paper's models: their table, and what leads to each of them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from attn_audit.document import Block, Document, Links, Paragraph, Section
from attn_audit.formats.documents import report_table
from attn_audit.formats.documents.report import figures
from attn_audit.results.answers import ReportTable, TabledModel
from attn_audit.results.report import Report

PAGE, TABLES = "index.html", ("table.md", "table.csv", "table.tex", "table.json")
"""Beside each other."""

FIGURES = ("tau_by_class", "output_change", "jsd_by_weight")
"""The paper's, by name: taus by class, output under permutation, largest divergence."""


def page(table: ReportTable, reports: Mapping[Path, Report]) -> Document:
    """Tables, files, and figures of each model.

    Args:
        reports: By their paths from the page, as the table names them.
    """
    whole = report_table.document(table)
    models = (
        Section(f"model-{i}", model.name, tuple(_blocks(i, model, reports)))
        for i, model in enumerate(table.models)
    )
    files = Section("files", "The table as files", (Links(tuple((name, name) for name in TABLES)),))
    first, *others = whole.sections
    return replace(
        whole,
        kind="The paper's models",
        title=", ".join(dict.fromkeys(model.data for model in table.models)),
        subject=whole.title,
        sections=(first, *others, files, *models),
    )


def _blocks(number: int, model: TabledModel, reports: Mapping[Path, Report]) -> Iterator[Block]:
    """What each seed's report answers, and where everything is; figures of the first."""
    for report in model.reports:
        answer = reports[Path(report.report)].answer
        if answer is not None:
            yield Paragraph(answer.sentence, label=answer.words)
        folder = Path(report.report).parent
        seed = f"seed {report.seed}: " if len(model.reports) > 1 else ""
        yield Links(
            (
                (f"{seed}report", str(folder / "report.html")),
                ("as JSON", str(folder / "report.json")),
                ("records", str(folder / "records.parquet")),
                ("figures", f"{folder}/figures/"),
                ("model", str(folder / "model.pt")),
            )
        )
    for figure in figures(reports[Path(model.reports[0].report)]):
        if figure.name in FIGURES:
            yield replace(figure, name=f"{figure.name}_{number}")
