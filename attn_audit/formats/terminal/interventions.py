"""The two checks that change attention, on a terminal: permutation and adversarial."""

from math import log

from rich.console import ConsoleOptions, Group, RenderableType
from rich.text import Text

from attn_audit.formats.terminal.charts import Chart
from attn_audit.formats.terminal.groups import Grouping, group_table, several_labels
from attn_audit.formats.terminal.prose import opened
from attn_audit.results.report import Report
from attn_audit.results.summary import AdversarialSummary, PermutationSummary


def permutation(
    report: Report, summary: PermutationSummary, options: ConsoleOptions
) -> RenderableType:
    """Question, answer, distribution of the output's change, and by group.

    Args:
        report: The whole report.
        summary: Of this check.
        options: Of the console.
    """
    chart = Chart(
        "examples by how far shuffling moves their output",
        summary.distance,
        (0.0, 0.25, 0.5, 0.75, 1.0),
    )
    return _section(report, "permutation", chart, summary, "output moves by", (0.0, 1.0), options)


def adversarial(
    report: Report, summary: AdversarialSummary, options: ConsoleOptions
) -> RenderableType:
    """Question, answer, distribution of the largest divergence, and by group.

    Args:
        report: The whole report.
        summary: Of this check.
        options: Of the console.
    """
    chart = Chart(
        "examples by the largest divergence found (nats)",
        summary.max_jsd,
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, log(2)),
    )
    return _section(report, "adversarial", chart, summary, "divergence", (0.0, log(2)), options)


def _section(
    report: Report,
    check: str,
    chart: Chart,
    summary: PermutationSummary | AdversarialSummary,
    measured: str,
    limits: tuple[float, float],
    options: ConsoleOptions,
) -> RenderableType:
    parts = opened(report, check)
    if chart.distribution.n:
        groupings = (
            Grouping("by largest weight", summary.by_max_attention),
            Grouping("by prediction", summary.by_prediction),
            Grouping("by length", summary.by_length),
        )
        table = group_table(measured, groupings, limits, options)
        parts += [Text(""), chart, Text(""), table, *several_labels(report)]
    return Group(*parts, Text(""))
