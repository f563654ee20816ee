"""The report as JSON: for programs, and for `attn-audit report` to render again later."""

from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict


def render(report: Report, verdict: Verdict | None = None) -> str:
    """The whole report as JSON text, the same bytes for the same report.

    Args:
        report: Any report.
        verdict: Not written: a report says what was found, and every policy may judge it anew.
    """
    return report.to_json()
