"""Where an audit's time goes, and how far it is: one rate for each check."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar

from attn_audit.checks.base import Check
from attn_audit.checks.erasure import Erasure
from attn_audit.checks.registry import measured_by, passes_of
from attn_audit.measures.base import Costs, counting
from attn_audit.models.contract import EncodedExample, Site
from attn_audit.progress import READING, CheckProgress, Progress, following

PAUSE = 0.5
"""Seconds at least between what is told: as often as people can read it."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class StageTime:
    """How many examples a stage was done for, and what it took."""

    examples: float = 0.0
    seconds: float = 0.0


def progress_of(
    spent: Mapping[str, StageTime],
    doing: str,
    *,
    n_finished: int,
    n_skipped: int = 0,
    n_examples: int | None = None,
    n_workers: int = 1,
) -> Progress:
    """What stages took so far, as progress.

    Args:
        spent: On each check, and under READING on all beside them.
        n_skipped: Examples that are done without being audited now.
        n_workers: That audit at the same time.
    """
    checks, together = list[CheckProgress](), 0.0 if spent else None
    for name, of in spent.items():
        done = n_skipped + of.examples
        rate = n_workers * of.examples / of.seconds if of.examples and of.seconds else None
        left = None if rate is None or n_examples is None else max(0.0, n_examples - done) / rate
        together = None if left is None or together is None else together + left
        checks += [] if name == READING else [CheckProgress(name, done, rate, left)]
    return Progress(n_finished + n_skipped, n_examples, doing, tuple(checks), together)


class Meter:
    """Counts how far each check is, and tells of it now and then.

    Within a shard, whose lengths are known, an example counts by the tokens that pass through the
    model for it; of the examples behind it, each counts as one of those before. A check that is
    under way tells of its parts (`portions`).
    """

    def __init__(
        self,
        checks: Sequence[Check],
        sites: Sequence[Site],
        on_progress: Callable[["Meter"], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Of sites the audited one comes first; those beside it may name it again."""
        self._checks = {check.id: check for check in checks}
        self._sites = list(dict.fromkeys(sites))
        self._on_progress, self._clock = on_progress, clock
        self._measured_by = measured_by(checks)
        self._passes = defaultdict[str, dict[int | str, tuple[int, int]]](dict)
        self._begun, self._told = clock(), clock()
        self._stage_begun: float | None = None
        self._seconds = self._none()
        self._shard, self._finished, self._under_way = (self._none() for _ in range(3))
        self._n_before = self._n_shard = self._n_read = 0
        self.doing = ""
        self.n_finished = self.n_skipped = 0

    def _none(self) -> dict[str, float]:
        return dict.fromkeys(self._checks, 0.0)

    def skip(self, n_examples: int) -> None:
        """Examples that are finished without being audited now."""
        self.n_skipped += n_examples

    def begin(self, shard: Sequence[EncodedExample], n_failed: int = 0) -> None:
        """Take note of a shard that is about to be audited, `n_failed` more of which cannot be."""
        self._n_before += self._n_shard + n_failed
        self.n_finished += n_failed
        self._n_read = max(self._n_read, self._n_before)
        self._n_shard, self._finished, self._under_way = len(shard), self._none(), self._none()
        self._shard = {name: self._whole(check, shard) for name, check in self._checks.items()}

    def finish(self, batch: Sequence[EncodedExample]) -> None:
        """Take note of a batch that is finished; an empty one is one that failed."""
        self.n_finished += len(batch)
        self._under_way = self._none()
        for name, check in self._checks.items():
            self._finished[name] += self._whole(check, batch)
        self.tell()

    @contextmanager
    def stage(self, name: str, batch: Sequence[EncodedExample]) -> Iterator[None]:
        """Within: a stage is under way."""
        self.doing = name
        if name not in self._checks:
            self.tell(now=not batch)  # what comes once a shard, or at the end
            yield
            if name == READING:
                self._n_read = min(self._n_read + len(batch), self._n_before + self._n_shard)
            return
        before = self._under_way[name]
        audited, beside = self._work(self._checks[name], batch)
        here = audited if before == 0 else beside

        def on_part(done: float) -> None:
            self._under_way[name] = before + done * here
            self.tell()

        self._stage_begun = self._clock()
        try:
            with following(on_part):
                yield
        finally:
            self._seconds[name] += self._clock() - self._stage_begun
            self._stage_begun = None
        on_part(1.0)

    def tell(self, *, now: bool = False) -> None:
        """Tell how far everything is, if nothing was told for a while."""
        if now or self._clock() - self._told >= PAUSE:
            self._on_progress(self)
            self._told = self._clock()

    def progress(self, n_examples: int) -> Progress:
        """How far everything is, of so many examples."""
        counts = {"n_finished": self.n_finished, "n_skipped": self.n_skipped}
        return progress_of(self.spent(), self.doing, **counts, n_examples=n_examples)

    def spent(self) -> dict[str, StageTime]:
        """What every check took so far, and under READING all that is done beside them."""
        seconds = dict(self._seconds)
        if self._stage_begun is not None:
            seconds[self.doing] += self._clock() - self._stage_begun
        beside = self._clock() - self._begun - sum(seconds.values())
        found = {READING: StageTime(float(self._n_read), beside)}
        for name, work in self._shard.items():
            done = min(self._finished[name] + self._under_way[name], work) / max(work, 1.0)
            found[name] = StageTime(self._n_before + self._n_shard * done, seconds[name])
        return found

    def _whole(self, check: Check, encoded: Sequence[EncodedExample]) -> float:
        """Its work at all sites."""
        audited, beside = self._work(check, encoded)
        return audited + (len(self._sites) - 1) * beside

    def _work(self, check: Check, encoded: Sequence[EncodedExample]) -> tuple[float, float]:
        """Its work at the audited site, and at each one beside it."""
        known, audited, beside = self._passes[check.id], 0, 0
        for item in encoded:
            key = item.example.id if isinstance(check, Erasure) else item.n_units
            if key not in known:
                first, each = passes_of(check, self._measured_by[check.id], item, self._sites)
                known[key] = max(1, first), each
            audited += known[key][0] * item.n_tokens
            beside += known[key][1] * item.n_tokens
        return float(audited), float(beside)


@dataclass
class Stopwatch:
    """Seconds spent in each stage, by name."""

    seconds: dict[str, float] = field(default_factory=dict)
    meter: Meter | None = None
    """Follows the stages; None: nobody does."""
    costs: Costs = field(default_factory=dict)
    """Of the measures, within the stages of checks."""
    on_stage: Callable[[str], None] = lambda name: None
    """Called when a stage begins that no meter follows."""

    @contextmanager
    def measure(self, name: str, batch: Sequence[EncodedExample] = ()) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        stage = nullcontext() if self.meter is None else self.meter.stage(name, batch)
        try:
            if self.meter is None:
                self.on_stage(name)
            with counting(self.costs), stage:
                yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def timed(self, items: Iterable[Item], name: str) -> Iterator[Item]:
        """The items as they are, with the time that each takes to come added to a stage."""
        iterator = iter(items)
        while True:
            with self.measure(name):
                item = next(iterator, None)
            if item is None:
                return
            yield item
