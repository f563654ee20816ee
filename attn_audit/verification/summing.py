"""The report's summaries, computed again from its records."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from attn_audit.findings.tolerance import SUMMARY
from attn_audit.formats.stored_records import RecordsError
from attn_audit.reporting.recording import RecordsPaths
from attn_audit.reporting.summing_up import sum_up
from attn_audit.results.record import Record
from attn_audit.results.report import Report
from attn_audit.results.subject import Subject
from attn_audit.verification.tally import Tally


def summed_up(
    report: Report,
    records: Iterable[Sequence[Record]],
    site_records: Iterable[Sequence[Record]],
) -> Report:
    """The report that these records give.

    Raises:
        RecordsError: They hold what no audit writes.
    """
    found = chain(
        ((some, ()) for some in records),
        (((), some) for some in site_records),
    )
    try:
        return sum_up(
            Subject.of(report), found, RecordsPaths(None, None), records_file=report.records
        )
    except (pa.ArrowException, ValueError, TypeError, LookupError, ArithmeticError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RecordsError(f"these records cannot be summed up: {problem}") from None


def compare_summaries(stored: Report, found: Report) -> Tally:
    """Every value of two reports, one by one."""
    tally = Tally("summary", "every value", SUMMARY.limit, SUMMARY.reason)
    ours, theirs = found.model_dump(mode="json"), stored.model_dump(mode="json")
    for path, one, other in _pairs("", theirs | {"run": None}, ours):
        if _is_number(one) and _is_number(other):
            size = max(abs(one), abs(other), 1e-12)
            tally.compare(None, path, one, other, abs(one - other) / size)
        else:
            tally.require(None, path, one, other, one == other)
    return tally


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _pairs(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Values at the same place; where the places themselves differ, what stands there."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _pairs(f"{path}.{key}".lstrip("."), one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _pairs(f"{path}[{i}]", first, second)
    else:
        yield path, one, other
