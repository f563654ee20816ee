"""The whole report on a terminal, section by section."""

from rich.console import Console, Group

from attn_audit.formats.terminal.closing import degenerate, provenance
from attn_audit.formats.terminal.correlation import correlation
from attn_audit.formats.terminal.interventions import adversarial, permutation
from attn_audit.formats.terminal.look import WIDEST, Trimmed
from attn_audit.formats.terminal.opening import in_short, performance, title
from attn_audit.formats.terminal.sites import sites
from attn_audit.results.report import Report


def render(report: Report, console: Console) -> None:
    """Print a report: first at a glance, then how well the model works, then check by check.

    Layers and heads stand behind, where several were asked for. On a screen that the report does
    not fit, the glance is printed once more at the end, where the eye is when the printing stops.

    Args:
        report: Any report.
        console: Where to; without a terminal there is no colour, without UTF-8 only ASCII.
    """
    options = console.options.update(width=min(console.width, WIDEST))
    glance = in_short(report, options)
    parts = [title(report, options), glance, performance(report.performance, options)]
    checks = report.checks
    if checks.correlation is not None:
        parts.append(correlation(report, checks.correlation, options))
    if checks.permutation is not None:
        parts.append(permutation(report, checks.permutation, options))
    if checks.adversarial is not None:
        parts.append(adversarial(report, checks.adversarial, options))
    if report.sites:
        parts.append(sites(report, options))
    parts += [degenerate(report, options), provenance(report, options)]
    whole = Group(*parts)
    if console.is_terminal and len(console.render_lines(whole, options)) > console.height:
        whole = Group(whole, glance)
    console.print(Trimmed(whole), width=options.max_width)
