"""The report as JSON: for programs, and for `attn-audit report` to render again later."""

from attn_audit.results.report import Report


def render(report: Report) -> str:
    """The whole report as JSON text, the same bytes for the same report.

    Args:
        report: Any report.
    """
    return report.to_json()
