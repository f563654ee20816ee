"""The process: its precision, threads, garbage and memory, and how too little of that shows."""

import gc
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def full_precision(n_threads: int | None) -> Iterator[None]:
    """Compute with that many threads and in full precision, and leave the process as it was.

    A GPU would by default run recurrent networks and convolutions in TF32, whose 10 bits are too
    few for the small differences that importance is made of.
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
    """Collect nothing meanwhile, and move what was imported to the oldest generation afterwards.

    Whether garbage is collected, and what is frozen, are as they were.

    Importing large libraries makes so many functions and classes, and reading a report so many
    values, all of them to stay, that looking through them again and again takes a fifth of the
    time.
    """
    was_enabled, n_modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            is_imported = len(sys.modules) > n_modules  # nothing else is worth the count
            if is_imported and gc.get_freeze_count() == 0:  # what the caller froze stays frozen
                gc.freeze()
                gc.unfreeze()
            gc.enable()


CLEAR_REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
"""Linux: writing 5 to the first restarts the peak that the second shows."""

_SIGNS = ("can't allocate memory", "not enough memory", "ALLOC_FAILED")
"""What torch's allocator and CUDA's libraries say in errors that have no type of their own."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was not enough.

    Python and a GPU's allocator say so by type, all others in words.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def restart_peak(device: str) -> None:
    """Begin to measure the largest use of memory anew."""
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
    elif CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")


def used_memory(device: str, *, peak: bool = False) -> int | None:
    """Bytes of the device's memory that this process uses.

    Args:
        peak: The most since `restart_peak`, not those of now.

    Returns:
        None on systems that do not tell.
    """
    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() if peak else torch.cuda.memory_allocated()
    if not CLEAR_REFS.exists():
        return None
    found = re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+) kB", STATUS.read_text())
    return None if found is None else int(found.group(1)) * 1024


def release_memory() -> None:
    """Give back what a failed computation has left behind."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
