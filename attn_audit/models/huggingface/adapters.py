"""PEFT adapters: a few weights that change those of a base model."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from attn_audit.errors import UnreadableCheckpointError, UnsupportedModelError
from attn_audit.models.huggingface.configuration import read_json
from attn_audit.models.huggingface.failures import loading
from attn_audit.models.huggingface.locating import Checkpoint, locate
from attn_audit.models.huggingface.weights import WEIGHTS, require_safetensors

ADAPTER = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"


def base_of(checkpoint: Checkpoint) -> Checkpoint:
    """The model that an adapter changes; where the checkpoint is no adapter, itself.

    Args:
        checkpoint: What the user named.

    Raises:
        CheckpointError: The adapter or its base is not there or cannot be read.
        UnsupportedModelError: `peft` is not installed.
    """
    if not checkpoint.holds(ADAPTER_CONFIG):
        return checkpoint
    if find_spec("peft") is None:
        raise UnsupportedModelError(
            f"{checkpoint.location} is a PEFT adapter, and the package peft is not installed",
            hint="Run pip install peft, or merge the adapter into its model and save that.",
        )
    require_safetensors(checkpoint, ADAPTER, "adapter_model.bin")
    if checkpoint.holds(WEIGHTS):
        return checkpoint
    written = read_json(checkpoint, ADAPTER_CONFIG)
    base = written.get("base_model_name_or_path")
    if not isinstance(base, str):
        raise UnreadableCheckpointError(
            checkpoint.location, f"its {ADAPTER_CONFIG} names no base_model_name_or_path"
        )
    revision = None if Path(base).is_dir() else written.get("revision")
    return locate(base, revision, checkpoint.runs_code)


def adapt(module: nn.Module, checkpoint: Checkpoint, missing: set[str]) -> set[str]:
    """Load an adapter into its base model.

    Args:
        module: The base model, changed in place.
        checkpoint: The adapter's files.
        missing: Weights that the base model's files lack.

    Returns:
        Those that the adapter does not bring either.
    """
    from safetensors import safe_open

    model: Any = module
    with loading(checkpoint.location, "its adapter"):
        model.load_adapter(str(checkpoint.folder))
        with safe_open(checkpoint.folder / ADAPTER, framework="pt") as weights:
            brought = [f".{name}" for name in weights.keys()]  # noqa: SIM118 - it is no dictionary
    return {name for name in missing if not any(key.endswith(f".{name}") for key in brought)}
