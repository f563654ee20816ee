"""From a HuggingFace classifier to a model behind the contract."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import nn

from attn_audit.data.example import Example
from attn_audit.models.frozen import frozen
from attn_audit.models.huggingface.caching import cache
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.huggingface.options import LoadingOptions
from attn_audit.models.huggingface.provenance import Details, Provenance
from attn_audit.models.huggingface.siding import choose_padding_side
from attn_audit.models.interception.model import InterceptedModel, RemovalName
from attn_audit.models.interception.probes import or_probes
from attn_audit.models.interception.replay.choosing import CHEAPEST_FIRST
from attn_audit.models.precision import coarsest_dtype
from attn_audit.models.units.base import UnitName

_ROW, *_OTHERS = CHEAPEST_FIRST
WAYS = (_ROW, ("cache", cache), *_OTHERS)


def load_huggingface_model(
    location: str,
    options: LoadingOptions,
    device: torch.device,
    trial: Sequence[Example],
    removal: RemovalName | None,
) -> InterceptedModel:
    """Load a HuggingFace classifier, and find out by trial how it attends.

    Args:
        location: A local folder, or a name on the hub.
        options: How to load it and split texts.
        device: Where the weights go.
        trial: A few texts.
        removal: How leave-one-out leaves a unit out; None: by mask where that is exact.

    Raises:
        CheckpointError: Missing, unreadable, unsafe or of a kind that is not supported.
        ConfigurationError: The options do not fit the model.
        InvalidWeightsError: The weights hold NaN or infinity.
    """
    return _intercepted(load_classifier(location, options, device), trial, removal)


def wrap(
    module: nn.Module,
    tokenizer: Any,
    *,
    examples: Sequence[Example] = (),
    unit: UnitName = "token",
    max_length: int | None = None,
    task: Literal["binary"] | None = None,
    removal: RemovalName | None = None,
    dtype: Literal["float32", "float64", "bfloat16", "float16"] | None = None,
) -> InterceptedModel:
    """Make a transformers classifier that is in memory ready for `attn_audit.audit`.

    Args:
        module: A sequence classifier of `transformers`; it is left as it is. Where it is to compute
            in another precision, a copy of it does.
        tokenizer: Its tokenizer.
        examples: A few texts to try it out on, pairs where it takes pairs; built-in ones by
            default.
        unit: What is audited: tokens, or words.
        max_length: Tokens after which a text is truncated.
        task: `binary` for a one-output head that is one sigmoid.
        removal: How leave-one-out leaves a unit out; None: by mask where that is exact.
        dtype: Numbers to compute with. None: float32 where its weights are coarser, which a warning
            and the report say; else its own. Quantised weights stay as they are.

    Raises:
        ConfigurationError: The options do not fit the model.
        UnsupportedModelError: It is no classifier, or its attention cannot be seen.

    Example:
        ```
        model = attn_audit.wrap(module, tokenizer)
        report = attn_audit.audit(model, "data/", checks=["correlation"])
        ```
    """
    texts = or_probes(examples)
    options = LoadingOptions(
        max_length=max_length,
        is_binary=task == "binary",
        unit=unit,
        takes_pairs=texts[0].text_pair is not None,
    )
    computing, details = _in_precision(module, None if dtype is None else getattr(torch, dtype))
    with frozen(computing):
        classifier = HuggingFaceClassifier(
            computing, tokenizer, options, Provenance(details=details)
        )
        return _intercepted(classifier, texts, removal)


def _in_precision(module: nn.Module, asked: torch.dtype | None) -> tuple[nn.Module, Details]:
    """The module, or a copy of it that computes as asked, and what a report says of that."""
    own = coarsest_dtype(module)
    is_half = torch.finfo(own).eps > torch.finfo(torch.float32).eps
    wanted = asked or (torch.float32 if is_half else own)
    if wanted == own or getattr(module, "is_quantized", False):
        return module, {}
    kept = str(own).removeprefix("torch.")
    if asked is None:
        warnings.warn(
            f"the model's weights are {kept}, and a copy of it computes in float32: half precision "
            f'hides small effects in its rounding, and takes longer on a CPU (dtype="{kept}" keeps '
            "it)",
            stacklevel=3,
        )
    return deepcopy(module).to(wanted), {"weights in memory": kept}


def _intercepted(
    classifier: HuggingFaceClassifier,
    trial: Sequence[Example],
    removal: RemovalName | None,
) -> InterceptedModel:
    choose_padding_side(classifier, trial)
    return InterceptedModel(classifier, trial, removal, ways=WAYS)
