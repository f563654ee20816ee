"""How much of an audit is left, in seconds."""

from collections import deque
from collections.abc import Sequence

from attn_audit.data.batching import length_batches
from attn_audit.engine.cost import Shape, fit_cost
from attn_audit.engine.plan import Plan
from attn_audit.engine.watching import Progress
from attn_audit.models.base import Encoded

N_REMEMBERED = 100
"""Batches that the cost is learnt from: the last ones, since machines get slower and faster."""

MIN_MEASURED = 2
"""Batches before anything is said: one, the longest, does not show how time grows with length."""


class Outlook:
    """Learns from every finished batch what those that are left will take.

    Batches differ much in length, so that neither their number nor that of their examples says how
    much of the work is done.
    """

    def __init__(self, plan: Plan, sizes: Sequence[int] | None) -> None:
        """Nothing is done yet.

        Args:
            plan: Says how large shards and batches are.
            sizes: Characters of each example, in order; None where that is not known.
        """
        self._plan, self._sizes = plan, sizes
        self._n_begun = self._n_finished = 0
        self._later = Shape()
        self._measured: deque[tuple[Shape, float]] = deque(maxlen=N_REMEMBERED)
        self._tokens = self._characters = 0

    def skip(self, n_examples: int) -> None:
        """Examples that are finished without being audited now.

        Args:
            n_examples: The next ones.
        """
        self._n_begun += n_examples
        self._n_finished += n_examples

    def take_back(self, n_examples: int) -> None:
        """Examples that were finished and will be audited once more.

        Args:
            n_examples: Of the shard that was begun last.
        """
        self._n_finished -= n_examples

    def begin(self, shard: Sequence[Encoded], n_failed: int = 0) -> None:
        """Take note of a shard, and of what is left behind it.

        Args:
            shard: Encoded.
            n_failed: Examples of it that could not be.
        """
        self._n_finished += n_failed
        if self._sizes is None:
            return
        begun = self._n_begun + len(shard) + n_failed
        self._tokens += sum(item.n_tokens for item in shard)
        self._characters += sum(self._sizes[self._n_begun : begun])
        self._n_begun = begun
        ratio = self._tokens / max(1, self._characters)
        rest = [max(1, round(size * ratio)) for size in self._sizes[begun:]]
        self._later = Shape()
        for start in range(0, len(rest), self._plan.shard_size):
            self._later += self._shape(rest[start : start + self._plan.shard_size])

    def finish(
        self, batch: Sequence[Encoded], seconds: float, waiting: Sequence[Sequence[Encoded]]
    ) -> Progress:
        """Learn from a batch.

        Args:
            batch: That is finished.
            seconds: What it took.
            waiting: The batches of its shard that are not.
        """
        self._n_finished += len(batch)
        self._measured.append((_shape_of(batch), seconds))
        if self._sizes is None:
            return Progress(self._n_finished, None, None)
        left = sum((_shape_of(other) for other in waiting), start=self._later)
        seconds_left = None
        if left.n_batches == 0 or len(self._measured) >= MIN_MEASURED:
            seconds_left = fit_cost(*zip(*self._measured, strict=True)).seconds(left)
        return Progress(self._n_finished, len(self._sizes), seconds_left)

    def _shape(self, lengths: Sequence[int]) -> Shape:
        limits = self._plan.limits
        batches = length_batches(lengths, limits.n_examples, limits.n_tokens)
        parts = (Shape.of(lengths[i] for i in batch) for batch in batches)
        return sum(parts, start=Shape())


def _shape_of(batch: Sequence[Encoded]) -> Shape:
    return Shape.of(item.n_tokens for item in batch)
