"""Python's garbage collector, kept from what cannot be garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect nothing meanwhile; all as it was afterwards.

    Importing `transformers` makes so many functions and classes, all of them to stay, that looking
    through them again and again takes a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
