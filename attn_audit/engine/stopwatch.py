"""Where an audit's time goes."""

import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from attn_audit.models.base import Site
from attn_audit.steps import listening_to_steps

Item = TypeVar("Item")


class Stage(NamedTuple):
    """What is timed by itself."""

    name: str
    site: Site | None = None
    """Where a check measures; None for what is done once for all sites."""


@dataclass(frozen=True, slots=True)
class LoopStep:
    """What is done of a long loop, in a stage that is under way."""

    stage: Stage
    seconds: float
    """Since the stage began."""
    n_examples: int
    """For which the stage will be done."""
    n_done: int
    n_steps: int


@runtime_checkable
class Listener(Protocol):
    """Whom a stopwatch tells what it measures."""

    def measured(self, stage: Stage, seconds: float, n_examples: int) -> None:
        """A stage is done, for that many examples."""
        ...

    def step(self, step: LoopStep) -> None:
        """A stage is under way."""
        ...


@dataclass
class Stopwatch:
    """Seconds spent in each stage."""

    by_stage: dict[Stage, float] = field(default_factory=dict)
    _listener: Listener | None = None

    @property
    def seconds(self) -> dict[str, float]:
        """By name: at all sites together."""
        seconds: dict[str, float] = {}
        for stage, spent in self.by_stage.items():
            seconds[stage.name] = seconds.get(stage.name, 0.0) + spent
        return seconds

    @contextmanager
    def measure(self, name: str, n_examples: int = 0, site: Site | None = None) -> Iterator[None]:
        """Add the time spent inside to a stage.

        Args:
            name: Any.
            n_examples: For which the stage is then done.
            site: Where.
        """
        start, listener, stage = time.perf_counter(), self._listener, Stage(name, site)
        try:
            with _steps_told(listener, stage, n_examples, start):
                yield
        finally:
            spent = time.perf_counter() - start
            self.by_stage[stage] = self.by_stage.get(stage, 0.0) + spent
        if listener is not None:
            listener.measured(stage, spent, n_examples)

    @contextmanager
    def told(self, listener: Listener) -> Iterator[None]:
        """Within: what is measured is told, too.

        Args:
            listener: Whom.
        """
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    def timed(self, items: Iterable[Item], name: str) -> Iterator[Item]:
        """The items as they are, with the time that each takes to come added to a stage."""
        iterator = iter(items)
        while True:
            with self.measure(name):
                item = next(iterator, None)
            if item is None:
                return
            yield item


def _steps_told(
    listener: Listener | None, stage: Stage, n_examples: int, start: float
) -> AbstractContextManager[None]:
    """Within: whoever listens, if anybody does, hears of the steps of a stage."""
    if listener is None:
        return nullcontext()

    def on_step(n_done: int, n_steps: int) -> None:
        spent = time.perf_counter() - start
        listener.step(LoopStep(stage, spent, n_examples, n_done, n_steps))

    return listening_to_steps(on_step)
