"""A comparison as CSV: one line a metric, for spreadsheets and scripts."""

import csv
from io import StringIO

from attn_audit.formats.safety import cell
from attn_audit.results.comparison import Comparison

HEADER = ("metric", "base", "new", "difference", "low", "high", "effect_size", "n")


def render(comparison: Comparison) -> str:
    """All changes; what has no interval, effect size or count leaves them empty.

    Args:
        comparison: Any comparison.
    """
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for change in comparison.changes:
        interval = change.interval
        ends = (None, None) if interval is None else (interval.low, interval.high)
        values = (change.base, change.new, change.difference, *ends, change.effect_size, change.n)
        writer.writerow([cell(change.metric), *values])
    return text.getvalue()
