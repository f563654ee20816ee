"""Long loops tell how far they are to whoever listens, without an argument in every call between.

What they compute does not depend on it, and where nobody listens it costs nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

OnStep = Callable[[int, int], None]
"""Called with the steps of a loop that are done, and with how many there are."""

_listener: ContextVar[OnStep | None] = ContextVar("listener", default=None)


@contextmanager
def listening_to_steps(on_step: OnStep) -> Iterator[None]:
    """Within: every step of a loop over `told_steps` is told.

    Args:
        on_step: Is called after each, inside the loop: it must be quick.
    """
    token = _listener.set(on_step)
    try:
        yield
    finally:
        _listener.reset(token)


def told_steps(n_steps: int) -> Iterator[int]:
    """As `range`, and after each step whoever listens is told.

    Args:
        n_steps: Of the loop.

    Example:
        >>> with listening_to_steps(lambda done, of: print(f"{done} of {of}")):
        ...     for step in told_steps(2):
        ...         print(f"step {step}")
        step 0
        1 of 2
        step 1
        2 of 2
    """
    on_step = _listener.get()
    if on_step is None:
        yield from range(n_steps)
        return
    for step in range(n_steps):
        yield step
        on_step(step + 1, n_steps)
