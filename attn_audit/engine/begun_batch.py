"""How much of a batch is done, stage by stage."""

from dataclasses import dataclass, field

from attn_audit.engine.batch import READING
from attn_audit.engine.cost import Shape
from attn_audit.engine.stopwatch import LoopStep


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
    n_measurements: int
    """Of each check: one for every example at every site."""
    spent: dict[str, float] = field(default_factory=dict)
    n_measured: dict[str, int] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    loop: _Loop | None = None
    """That is under way."""
    stepping: set[str] = field(default_factory=set)
    """Stages that tell of their steps: they take as long at each site."""

    def add(self, stage: str, seconds: float, n_examples: int) -> list[str]:
        """Note what was done of a stage; the stages that are finished with it."""
        self.loop = None
        self.spent[stage] = self.spent.get(stage, 0.0) + seconds
        self.n_measured[stage] = self.n_measured.get(stage, 0) + n_examples
        ended = [READING] if n_examples else []  # it comes before all checks
        if self.n_measured[stage] >= self.n_measurements:
            ended.append(stage)
        ended = [name for name in ended if name not in self.finished]
        self.finished.update(ended)
        return ended

    def at(self, step: LoopStep) -> None:
        """Note how far the stage that is under way is; of every step, to see where loops begin."""
        self.stepping.add(step.stage)
        if self.loop is None or step.n_done <= self.loop.now.n_done:
            self.loop = _Loop(step, step)
        else:
            self.loop = _Loop(self.loop.first, step)

    def left(self, stage: str, expected: float) -> float:
        """Seconds of a stage that are left, of those that all of it is expected to take."""
        if stage in self.finished:
            return 0.0
        spent, done = self.spent.get(stage, 0.0), self.n_measured.get(stage, 0)
        if stage not in self.stepping:
            return max(0.0, expected - spent)
        each = spent / done if done else expected / self.n_measurements
        later = self.n_measurements - done
        if self.loop is None or self.loop.now.stage != stage:
            return each * max(0, later)
        now, left = self.loop.now, self.loop.left
        if left is None:
            left = max(0.0, each * now.n_examples - now.seconds)
        return left + each * max(0, later - now.n_examples)
