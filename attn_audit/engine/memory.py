"""How much memory is used, and how it shows that there was too little."""

import gc
import re
from pathlib import Path

CLEAR_REFS, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
"""Linux: writing 5 to the first restarts the peak that the second shows."""

_SIGNS = ("can't allocate memory", "not enough memory", "ALLOC_FAILED")
"""What torch's allocator and CUDA's libraries say in errors that have no type of their own."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was not enough.

    Python and a GPU's allocator say so by type, all others in words.

    Args:
        error: Any error.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def restart_peak(device: str) -> None:
    """Begin to measure the largest use of memory anew.

    Args:
        device: `cpu` or `cuda`.
    """
    if device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
    elif CLEAR_REFS.exists():
        CLEAR_REFS.write_text("5")


def used_memory(device: str, *, peak: bool = False) -> int | None:
    """Bytes of the device's memory that this process uses.

    Args:
        device: `cpu` or `cuda`.
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
