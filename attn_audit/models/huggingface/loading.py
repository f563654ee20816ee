"""From a model's name, or a model in memory, to one behind the contract."""

import warnings
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import nn

from attn_audit.config import validate
from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError
from attn_audit.files import sha256_of_all
from attn_audit.models.contract import AuditedModel, coarsest_dtype, frozen
from attn_audit.models.huggingface.checkpoint_weights import (
    Adapter,
    load_weights,
    read_adapter,
    require_complete,
)
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.configuration import (
    CLASSIFIER,
    CONFIG,
    head_for,
    read_configuration,
)
from attn_audit.models.huggingface.hub import Checkpoint, locate, quiet
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.huggingface.tokenizer import has_tokenizer, load_tokenizer
from attn_audit.models.huggingface.windows import in_windows
from attn_audit.models.interception.classifier import ModelDetails, Provenance, or_probes
from attn_audit.models.interception.model import RemovalName
from attn_audit.models.options import ModelOptions, Score
from attn_audit.models.state_dict import require_finite
from attn_audit.models.units import UnitName
from attn_audit.process import no_collection
from attn_audit.settings import TEMPLATE, TaskName


def load_classifier(
    location: str, options: ModelOptions, device: torch.device
) -> HuggingFaceClassifier:
    """Load a sequence classifier, or the language model that a question asks for.

    Raises:
        CheckpointError: Missing, unreadable, unsafe or of a kind that is not supported.
        ConfigurationError: The options do not fit the model.
        InvalidWeightsError: The weights hold NaN or infinity.
    """
    checkpoint = locate(location, options.revision, options.trust_remote_code)
    with no_collection(), quiet():
        adapter = read_adapter(checkpoint)
        base = checkpoint if adapter is None else adapter.base
        module, notes = _load_module(checkpoint, adapter, options)
        tokenizer = load_tokenizer(checkpoint if has_tokenizer(checkpoint) else base)
        if not getattr(module, "is_quantized", False):  # those are placed when they are loaded
            module = module.to(device)
        return HuggingFaceClassifier(
            module.eval().requires_grad_(False),
            tokenizer,
            options,
            Provenance(
                location,
                sha256_of_all({*checkpoint.files(), *base.files()}),
                {**_details(checkpoint, base, module), **notes},
            ),
        )


def _load_module(
    checkpoint: Checkpoint, adapter: Adapter | None, options: ModelOptions
) -> tuple[nn.Module, dict[str, str]]:
    """The module, and what is to be said of it."""
    notes: dict[str, str] = {}
    head = head_for(options)
    if adapter is None:
        module, lacking = load_weights(checkpoint, read_configuration(checkpoint, head), options)
    else:
        source = checkpoint if checkpoint.holds(CONFIG) else adapter.base
        config = read_configuration(source, head)
        notes["adapter"] = adapter.kind
        said = n_labels = config.num_labels
        if head is CLASSIFIER:
            n_labels = adapter.n_labels(config)
        if n_labels != said:
            config.num_labels = n_labels
            where = f"the {CONFIG} of {source.location} says {said}"
            notes["number of labels"] = f"{n_labels}, as the adapter's classifier has ({where})"
        module, missing = load_weights(adapter.base, config, options, adapter.brought)
        lacking = missing - adapter.brought.keys()
        if head is CLASSIFIER:
            adapter.require_classifier(lacking)
        adapter.load_into(module, missing)
    require_complete(checkpoint.location, lacking, head)
    require_finite(checkpoint.location, module.named_parameters())
    return module, notes


def _details(checkpoint: Checkpoint, base: Checkpoint, module: nn.Module) -> ModelDetails:
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


def fitted_to_texts(
    options: ModelOptions, examples: Sequence[Example]
) -> tuple[ModelOptions, Sequence[Example]]:
    """The options, with what the first text says of them, and the texts to try a model out on.

    Returns:
        As texts the examples, or built-in ones where there are none: pairs where a second text is
        audited.

    Raises:
        ConfigurationError: The first of them has no second text, which is to be audited; or it has
            one beside the hypotheses.
    """
    question, audited, hypotheses = options.question, options.audited_texts, options.hypotheses
    fields = () if question is None else question.fields
    texts = or_probes(examples, as_pairs=audited != "first", fields=fields)
    are_pairs = texts[0].text_pair is not None
    if audited != "first" and not are_pairs:
        raise ConfigurationError(
            f"--audited {audited}: the first text has no second one",
            hint="Name the field that holds it with --text-pair-field.",
        )
    if question is None and hypotheses is not None and are_pairs:
        raise ConfigurationError(
            "--zero-shot: each text is paired with its labels' hypotheses, and the first one has a "
            "second text, or --audited asks for it",
            hint="Give single texts, and leave --audited out.",
        )
    return replace(options, takes_pairs=question is None and are_pairs), texts


def wrap(
    module: nn.Module,
    tokenizer: Any,
    *,
    examples: Sequence[Example] = (),
    unit: UnitName = "token",
    max_length: int | None = None,
    task: TaskName | None = None,
    removal: RemovalName | None = None,
    dtype: Literal["float32", "float64", "bfloat16", "float16"] | None = None,
    prompt: str | None = None,
    audited: str | None = None,
    options: Sequence[str] = (),
    chat: bool = False,
    answer_score: Score = "sum",
    target: str | None = None,
    zero_shot: Sequence[str] = (),
    template: str = TEMPLATE,
    zero_shot_each: bool = False,
    window_overlap: int | None = None,
    without_attention: bool = False,
) -> AuditedModel:
    """Make a transformers model that is in memory ready for `attn_audit.audit`.

    Args:
        module: A sequence classifier of `transformers`, or with a prompt a causal language model;
            it is left as it is. Where it is to compute in another precision, a copy of it does.
        examples: A few texts to try it out on, pairs where it takes pairs; built-in ones by
            default.
        unit: What is audited: tokens, or words.
        max_length: Tokens after which a text is truncated.
        task: `binary` for a one-output head that is one sigmoid, `reranker` for one that says how
            relevant the second text of a pair is to the first.
        removal: How leave-one-out leaves a unit out; None: by mask where that is exact.
        dtype: Numbers to compute with. None: float32 where its weights are coarser, which a warning
            and the report say; else its own. Quantised weights stay as they are.
        prompt: What is put around each text: `"Review: {text} Sentiment:"`.
        audited: Of pairs `first`, `second` or `both`; of a prompt the field whose words are
            audited. None: the first, or `text`.
        options: The answers to choose from, blanks included.
        chat: Give the prompt as a user's message, in the tokenizer's chat template. Without a
            prompt each row is a chat, of whose messages the last of the user is audited.
        answer_score: What answers of several tokens are measured by: all their log-probabilities,
            their mean, or the first token's logit.
        target: The field of what follows the prompt, in place of options; `next`: whichever token
            does.
        zero_shot: Labels that a model of inference was not trained on, each put into `template`.
        template: The hypothesis, with `{}` in the place of the label.
        zero_shot_each: Whether each label holds or not by itself, against one of them.
        window_overlap: Tokens of a text that does not fit which each of its windows shares with the
            one before; None: such a text is cut.
        without_attention: Look for none, and audit what needs none.

    Raises:
        ConfigurationError: The options do not fit the model.
        UnsupportedModelError: It is no classifier, or its attention cannot be audited.

    Example:
        ```
        model = attn_audit.wrap(module, tokenizer)
        report = attn_audit.audit(model, "data/", checks=["correlation"])
        ```
    """
    given: dict[str, Any] = {
        "max_length": max_length,
        "task": task,
        "unit": unit,
        "prompt": prompt,
        "audited": audited,
        "options": options if isinstance(options, str) else tuple(options),
        "chat": chat,
        "answer_score": answer_score,
        "target": target,
        "zero_shot": zero_shot if isinstance(zero_shot, str) else tuple(zero_shot),
        "template": template,
        "zero_shot_each": zero_shot_each,
    }
    checked = validate(given, given, None)
    said = ModelOptions(**{name: getattr(checked, name) for name in given})
    said, texts = fitted_to_texts(said, examples)
    computing, details = _in_precision(module, None if dtype is None else getattr(torch, dtype))
    with frozen(computing):
        classifier = HuggingFaceClassifier(computing, tokenizer, said, Provenance(details=details))
        model = HuggingFaceModel(classifier, texts, removal, is_blind=without_attention)
        return in_windows(model, window_overlap)


def _in_precision(module: nn.Module, asked: torch.dtype | None) -> tuple[nn.Module, ModelDetails]:
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
