"""Examples about which a check says nothing, or less, counted by reason."""

from collections import Counter
from collections.abc import Sequence

from attn_audit.findings.example import FAILED, Status, status_field
from attn_audit.findings.registry import status_meanings
from attn_audit.results.examples import Examples
from attn_audit.summary import Degenerate

MEANING = "the model failed at the example: see the records for the reason"


def count_degenerate(
    examples: Examples, checks: Sequence[str], n_failed: int
) -> tuple[Degenerate, ...]:
    """How many examples each check is untestable or undefined for, by reason."""
    found = []
    for check in checks:
        if n_failed:
            found.append(Degenerate(check=check, status=FAILED, meaning=MEANING, n=n_failed))
        reasons: Counter[str] = Counter()
        for statuses, n in examples.counts(status_field(check)).items():
            reasons.update(dict.fromkeys(statuses.split("+"), n))
        found += [
            Degenerate(check=check, status=status, meaning=meaning, n=reasons[status])
            for status, meaning in status_meanings().items()
            if status is not Status.MEASURED and reasons[status]
        ]
    return tuple(found)
