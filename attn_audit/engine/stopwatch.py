"""Where an audit's time goes."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

Item = TypeVar("Item")


@dataclass
class Stopwatch:
    """Seconds spent in each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent

    def timed(self, items: Iterable[Item], stage: str) -> Iterator[Item]:
        """The items as they are, with the time that each takes to come added to a stage."""
        iterator = iter(items)
        while True:
            with self.measure(stage):
                item = next(iterator, None)
            if item is None:
                return
            yield item
