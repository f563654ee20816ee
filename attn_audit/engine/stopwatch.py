"""Where an audit's time goes."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")


@dataclass
class Stopwatch:
    """Seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=dict)
    _listener: Callable[[str, float, int], None] | None = None

    @contextmanager
    def measure(self, stage: str, n_examples: int = 0) -> Iterator[None]:
        """Add the time spent inside to a stage.

        Args:
            stage: Of any name.
            n_examples: For which the stage is then done, at one site.
        """
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent
        if self._listener is not None:
            self._listener(stage, spent, n_examples)

    @contextmanager
    def told(self, listener: Callable[[str, float, int], None]) -> Iterator[None]:
        """Within: what is measured is told, too.

        Args:
            listener: Called with a stage, its seconds, and its examples.
        """
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    def timed(self, items: Iterable[Item], stage: str) -> Iterator[Item]:
        """The items as they are, with the time that each takes to come added to a stage."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                item = next(iterator, None)
            if item is None:
                return
            yield item
