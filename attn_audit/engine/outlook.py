"""How much of an audit is left, in seconds."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from attn_audit.data.batching import length_batches
from attn_audit.engine.batch import READING
from attn_audit.engine.begun_batch import BegunBatch
from attn_audit.engine.cost import Shape
from attn_audit.engine.plan import Plan
from attn_audit.engine.stage_costs import StageCosts
from attn_audit.engine.stopwatch import LoopStep, Stage
from attn_audit.engine.watching import Progress
from attn_audit.models.base import Encoded

ROWS = Stage("rows")
"""What a batch takes beside its other stages: mostly making its records."""


@dataclass(frozen=True)
class Afterwards:
    """What comes after the batches."""

    per_example: float = 0.0
    """Seconds of keeping the records of one."""
    at_the_end: float = 0.0
    """Seconds of summing up all."""


class Outlook:
    """Time left = stages of batches that are not finished + keeping records + summing up.

    Every stage of a batch (reading attention, each check at each site, making rows) has a cost of
    its own, which is affine in the batch's shape and learnt from every finished stage of every
    batch (`StageCosts`). A stage that is under way has left what it costs less what it took, or
    where it tells of its steps, what these still take. To this is added what later shards take to
    be read and encoded, by their characters, and what comes afterwards. What was spent before the
    first batch is in none of it.
    """

    def __init__(
        self,
        plan: Plan,
        sizes: Sequence[int] | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Nothing is done yet.

        Args:
            plan: Says what is computed, and how large shards and batches are.
            sizes: Characters of each example, in order; None where that is not known.
            clock: Seconds since any moment.
        """
        self._plan, self._sizes, self._clock = plan, sizes, clock
        self._stages = _stages(plan)
        self._costs = StageCosts(self._stages)
        self._afterwards = Afterwards()
        self._since = clock()
        self._n_begun = self._n_finished = self._n_recorded = 0
        self._later, self._waiting, self._batch = Shape(), Shape(), BegunBatch(Shape(), 0)
        self._tokens = self._characters = self._characters_later = 0
        self._encoding = self._recording = 0.0
        self._n_timed_records = 0

    def skip(self, n_examples: int) -> None:
        """Examples that are finished without being audited now.

        Args:
            n_examples: The next ones.
        """
        self._n_begun += n_examples
        self._n_finished += n_examples
        self._n_recorded += n_examples

    def expect(self, batch: Sequence[Encoded], seconds: Mapping[Stage, float]) -> None:
        """Learn from a few examples that are only tried.

        Args:
            batch: That they made.
            seconds: What each stage took of it.
        """
        self._costs.expect(_shape_of(batch), seconds)

    def expect_afterwards(self, afterwards: Afterwards) -> None:
        """Take note of what comes after the batches."""
        self._afterwards = afterwards

    def begin(self, shard: Sequence[Encoded], n_failed: int = 0) -> None:
        """Take note of a shard that was just encoded, and of what is left behind it.

        Args:
            shard: Encoded.
            n_failed: Examples of it that could not be.
        """
        self._encoding += self._lap()
        self._n_finished += n_failed
        if self._sizes is None:
            return
        begun = self._n_begun + len(shard) + n_failed
        self._tokens += sum(item.n_tokens for item in shard)
        self._characters += sum(self._sizes[self._n_begun : begun])
        self._characters_later = sum(self._sizes[begun:])
        self._n_begun = begun
        ratio = self._tokens / max(1, self._characters)
        rest = [max(1, round(size * ratio)) for size in self._sizes[begun:]]
        self._waiting, self._later = self._shape([item.n_tokens for item in shard]), Shape()
        for start in range(0, len(rest), self._plan.shard_size):
            self._later += self._shape(rest[start : start + self._plan.shard_size])

    def start(self, batch: Sequence[Encoded], behind: Shape) -> None:
        """Take note of a batch.

        Args:
            batch: That is about to be audited.
            behind: Of the batches of its shard that come after it.
        """
        self._batch = BegunBatch(_shape_of(batch), len(batch))
        self._waiting = behind
        self._lap()

    def measured(self, stage: Stage, seconds: float, n_examples: int) -> None:
        """Learn from what was done of a batch.

        Args:
            stage: Reading attention, or a check at a site.
            seconds: What it took.
            n_examples: For which it is done; 0 for reading.
        """
        for ended in self._batch.add(stage, seconds, n_examples):
            self._costs.learn(ended, self._batch.shape, self._batch.spent[ended])

    def step(self, step: LoopStep) -> None:
        """Learn from a stage that is under way.

        Args:
            step: Of a loop that takes most of it. All are needed.
        """
        self._batch.at(step)

    def finish(self) -> None:
        """Learn from the batch that was begun last."""
        batch, seconds = self._batch, self._lap()
        self._n_finished += batch.n_examples
        rows = max(0.0, seconds - sum(batch.spent.values()))
        self._costs.learn(ROWS, batch.shape, rows)
        self._batch = BegunBatch(Shape(), 0)

    def recorded(self, n_examples: int) -> None:
        """Learn from a shard whose records were kept since its last batch was finished.

        Args:
            n_examples: Of the shard.
        """
        self._recording += self._lap()
        self._n_timed_records += n_examples
        self._n_recorded += n_examples

    def progress(self) -> Progress:
        """How far the audit is; no time is said before something is known of every stage."""
        if self._sizes is None:
            return Progress(self._n_finished, None, None)
        return Progress(self._n_finished, len(self._sizes), self._seconds_left(len(self._sizes)))

    def _seconds_left(self, n_examples: int) -> float | None:
        behind = [self._costs.seconds(stage, self._waiting + self._later) for stage in self._stages]
        begun = [self._left_of_batch(stage) for stage in self._stages]
        known = [seconds for seconds in (*behind, *begun) if seconds is not None]
        if len(known) < len(behind) + len(begun):
            return None
        encoding = self._encoding * self._characters_later / max(1, self._characters)
        return sum(known) + encoding + self._left_afterwards(n_examples)

    def _left_of_batch(self, stage: Stage) -> float | None:
        seconds = self._costs.seconds(stage, self._batch.shape)
        return None if seconds is None else self._batch.left(stage, seconds)

    def _left_afterwards(self, n_examples: int) -> float:
        per_example = self._afterwards.per_example
        if self._n_timed_records:
            per_example = self._recording / self._n_timed_records
        n_left = n_examples - self._n_recorded
        return n_left * per_example + self._afterwards.at_the_end

    def _lap(self) -> float:
        """Seconds since this was last asked."""
        before, self._since = self._since, self._clock()
        return self._since - before

    def _shape(self, lengths: Sequence[int]) -> Shape:
        limits = self._plan.limits
        batches = length_batches(lengths, limits.n_examples, limits.n_tokens)
        parts = (Shape.of(lengths[i] for i in batch) for batch in batches)
        return sum(parts, start=Shape())


def _stages(plan: Plan) -> tuple[Stage, ...]:
    sites = dict.fromkeys(plan.sites)
    checks = (Stage(check.id, site) for site in sites for check in plan.checks)
    return (Stage(READING), *checks, ROWS)


def _shape_of(batch: Sequence[Encoded]) -> Shape:
    return Shape.of(item.n_tokens for item in batch)
