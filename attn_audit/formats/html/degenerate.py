"""The examples about which a check says nothing, or less, as a table."""

from attn_audit.formats.html.tables import Table
from attn_audit.formats.numbers import count
from attn_audit.results.report import Report


def degenerate(report: Report) -> Table | None:
    """Counts by reason and check; None where every check says something of every example.

    Args:
        report: Any report.
    """
    if not report.degenerate:
        return None
    checks = tuple(dict.fromkeys(entry.check for entry in report.degenerate))
    counts = {(entry.meaning, entry.check): entry.n for entry in report.degenerate}
    rows = tuple(
        (meaning, *(count(counts.get((meaning, check), 0)) for check in checks))
        for meaning in dict.fromkeys(entry.meaning for entry in report.degenerate)
    )
    return Table("Counted here, never averaged in", ("reason", *checks), rows)
