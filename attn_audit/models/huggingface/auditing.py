"""From a HuggingFace classifier to a model behind the contract."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn

from attn_audit.data.example import Example
from attn_audit.models.huggingface.caching import cache
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.huggingface.options import LoadingOptions, UnitKind
from attn_audit.models.huggingface.siding import choose_padding_side
from attn_audit.models.interception.erasing import Removal
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.interception.probes import or_probes
from attn_audit.models.interception.replay.choosing import CHEAPEST_FIRST

_ROW, *_OTHERS = CHEAPEST_FIRST
WAYS = (_ROW, ("cache", cache), *_OTHERS)


def load_huggingface_model(
    location: str,
    options: LoadingOptions,
    device: torch.device,
    trial: Sequence[Example],
    removal: Literal["mask", "delete"] | None,
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
    unit: UnitKind = "token",
    max_length: int | None = None,
    task: Literal["binary"] | None = None,
    removal: Literal["mask", "delete"] | None = None,
) -> InterceptedModel:
    """Make a transformers classifier that is in memory ready for `attn_audit.audit`.

    Args:
        module: A sequence classifier of `transformers`. It is put into eval mode, and its
            parameters need no gradient any more; nothing else of it is changed.
        tokenizer: Its tokenizer.
        examples: A few texts to try it out on, pairs where it takes pairs; built-in ones by
            default.
        unit: What is audited: tokens, or words.
        max_length: Tokens after which a text is truncated.
        task: `binary` for a one-output head that is one sigmoid.
        removal: How leave-one-out leaves a unit out; None: by mask where that is exact.

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
    classifier = HuggingFaceClassifier(module.eval().requires_grad_(False), tokenizer, options)
    return _intercepted(classifier, texts, removal)


def _intercepted(
    classifier: HuggingFaceClassifier,
    trial: Sequence[Example],
    removal: Literal["mask", "delete"] | None,
) -> InterceptedModel:
    choose_padding_side(classifier, trial)
    return InterceptedModel(
        classifier, trial, None if removal is None else Removal(removal), ways=WAYS
    )
