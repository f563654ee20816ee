"""From what a user writes to a model that can be audited."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from attn_audit.errors import (
    CheckpointNotFoundError,
    ConfigurationError,
    DeviceError,
    UnreadableCheckpointError,
    UnsupportedModelError,
)
from attn_audit.files import sha256_of
from attn_audit.models.attention_pooling.architecture import Architecture, EncoderKind
from attn_audit.models.attention_pooling.checkpoint import read_checkpoint
from attn_audit.models.attention_pooling.model import AttentionPoolingModel
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.original import is_original_folder, read_original
from attn_audit.models.attention_pooling.tokenizer import Tokenizer, Vocabulary
from attn_audit.models.attention_pooling.weights import assign
from attn_audit.models.base import AuditedModel
from attn_audit.models.task import Task
from attn_audit.results.description import ModelDescription


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


def load_model(location: str, device: torch.device, vocabulary: Path | None = None) -> AuditedModel:
    """Load a checkpoint of the paper's families.

    Args:
        location: A `model.pt` of ours, or a folder of the original code.
        device: Where the weights go.
        vocabulary: For an original folder without `vocab.json`: JSON object from word to id.

    Raises:
        CheckpointError: Missing, unreadable, unsafe or of a kind that is not supported.
        InvalidWeightsError: The weights hold NaN or infinity.
    """
    path = Path(location)
    if not path.exists():
        raise CheckpointNotFoundError(location)
    try:
        if path.is_dir():
            return _load_folder(path, device, vocabulary)
        if vocabulary is not None:
            raise ConfigurationError(
                f"--vocabulary is for folders of the original code; {path} has its own"
            )
        return _load_file(path, device)
    except PermissionError as error:
        raise UnreadableCheckpointError(path, error.strerror or "not permitted") from None


def _load_folder(path: Path, device: torch.device, vocabulary_file: Path | None) -> AuditedModel:
    if not is_original_folder(path):
        raise UnsupportedModelError(
            f"{path} is not a folder of the original code (it has no dec.th)"
            + (
                "; it looks like a HuggingFace model, which this version cannot audit yet"
                if (path / "model.safetensors").exists() or (path / "tokenizer.json").exists()
                else ""
            )
        )
    architecture, task, vocabulary, weights = read_original(path, vocabulary_file)
    return _build(
        path,
        "original folder",
        architecture,
        task,
        Tokenizer.WHITESPACE,
        vocabulary,
        weights,
        device,
        vocabulary_file,
    )


def _load_file(path: Path, device: torch.device) -> AuditedModel:
    header, weights = read_checkpoint(path)
    return _build(
        path,
        "attn-audit checkpoint",
        header.architecture,
        Task(header.task, header.labels),
        header.tokenizer,
        Vocabulary(header.vocabulary),
        weights,
        device,
    )


def _build(
    path: Path,
    checkpoint_format: str,
    architecture: Architecture,
    task: Task,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    weights: Mapping[str, Tensor],
    device: torch.device,
    vocabulary_file: Path | None = None,
) -> AttentionPoolingModel:
    with torch.device("meta"):  # no memory is asked for before the shapes are known to agree
        network = AttentionPoolingNetwork(architecture)
    assign(network, weights, path)
    network = network.to(device)
    description = describe_architecture(
        architecture,
        task,
        tokenizer,
        source=str(path),
        checkpoint_format=checkpoint_format,
        sha256=fingerprint(path, vocabulary_file),
        n_parameters=sum(parameter.numel() for parameter in network.parameters()),
    )
    return AttentionPoolingModel(network, task, tokenizer, vocabulary, description)


def describe_architecture(
    architecture: Architecture,
    task: Task,
    tokenizer: Tokenizer,
    *,
    source: str,
    checkpoint_format: str,
    sha256: str | None,
    n_parameters: int,
) -> ModelDescription:
    """Put what is known of one of the paper's models into words and numbers."""
    details: dict[str, str | int | float | bool] = {
        "tokenizer": tokenizer.value,
        "vocabulary": architecture.vocabulary_size,
        "embedding size": architecture.embedding_size,
        "hidden size": architecture.hidden_size,
        "state size": architecture.state_size,
    }
    if architecture.encoder is EncoderKind.CNN:
        details["kernel sizes"] = ", ".join(map(str, architecture.kernel_sizes))
    if architecture.encoder is not EncoderKind.BILSTM:
        details["activation"] = architecture.activation.value
    given = " given the second text" if architecture.is_pair else ""
    return ModelDescription(
        source=source,
        sha256=sha256,
        format=checkpoint_format,
        architecture=architecture.sentence,
        task=task.kind.value,
        labels=task.labels,
        sites=(f"attention over the text's tokens{given}, read out once",),
        n_parameters=n_parameters,
        dtype="float32",
        linear_readout=not architecture.is_pair,
        takes_pairs=architecture.is_pair,
        details=details,
    )


def fingerprint(path: Path, vocabulary: Path | None = None) -> str:
    """SHA-256 of a model file, or of everything that a model's folder consists of.

    Args:
        path: The file or folder.
        vocabulary: A vocabulary that is used in place of the folder's own.
    """
    if path.is_file():
        return sha256_of(path)
    files = sorted(file for file in path.iterdir() if file.is_file())
    parts = [f"{file.name} {sha256_of(file)}" for file in files]
    if vocabulary is not None:
        parts.append(f"--vocabulary {sha256_of(vocabulary)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
