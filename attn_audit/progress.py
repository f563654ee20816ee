"""How far long work is: in portions that tell it, and as whoever watches an audit sees it.

What is computed does not depend on it, and where nobody follows it costs nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

READING = "reading attention"
"""The stage of an audit that is none of its checks."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """How far one check is."""

    name: str
    n_finished: float
    """Examples, with what is done of those that are under way."""
    per_second: float | None
    """Examples, while this check computes; None where none of it was seen yet."""
    seconds_left: float | None
    """At that rate; None too where nobody knows how many examples there are."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an audit is."""

    n_finished: int
    """Examples, of all checks."""
    n_examples: int | None
    """Of all there are; None where they cannot be counted before they are read."""
    doing: str = ""
    """What is under way: a check, or `reading data`, `summing up`, ..."""
    checks: tuple[CheckProgress, ...] = ()
    seconds_left: float | None = None
    """Of all checks together, with what is done beside them; None where that is not known."""


@dataclass(frozen=True)
class Watcher:
    """Whom a run tells how it goes."""

    on_progress: Callable[[Progress], None] | None = None
    """Called when a shard is finished, and meanwhile every half second in which some part
    of a check was. None: nobody wants to know, and nothing is counted for it."""
    on_note: Callable[[str], None] = lambda note: None
    """Called with a sentence that somebody should read."""
    on_cost: Callable[[str], None] = lambda cost: None
    """Called with what a costly audit will take, before it starts."""


class _Work:
    """What is done of a piece of work, from 0 to 1, and where the part that is under way ends."""

    def __init__(self, on_part: Callable[[float], None]) -> None:
        self.on_part, self.done, self.end = on_part, 0.0, 1.0


_followed: ContextVar[_Work | None] = ContextVar("followed", default=None)


@contextmanager
def following(on_part: Callable[[float], None]) -> Iterator[None]:
    """Within: a piece of work whose parts are told.

    Args:
        on_part: Called with what is done, from 0 to 1, inside the loops: it must be quick.
    """
    token = _followed.set(_Work(on_part))
    try:
        yield
    finally:
        _followed.reset(token)


@contextmanager
def part(share: float) -> Iterator[None]:
    """Within: so much of what is left of the work, or of the part of it that this is in.

    Example:
        >>> with following(lambda done: print(done)):
        ...     with part(1 / 2):
        ...         for item in portions("ab"):
        ...             print(item)
        ...     with part(1 / 2):
        ...         pass
        a
        0.25
        b
        0.5
        0.5
        0.75
    """
    work = _followed.get()
    if work is None:
        yield
        return
    end = work.end
    work.end = work.done + share * (end - work.done)
    try:
        yield
        work.done = work.end
    finally:
        work.end = end
    work.on_part(work.done)


def in_portions(n: int, size: int) -> Iterator[slice]:
    """Where each portion of so many items lies, each a part of the work.

    Example:
        >>> [range(7)[portion] for portion in in_portions(7, 3)]
        [range(0, 3), range(3, 6), range(6, 7)]
    """
    for start in portions(range(0, n, size)):
        yield slice(start, min(start + size, n))


def portions(items: Sequence[Item], sizes: Sequence[int] | None = None) -> Iterator[Item]:
    """The items one after the other, each a part of the work.

    Args:
        items: What the work consists of.
        sizes: How much of it each is, in any unit; None: all the same.
    """
    if _followed.get() is None:
        yield from items
        return
    left = [1] * len(items) if sizes is None else sizes
    for i, item in enumerate(items):
        with part(left[i] / (sum(left[i:]) or 1)):
            yield item
