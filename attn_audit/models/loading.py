"""From what a user writes to a model that can be audited."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, DeviceError
from attn_audit.models.contract import AuditedModel
from attn_audit.models.paper.checkpoint import is_original_folder
from attn_audit.models.paper.classifier import load_paper_model
from attn_audit.models.units import UnitName
from attn_audit.settings import TEMPLATE, AuditedTexts, TaskName, audited_texts


@dataclass(frozen=True)
class ModelOptions:
    """What a user may say about a model beside its name; None or the default where it was not."""

    vocabulary: Path | None = None
    adapter: str | None = None
    trust_remote_code: bool = False
    revision: str | None = None
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32"
    attention_implementation: Literal["sdpa", "eager"] | None = None
    max_length: int | None = None
    window_overlap: int | None = None
    task: TaskName | None = None
    prompt: str | None = None
    audited: str | None = None
    chat: bool = False
    options: tuple[str, ...] = ()
    answer_score: Literal["sum", "mean", "first"] = "sum"
    target: str | None = None
    zero_shot: tuple[str, ...] = ()
    template: str = TEMPLATE
    zero_shot_each: bool = False
    unit: UnitName = "token"
    removal: Literal["mask", "delete"] | None = None
    without_attention: bool = False

    @property
    def audited_texts(self) -> AuditedTexts:
        """Of pairs."""
        return audited_texts(self.prompt, self.audited)

    def require_default(self, names: Sequence[str], kind: str) -> None:
        """Refuse options that mean nothing to a kind of model.

        Raises:
            ConfigurationError: One of them was given.
        """
        for name in names:
            if getattr(self, name) != getattr(ModelOptions, name):
                flag = f"--{name.replace('_', '-')}"
                raise ConfigurationError(f"{flag} means nothing to {kind}")


def require_first(audited: AuditedTexts, kind: str) -> None:
    """Refuse to audit another text than a kind of model attends to.

    Raises:
        ConfigurationError: The second text is asked for.
    """
    if audited != "first":
        raise ConfigurationError(
            f"--audited {audited}: {kind} attends to the first text alone, given the second",
            hint="Leave --audited out; transformers that read both texts as one sequence take it.",
        )


def resolve_device(name: str) -> torch.device:
    """The device to run on.

    Args:
        name: `auto` (a CUDA device where there is one), `cpu` or `cuda`.

    Raises:
        DeviceError: CUDA was asked for and there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "--device cuda: this machine has no CUDA device that PyTorch can use",
            hint="Use --device cpu, or install a CUDA build of torch.",
        )
    return torch.device(name)


_OF_HUGGINGFACE = (
    *("trust_remote_code", "revision", "dtype", "attention_implementation"),
    *("max_length", "window_overlap", "task", "prompt", "chat", "options"),
    *("answer_score", "target", "zero_shot", "template", "zero_shot_each"),
)


def load_model(
    location: str,
    device: torch.device,
    options: ModelOptions | None = None,
    trial: Sequence[Example] = (),
) -> AuditedModel:
    """Load a model of any kind.

    Args:
        location: A `model.pt` of ours, a folder of the original code or of HuggingFace, a name on
            the HuggingFace hub, or what an adapter takes.
        trial: A few of the examples, to try a model out on; none: a few built-in texts.

    Raises:
        CheckpointError: Missing, unreadable, unsafe or of a kind that is not supported.
        ConfigurationError: An option does not fit the kind of model.
        InvalidWeightsError: The weights hold NaN or infinity.
    """
    options = options or ModelOptions()
    path = Path(location)
    if options.adapter is not None:
        others = [name for name in _OF_HUGGINGFACE if name != "max_length"]
        options.require_default(("vocabulary", *others), "an adapter's model")
        require_first(options.audited_texts, "an adapter's model")
        from attn_audit.models.custom.model import load_custom_model

        return load_custom_model(
            options.adapter,
            location,
            trial,
            device,
            unit=options.unit,
            max_length=options.max_length,
            removal=options.removal,
            is_blind=options.without_attention,
        )
    if path.is_file() or (path.is_dir() and is_original_folder(path)):
        kind = "a checkpoint of the paper's models"
        options.require_default((*_OF_HUGGINGFACE, "without_attention"), kind)
        require_first(options.audited_texts, kind)
        if options.removal == "mask":
            raise ConfigurationError(
                f"--removal mask: {kind} takes no attention mask",
                hint="Leave --removal out, or say --removal delete.",
            )
        return load_paper_model(path, device, options.vocabulary)
    options.require_default(("vocabulary",), "a HuggingFace model")
    # Loading transformers takes a second, which the paper's models do without.
    from attn_audit.models.huggingface.configuration import (
        LoadingOptions,
        hypotheses_of,
        question_of,
    )
    from attn_audit.models.huggingface.loading import load_huggingface_model, texts_to_try
    from attn_audit.models.huggingface.windows import in_windows

    question = question_of(
        options.prompt,
        options.audited,
        options.options,
        options.chat,
        options.answer_score,
        options.target,
    )
    hypotheses = hypotheses_of(options.zero_shot, options.template, options.zero_shot_each)
    texts = texts_to_try(trial, question or hypotheses, options.audited_texts)
    model = load_huggingface_model(
        location,
        LoadingOptions(
            trust_remote_code=options.trust_remote_code,
            revision=options.revision,
            dtype=getattr(torch, options.dtype),
            attention_implementation=options.attention_implementation,
            max_length=options.max_length,
            task=options.task,
            unit=options.unit,
            takes_pairs=question is None and texts[0].text_pair is not None,
            audited=options.audited_texts,
            question=question,
            hypotheses=hypotheses,
        ),
        device,
        texts,
        options.removal,
        is_blind=options.without_attention,
    )
    return in_windows(model, options.window_overlap)
