"""What is known of a HuggingFace model before anything is tried out."""

from typing import Any

from torch import nn

from attn_audit.models.huggingface.encoding import Encoder
from attn_audit.models.huggingface.provenance import Provenance
from attn_audit.models.precision import coarsest_dtype
from attn_audit.results.description import ModelDescription


def describe(module: nn.Module, encoder: Encoder, provenance: Provenance) -> ModelDescription:
    """Put a model's configuration into words and numbers.

    Args:
        module: A `transformers` classifier.
        encoder: With its tokenizer and task.
        provenance: Where it comes from.
    """
    return ModelDescription(
        source=provenance.source,
        sha256=provenance.sha256,
        format="HuggingFace",
        architecture=_architecture(module),
        task=encoder.task.name,
        labels=encoder.task.labels,
        sites=(),
        layers=(),
        default_layer=0,
        n_parameters=sum(parameter.numel() for parameter in module.parameters()),
        dtype=str(coarsest_dtype(module)).removeprefix("torch."),
        linear_readout=False,
        takes_pairs=encoder.takes_pairs,
        details={**_details(module, encoder), **provenance.details},
    )


def _details(module: nn.Module, encoder: Encoder) -> dict[str, str | int | float | bool]:
    config: Any = module.config
    limit = "unlimited" if encoder.max_length is None else encoder.max_length
    details = {
        "model type": config.model_type,
        "vocabulary": encoder.n_ids,
        "hidden size": getattr(config, "hidden_size", None),
        "max length": limit,
        "tokenizer": type(encoder.tokenizer).__name__,
    }
    return {name: value for name, value in details.items() if value is not None}


def _architecture(module: nn.Module) -> str:
    config: Any = module.config
    layers = getattr(config, "num_hidden_layers", None)
    decoder_layers = getattr(config, "decoder_layers", getattr(config, "num_decoder_layers", None))
    heads = getattr(config, "num_attention_heads", None)
    size = getattr(config, "hidden_size", None)
    parts = [type(module).__name__]
    if layers is not None:
        both = config.is_encoder_decoder and decoder_layers is not None
        depth = f"{layers} + {decoder_layers} layers" if both else f"{layers} layers"
        parts.append(depth if heads is None else f"{depth} x {heads} heads")
    if size is not None:
        parts.append(f"hidden size {size}")
    return ", ".join(parts)
