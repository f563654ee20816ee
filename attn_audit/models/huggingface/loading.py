"""From the name of a HuggingFace model to a classifier that can be audited."""

from typing import Any

import torch
from torch import nn

from attn_audit.arithmetic import no_collection
from attn_audit.models.huggingface.adapters import Adapter, read_adapter
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.configuration import CONFIG, read_configuration
from attn_audit.models.huggingface.locating import Checkpoint, fingerprint, locate
from attn_audit.models.huggingface.options import LoadingOptions
from attn_audit.models.huggingface.provenance import Details, Provenance
from attn_audit.models.huggingface.quiet import quiet
from attn_audit.models.huggingface.tokenizer_files import has_tokenizer, load_tokenizer
from attn_audit.models.huggingface.weights import load_weights, require_complete, require_finite


def load_classifier(
    location: str, options: LoadingOptions, device: torch.device
) -> HuggingFaceClassifier:
    """Load a sequence classifier and its tokenizer.

    Args:
        location: A local folder, or `name` or `owner/name` on the hub.
        options: How to load it and split texts.
        device: Where the weights go.

    Raises:
        CheckpointError: Missing, unreadable, unsafe or of a kind that is not supported.
        ConfigurationError: The options do not fit the model.
        InvalidWeightsError: The weights hold NaN or infinity.
    """
    checkpoint = locate(location, options.revision, options.trust_remote_code)
    with no_collection(), quiet():
        adapter = read_adapter(checkpoint)
        base = checkpoint if adapter is None else adapter.base
        module, notes = _load_module(checkpoint, adapter, options.dtype)
        tokenizer = load_tokenizer(checkpoint if has_tokenizer(checkpoint) else base)
        if not getattr(module, "is_quantized", False):  # those are placed when they are loaded
            module = module.to(device)
        return HuggingFaceClassifier(
            module.eval().requires_grad_(False),
            tokenizer,
            options,
            Provenance(
                location,
                fingerprint({checkpoint, base}),
                {**_details(checkpoint, base, module), **notes},
            ),
        )


def _load_module(
    checkpoint: Checkpoint, adapter: Adapter | None, dtype: torch.dtype
) -> tuple[nn.Module, dict[str, str]]:
    """The module, and what is to be said of it."""
    if adapter is None:
        config = read_configuration(checkpoint)
        module, missing = load_weights(checkpoint, config, dtype)
        require_complete(checkpoint.location, missing)
        notes: dict[str, str] = {}
    else:
        module, notes = _load_adapted(adapter, dtype)
    require_finite(checkpoint.location, module)
    return module, notes


def _load_adapted(adapter: Adapter, dtype: torch.dtype) -> tuple[nn.Module, dict[str, str]]:
    notes = {"adapter": adapter.kind}
    source = adapter.checkpoint if adapter.checkpoint.holds(CONFIG) else adapter.base
    config = read_configuration(source)
    said, n_labels = config.num_labels, adapter.n_labels(config)
    if n_labels != said:
        config.num_labels = n_labels
        where = f"the {CONFIG} of {source.location} says {said}"
        notes["number of labels"] = f"{n_labels}, as the adapter's classifier has ({where})"
    module, missing = load_weights(adapter.base, config, dtype, adapter.brought)
    lacking = missing - adapter.brought.keys()
    adapter.require_classifier(lacking)
    adapter.load_into(module, missing)
    require_complete(adapter.checkpoint.location, lacking)
    return module, notes


def _details(checkpoint: Checkpoint, base: Checkpoint, module: nn.Module) -> Details:
    details: dict[str, str | int | float | bool] = {}
    if checkpoint.revision is not None:
        details["revision"] = checkpoint.revision
    if checkpoint.runs_code:
        details["trust_remote_code"] = True
    if base is not checkpoint:
        details["base model"] = base.location
    config: Any = module.config
    quantization = getattr(config, "quantization_config", None)
    if quantization is not None:
        details["quantization"] = str(getattr(quantization, "quant_method", "yes"))
    return details
