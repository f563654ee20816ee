"""What summing up will take, from the records of a few examples that were tried."""

import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from attn_audit.reporting.recording import RecordsPaths
from attn_audit.reporting.summing_up import Found, sum_up
from attn_audit.results.subject import Subject
from attn_audit.statistics.resamples import LARGEST_BOOTSTRAP_N

SOME, FEW = 20, 500
"""Examples on which summing up is timed during an audit, which must not be held up by it: the first
are enough for every group and interval there is, and the time grows evenly from there on."""

MANY = LARGEST_BOOTSTRAP_N + 1
"""From here on nothing is drawn anew: the report of a hundred thousand takes hardly longer."""


@dataclass(frozen=True)
class SummingUp:
    """Seconds that come after the batches."""

    recording: float
    """Of keeping the records, and of writing those that the user asked for."""
    of_report: float


def time_summing_up(
    subject: Subject, tried: Found, n_examples: int, *, keeps_records: bool
) -> SummingUp:
    """Sum up as many examples as there are, or `MANY` of more: the tried records, repeated.

    Args:
        subject: What is audited.
        tried: Records of at least one example, and those of its other sites.
        n_examples: Of the whole audit.
        keeps_records: Whether the user asked for a records file.
    """
    _time(subject, tried, 1, keeps_records)  # what only happens once
    size = min(n_examples, MANY)
    timed = _time(subject, tried, size, keeps_records)
    return SummingUp(timed.recording * n_examples / size, timed.of_report)


def extrapolate_summing_up(
    subject: Subject, tried: Found, n_examples: int, *, keeps_records: bool
) -> SummingUp:
    """The same in a fifth of a second: from `SOME` examples and from `FEW`, in a straight line.

    Args:
        subject: What is audited.
        tried: Records of at least one example, and those of its other sites.
        n_examples: Of the whole audit.
        keeps_records: Whether the user asked for a records file.
    """
    _time(subject, tried, 1, keeps_records)  # what only happens once
    if n_examples <= SOME:
        return _time(subject, tried, n_examples, keeps_records)
    size = min(n_examples, FEW)
    some, few = (_time(subject, tried, n, keeps_records) for n in (SOME, size))
    recording, of_report = few.recording - some.recording, few.of_report - some.of_report
    step = size - SOME
    return SummingUp(
        some.recording + max(0.0, recording) * (n_examples - SOME) / step,
        some.of_report + max(0.0, of_report) * (min(n_examples, MANY) - SOME) / step,
    )


def _time(subject: Subject, tried: Found, n_examples: int, keeps_records: bool) -> SummingUp:
    found, timing = _repeated(tried, n_examples), _Timing()
    with tempfile.TemporaryDirectory(prefix="attn-audit-") as folder:
        records = str(Path(folder) / "records.parquet") if keeps_records else None
        paths = RecordsPaths.of(records, has_several_sites=bool(found[1]))
        start = time.perf_counter()
        sum_up(subject, [found], paths, timing=timing)
        return SummingUp(time.perf_counter() - start - timing.seconds, timing.seconds)


class _Timing(AbstractContextManager[None]):
    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds = time.perf_counter() - self._start


def _repeated(tried: Found, n_examples: int) -> Found:
    records, site_records = tried
    chosen = [records[i % len(records)] for i in range(n_examples)]
    n_sites = len(site_records) // len(records)
    of_sites = [
        site_records[i % len(records) * n_sites + j]
        for i in range(n_examples)
        for j in range(n_sites)
    ]
    return chosen, of_sites
