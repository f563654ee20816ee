"""A section for each check: its answer in sentences, its figures, and its numbers as tables."""

from collections.abc import Iterator
from dataclasses import dataclass

from attn_audit.formats.html.tables import (
    Table,
    groups,
    significance,
    site_table,
    taus_by_group,
)
from attn_audit.formats.sentences import overview, sites
from attn_audit.results.report import Report

TITLES = {
    "correlation": "Correlation",
    "permutation": "Permutation",
    "adversarial": "Adversarial",
}


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    id: str
    title: str
    question: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...]


def sections(report: Report) -> Iterator[Section]:
    """Every check that was run, then layers and heads where several were asked for.

    Args:
        report: Any report.
    """
    for check, sentences in overview.answers(report).items():
        yield Section(
            id=check,
            title=TITLES[check],
            question=overview.QUESTIONS[check],
            sentences=sentences,
            tables=tuple(_tables(report, check)),
        )
    if report.sites:
        title, tables = sites.title(report.sites), (site_table(report.sites),)
        yield Section("sites", title, sites.QUESTION, sites.answer(report), tables)


def _tables(report: Report, check: str) -> Iterator[Table]:
    checks = report.checks
    if check == "correlation" and checks.correlation:
        yield significance(checks.correlation)
        yield taus_by_group(checks.correlation)
    if check == "permutation" and checks.permutation:
        yield groups("output moves by", checks.permutation)
    if check == "adversarial" and checks.adversarial:
        yield groups("divergence", checks.adversarial)
