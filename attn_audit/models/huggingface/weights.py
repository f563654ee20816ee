"""A model's weights: there, complete, of the right shapes, and finite."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from attn_audit.errors import InvalidWeightsError, UnreadableCheckpointError, UnsupportedModelError
from attn_audit.models.huggingface.configuration import (
    CLASSIFIER,
    CONFIG,
    Head,
    LoadingOptions,
    bounded,
    read_json,
)
from attn_audit.models.huggingface.hub import Checkpoint, loading
from attn_audit.models.weight_names import mismatch
from attn_audit.quoting import listed, quoted

WEIGHTS = "model*.safetensors"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"

NO_ADAPTER: Mapping[str, Any] = {"subfolder": "no adapter", "local_files_only": True}
"""Where `transformers` is to look for an adapter: it would load what fits, and go on; and it would
ask the hub for one again, whose files are all here."""


def require_safetensors(checkpoint: Checkpoint, safe: str, pickled: str) -> None:
    """Refuse weights that are a pickle or are not there.

    Raises:
        UnreadableCheckpointError: There is no file of weights that can be loaded.
    """
    if checkpoint.holds(safe):
        return
    if checkpoint.holds(pickled):
        raise UnreadableCheckpointError(
            checkpoint.location,
            f"its weights are a pickle ({pickled.replace('*', '')}), which can run code: only "
            "safetensors are loaded",
            hint="If you trust it, load it with transformers and save it again: "
            "save_pretrained writes safetensors.",
        )
    raise UnreadableCheckpointError(
        checkpoint.location, f"it holds no weights ({safe.replace('*', '')})"
    )


def load_weights(
    checkpoint: Checkpoint, config: Any, options: LoadingOptions, replaced: Collection[str] = ()
) -> tuple[nn.Module, set[str]]:
    """Build the module and load its weights.

    Args:
        replaced: Weights that an adapter replaces, whatever their shapes are here.

    Returns:
        The module, and the names of the weights that the files lack and that are random now.

    Raises:
        UnreadableCheckpointError: Damaged, or other shapes than the configuration says.
    """
    require_safetensors(checkpoint, WEIGHTS, "pytorch_model*.bin")
    _require_parts_inside(checkpoint)
    with loading(checkpoint.location, "its weights"), bounded(CONFIG, checkpoint):
        module, info = options.head.loader.from_pretrained(
            checkpoint.name,
            config=config,
            dtype=options.dtype,
            attn_implementation=options.attention_implementation,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # to be refused by name
            output_loading_info=True,
            adapter_kwargs=dict(NO_ADAPTER),
            **checkpoint.arguments,
        )
    others = {each[0]: each for each in info["mismatched_keys"]}
    for name, found, expected in sorted(others[n] for n in others.keys() - set(replaced)):
        raise UnreadableCheckpointError(
            checkpoint.location,
            f"its {name} is {tuple(found)}, and its config.json says {tuple(expected)}",
        )
    wanted, found = info["missing_keys"], info["unexpected_keys"]
    if (told := mismatch(wanted, found))[1] is not None:
        problem = f"its weights do not fit its config.json: {told[0]}"
        raise UnreadableCheckpointError(checkpoint.location, problem, hint=told[1])
    return module, set(wanted) | others.keys()


def _require_parts_inside(checkpoint: Checkpoint) -> None:
    """The parts that an index names lie beside it."""
    if not checkpoint.holds(INDEX):
        return
    named = read_json(checkpoint, INDEX).get("weight_map")
    for part in named.values() if isinstance(named, dict) else (named,):
        if not isinstance(part, str) or Path(part).name != part or "\\" in part:
            raise UnreadableCheckpointError(
                checkpoint.location, f"its {INDEX} names {quoted(part)}, which is no file beside it"
            )


def require_complete(location: str, missing: Iterable[str], head: Head = CLASSIFIER) -> None:
    """Refuse a model part of which would be random.

    Raises:
        UnsupportedModelError: Weights are missing.
    """
    names = sorted(missing)
    if names:
        raise UnsupportedModelError(
            f"{location} is not a whole {head.words}: its files lack {listed(names)}, which would "
            "be random",
            hint=head.advice,
        )


def require_finite(location: str, module: nn.Module) -> None:
    """Refuse weights that are not numbers.

    Raises:
        InvalidWeightsError: NaN or infinity.
    """
    for name, parameter in module.named_parameters():
        # Quantised weights are integers, or of 8 bits and never infinite.
        is_float = parameter.is_floating_point() and parameter.element_size() > 1
        if is_float and parameter.numel() and not _are_numbers(parameter):
            raise InvalidWeightsError(location, name)


def _are_numbers(weights: Tensor) -> bool:
    """Seen at the extremes, which NaN passes through to: faster by far than at each weight."""
    return all(bool(extreme.isfinite()) for extreme in weights.aminmax())
