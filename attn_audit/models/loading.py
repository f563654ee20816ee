"""From what a user writes to a model that can be audited."""

from collections.abc import Sequence
from pathlib import Path

import torch

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, DeviceError
from attn_audit.models.contract import AuditedModel
from attn_audit.models.options import ModelOptions
from attn_audit.models.paper.checkpoint import is_original_folder
from attn_audit.models.paper.classifier import load_paper_model
from attn_audit.settings import AuditedTexts


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
        from attn_audit.models.custom.intercepted_model import load_custom_model

        return load_custom_model(options.adapter, location, trial, device, options)
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
    # What loads transformers takes a second or two, which the paper's models do without.
    from attn_audit.models.huggingface.loading import fitted_to_texts, load_classifier
    from attn_audit.models.huggingface.model import HuggingFaceModel
    from attn_audit.models.huggingface.windows import in_windows

    options, texts = fitted_to_texts(options, trial)
    classifier = load_classifier(location, options, device)
    is_blind = options.without_attention
    model = HuggingFaceModel(classifier, texts, options.removal, is_blind=is_blind)
    return in_windows(model, options.window_overlap)
