"""Telling whoever watches how far an audit is: after every stage, and within the long ones."""

import time

from attn_audit.engine.outlook import Outlook
from attn_audit.engine.stopwatch import LoopStep, Stage
from attn_audit.engine.watching import Watcher

PAUSE = 0.2
"""Seconds at least between what is told within a stage: as often as people can read it."""


class Telling:
    """What a stopwatch measures, passed on to an outlook, and its progress to a watcher."""

    def __init__(self, outlook: Outlook, watcher: Watcher) -> None:
        """Nothing is told yet.

        Args:
            outlook: Learns from every stage.
            watcher: Is told what is left.
        """
        self._outlook, self._watcher = outlook, watcher
        self._since = time.perf_counter()

    def tell(self) -> None:
        """Now."""
        if self._watcher.on_progress is not None:
            self._watcher.on_progress(self._outlook.progress())
        self._since = time.perf_counter()

    def measured(self, stage: Stage, seconds: float, n_examples: int) -> None:
        """A stage is done, for that many examples; of reading, for none."""
        self._outlook.measured(stage, seconds, n_examples)
        if n_examples:
            self.tell()

    def step(self, step: LoopStep) -> None:
        """A stage is under way; this is told if nothing was for a while."""
        if self._watcher.on_progress is None:
            return
        self._outlook.step(step)
        if time.perf_counter() - self._since >= PAUSE:
            self.tell()
