"""What can be seen of an audit while it runs."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an audit is."""

    n_finished: int
    """Examples."""
    n_examples: int | None
    """Of all there are; None where they cannot be counted before they are read."""
    seconds_left: float | None
    """As the finished batches and the steps of a search let expect; None where that cannot be said:
    too few are finished, or the data was not counted."""


@dataclass(frozen=True)
class Watcher:
    """Whom a run tells how it goes."""

    on_progress: Callable[[Progress], None] | None = None
    """Called after every check of every batch and after every shard, and within a search every 0.2
    seconds. None: nobody wants to know, and nothing is counted for it."""
    on_note: Callable[[str], None] = lambda note: None
    """Called with a sentence that somebody should read."""
