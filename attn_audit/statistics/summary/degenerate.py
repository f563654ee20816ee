"""Examples about which a check says nothing, or less, counted by reason."""

from collections import Counter
from collections.abc import Sequence

from attn_audit.results.record import STATUS_MEANINGS, Status
from attn_audit.results.summary import Degenerate
from attn_audit.results.table import RecordTable


def count_degenerate(table: RecordTable, checks: Sequence[str]) -> tuple[Degenerate, ...]:
    """How many examples each check is untestable or undefined for, by reason.

    Args:
        table: The records.
        checks: Ids of the checks that were run.
    """
    found = []
    for check in checks:
        reasons: Counter[str] = Counter()
        for statuses, n in table.counts(f"status_{check}").items():
            reasons.update(dict.fromkeys(statuses.split("+"), n))
        found += [
            Degenerate(
                check=check, status=status, meaning=STATUS_MEANINGS[status], n=reasons[status]
            )
            for status in Status
            if status is not Status.MEASURED and reasons[status]
        ]
    return tuple(found)
