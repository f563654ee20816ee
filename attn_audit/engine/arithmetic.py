"""How numbers are computed during an audit."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision(n_threads: int | None) -> Iterator[None]:
    """Compute with that many threads and in full precision, and leave the process as it was.

    A GPU would by default run recurrent networks and convolutions in TF32, whose 10 bits are too
    few for the small differences that importance is made of.

    Args:
        n_threads: None: as many as there are already.
    """
    threads, tf32 = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    if n_threads is not None:
        torch.set_num_threads(n_threads)
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = tf32
