"""The report as one self-contained page: no request leaves it, no script but its own runs in it."""

from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict


def render(report: Report, verdict: Verdict | None = None) -> str:
    """The whole page as HTML text.

    Args:
        report: Any report.
        verdict: What a policy says of it; stands on the first screen.

    Returns:
        UTF-8 text that opens from a file: style, scripts, data and figures are all in it.
    """
    from attn_audit.formats.html.page import page  # Altair and Jinja2: only for who asks for HTML

    return page(report, verdict)
