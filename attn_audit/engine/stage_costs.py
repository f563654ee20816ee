"""What each stage of a batch costs: as a few examples let expect, then as batches have shown."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from attn_audit.engine.cost import Cost, Shape, fit_cost
from attn_audit.engine.stopwatch import Stage

N_REMEMBERED = 100
"""Batches that a cost is learnt from: the last ones, since machines get slower and faster."""

N_CONVINCING = 3
"""Batches after which the examples that were tried before them are forgotten."""


@dataclass
class _Known:
    tried: list[tuple[Shape, float]] = field(default_factory=list)
    measured: deque[tuple[Shape, float]] = field(default_factory=lambda: deque(maxlen=N_REMEMBERED))
    cost: Cost | None = None
    """None: it has to be found anew."""

    def seconds(self, shape: Shape) -> float:
        if self.cost is None:
            self.cost = self._fit()
        return self.cost.seconds(shape)

    def _fit(self) -> Cost:
        tried = self.tried if len(self.measured) < N_CONVINCING else []
        cost = fit_cost(*zip(*tried, *self.measured, strict=True))
        expected = sum(cost.seconds(shape) for shape, _ in self.measured)
        if expected <= 0:
            return cost
        return cost.times(sum(seconds for _, seconds in self.measured) / expected)


class StageCosts:
    """The cost of every stage, each affine in what its batches are made of (`Shape`).

    How a cost grows is learnt from the examples that were tried and the batches that are finished;
    how high it is, from the batches alone once there are any, because a few examples take longer
    each than many. Of costs that are affine both are exact.
    """

    def __init__(self, stages: Iterable[Stage]) -> None:
        """Nothing is known yet.

        Args:
            stages: All there are.
        """
        self._known = {stage: _Known() for stage in stages}

    def expect(self, shape: Shape, seconds: Mapping[Stage, float]) -> None:
        """Take note of a few examples that were tried.

        Args:
            shape: Of the batch that they made.
            seconds: What each stage that was tried took.
        """
        for stage, spent in seconds.items():
            known = self._known[stage]
            known.tried.append((shape, spent))
            known.cost = None

    def learn(self, stage: Stage, shape: Shape, seconds: float) -> None:
        """Take note of a batch.

        Args:
            stage: That is finished.
            shape: Of the batch.
            seconds: What the stage took.
        """
        known = self._known[stage]
        known.measured.append((shape, seconds))
        known.cost = None

    def seconds(self, stage: Stage, shape: Shape) -> float | None:
        """What a stage will take.

        Args:
            stage: Any.
            shape: Of one batch, or of many together.

        Returns:
            None where nothing is known of it.
        """
        known = self._known[stage]
        if not known.tried and not known.measured:
            return None
        return known.seconds(shape)
