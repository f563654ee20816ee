"""What a HuggingFace configuration announces, held against the weights that are really there.

Whatever is announced and not in the files would be made, and asks for memory: it is refused as soon
as it is announced.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from attn_audit.data.quoting import quoted
from attn_audit.errors import UnreadableCheckpointError
from attn_audit.models.huggingface.locating import Checkpoint

MAX_LAYERS, MAX_LABELS = 10_000, 10**6
"""The deepest transformers have 1,000 layers, the largest label sets some 100,000."""

PER_BYTE, ALWAYS_ALLOWED = 8, 2**24
"""Numbers for each byte of the files, where weights are packed to one bit each; and 16 million
beside them, for tables that no file holds."""

MAX_TENSORS = 200_000


def require_possible(location: str, content: Mapping[str, Any]) -> None:
    """Refuse what makes a configuration itself, or a model without weights, fill all memory.

    Args:
        location: The model, as the user wrote it.
        content: Of its `config.json`.

    Raises:
        UnreadableCheckpointError: More layers or labels than any model has.
    """
    for key, value in _numbers(content):
        limit = MAX_LABELS if "num_labels" in key else MAX_LAYERS if "layer" in key else None
        if limit is not None and value > limit:
            problem = f"its config.json announces {value} as {quoted(key)}, more than {limit:,}"
            raise UnreadableCheckpointError(location, problem)


def _numbers(content: Any) -> Iterator[tuple[str, float]]:
    """Every number that has a name, at any depth that the JSON library reads."""
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from ((k, v) for k, v in part.items() if isinstance(v, (int, float)))
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


@contextmanager
def bounded(announcing: str, checkpoint: Checkpoint, *others: Checkpoint) -> Iterator[None]:
    """Count what every module made within asks for, and refuse more than the files can hold.

    Args:
        announcing: The file that says what is made.
        checkpoint: Where it lies, with its weights.
        others: Those that it builds on.

    Raises:
        UnreadableCheckpointError: The configuration announces far more than there is.
    """
    folders = {each.folder for each in (checkpoint, *others)}
    files = [file for folder in folders for file in folder.glob("*.safetensors")]
    n_bytes = sum(file.stat().st_size for file in files)
    left = {"numbers": PER_BYTE * n_bytes + ALWAYS_ALLOWED, "tensors": MAX_TENSORS}

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        if tensor is None:
            return
        left["numbers"] -= tensor.numel()
        left["tensors"] -= 1
        short = next((kind for kind, n in left.items() if n < 0), None)
        if short is not None:
            raise UnreadableCheckpointError(
                checkpoint.location,
                f"its {announcing} announces more {short} than its {n_bytes:,} bytes of weights "
                f"can hold: {type(module).__name__}.{name} of shape {tuple(tensor.shape)}",
            )

    hooks = [
        register_module_parameter_registration_hook(count),
        register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
