"""How the process computes: with which precision and threads, and when it looks for garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_precision(n_threads: int | None) -> Iterator[None]:
    """Compute with that many threads and in full precision, and leave the process as it was.

    A GPU would by default run recurrent networks and convolutions in TF32, whose 10 bits are too
    few for the small differences that importance is made of.

    Args:
        n_threads: None: as many as there are already.
    """
    import torch

    threads, tf32 = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = tf32


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect nothing meanwhile, and move all objects to the oldest generation afterwards.

    Whether garbage is collected, and what is frozen, are as they were.

    Importing large libraries makes so many functions and classes, all of them to stay, that looking
    through them again and again takes a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            _age()
            gc.enable()


def _age() -> None:
    """Move all objects to the oldest generation without looking through them twice on the way.

    Nothing is left frozen; where the caller froze something, it stays frozen and all stays young.
    """
    if gc.get_freeze_count() == 0:
        gc.freeze()
        gc.unfreeze()
