"""How much of a batch is done, stage by stage."""

from dataclasses import dataclass, field

from attn_audit.engine.batch import READING
from attn_audit.engine.cost import Shape
from attn_audit.engine.stopwatch import LoopStep, Stage


@dataclass(frozen=True)
class _Loop:
    """The search of a stage that is under way, whose steps take as long each."""

    first: LoopStep
    """That was told."""
    now: LoopStep

    @property
    def left(self) -> float | None:
        """Seconds; None where only its first step was told."""
        n_seen = self.now.n_done - self.first.n_done
        if n_seen == 0:
            return None
        seconds = self.now.seconds - self.first.seconds
        return seconds / n_seen * (self.now.n_steps - self.now.n_done)


@dataclass
class BegunBatch:
    """A batch that is being audited."""

    shape: Shape
    n_examples: int
    spent: dict[Stage, float] = field(default_factory=dict)
    n_measured: dict[Stage, int] = field(default_factory=dict)
    finished: set[Stage] = field(default_factory=set)
    loop: _Loop | None = None
    """That is under way."""

    def add(self, stage: Stage, seconds: float, n_examples: int) -> list[Stage]:
        """Note what was done of a stage; the stages that are finished with it."""
        self.loop = None
        self.spent[stage] = self.spent.get(stage, 0.0) + seconds
        self.n_measured[stage] = self.n_measured.get(stage, 0) + n_examples
        ended = [Stage(READING)] if n_examples else []  # it comes before all checks
        if self.n_measured[stage] >= self.n_examples:
            ended.append(stage)
        ended = [each for each in ended if each not in self.finished]
        self.finished.update(ended)
        return ended

    def at(self, step: LoopStep) -> None:
        """Note how far the stage that is under way is; of every step, to see where loops begin."""
        if self.loop is None or step.n_done <= self.loop.now.n_done:
            self.loop = _Loop(step, step)
        else:
            self.loop = _Loop(self.loop.first, step)

    def left(self, stage: Stage, expected: float) -> float:
        """Seconds of a stage that are left, of those that all of it is expected to take."""
        if stage in self.finished:
            return 0.0
        spent = self.spent.get(stage, 0.0)
        if self.loop is None or self.loop.now.stage != stage:
            return max(0.0, expected - spent)
        if self.loop.left is None:
            return max(0.0, expected - spent - self.loop.now.seconds)
        done = self.n_measured.get(stage, 0) + self.loop.now.n_examples
        return self.loop.left + expected * max(0.0, 1 - done / self.n_examples)
