"""The correlation check on a terminal."""

from rich.console import ConsoleOptions, Group, RenderableType
from rich.text import Text

from attn_audit.formats.terminal import taus
from attn_audit.formats.terminal.groups import several_labels
from attn_audit.formats.terminal.prose import opened
from attn_audit.results.report import Report
from attn_audit.results.summary import CorrelationSummary


def correlation(
    report: Report, summary: CorrelationSummary, options: ConsoleOptions
) -> RenderableType:
    """Question, answer, distributions beside the yardstick's, significance, and by group.

    Args:
        report: The whole report.
        summary: Of this check.
        options: Of the console.
    """
    pairs = taus.pairs_of(summary)
    parts = opened(report, "correlation")
    if any(tau.n for _, tau in pairs):
        parts += [Text(""), taus.distributions(pairs, options)]
        parts += [Text(""), taus.significance(pairs, options)]
        parts += [Text(""), taus.by_group(pairs, options), *several_labels(report)]
    return Group(*parts, Text(""))
