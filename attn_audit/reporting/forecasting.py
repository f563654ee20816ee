"""What summing up will take, from the records of a few examples that were tried."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

from attn_audit.reporting.recording import RecordsPaths
from attn_audit.reporting.summing_up import Found, sum_up
from attn_audit.results.subject import Subject
from attn_audit.statistics.resamples import LARGEST_BOOTSTRAP_N

SIZES = (500, 2_000)
"""Examples that summing up is timed on, where there are more; the tried records are repeated."""


@dataclass(frozen=True)
class SummingUp:
    """Seconds of summing up n examples: of records, a for each; of the report, b and c for each.

    Above `LARGEST_BOOTSTRAP_N` the report takes d for each, since nothing is drawn anew.
    """

    per_record: float
    fixed: float
    per_example: float
    per_example_of_many: float

    def seconds(self, n_examples: int) -> float:
        """What it takes.

        Args:
            n_examples: That are summed up.
        """
        if n_examples <= LARGEST_BOOTSTRAP_N:
            of_report = self.fixed + self.per_example * n_examples
        else:
            of_report = self.per_example_of_many * n_examples
        return self.per_record * n_examples + of_report


def try_summing_up(subject: Subject, tried: Found, n_examples: int) -> SummingUp:
    """Time summing up, on as many examples as there are or on some and more.

    Args:
        subject: What is audited.
        tried: Records of at least one example, and those of its other sites.
        n_examples: Of the whole audit.
    """
    _time(subject, tried, 1)  # what only happens once
    sizes = sorted({min(n_examples, size) for size in SIZES})
    timed = [_time(subject, tried, size) for size in sizes]
    per_example = 0.0
    if len(sizes) > 1:
        per_example = max(0.0, timed[1][1] - timed[0][1]) / (sizes[1] - sizes[0])
    recording, of_report = timed[-1]
    of_many = 0.0
    if n_examples > LARGEST_BOOTSTRAP_N:
        n_many = LARGEST_BOOTSTRAP_N + 1
        of_many = _time(subject, tried, n_many)[1] / n_many
    fixed = max(0.0, of_report - per_example * sizes[-1])
    return SummingUp(recording / sizes[-1], fixed, per_example, of_many)


def _time(subject: Subject, tried: Found, n_examples: int) -> tuple[float, float]:
    """Seconds of keeping so many records, and of their report."""
    found, timing = _repeated(tried, n_examples), _Timing()
    start = time.perf_counter()
    sum_up(subject, [found], RecordsPaths(None, None), timing=timing)
    return time.perf_counter() - start - timing.seconds, timing.seconds


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
