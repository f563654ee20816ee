"""Checkpoints of the paper's models: our own files, and folders of the original code."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from attn_audit.errors import ConfigurationError, UnreadableCheckpointError
from attn_audit.models.attention_pooling.architecture import Architecture
from attn_audit.models.attention_pooling.checkpoint import read_checkpoint
from attn_audit.models.attention_pooling.describing import describe_architecture
from attn_audit.models.attention_pooling.model import AttentionPoolingModel
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.original import read_original
from attn_audit.models.attention_pooling.tokenizer import Tokenizer, Vocabulary
from attn_audit.models.attention_pooling.uninitialised import Uninitialised
from attn_audit.models.attention_pooling.weights import assign
from attn_audit.models.fingerprint import fingerprint
from attn_audit.models.task import Task


def load_attention_pooling_model(
    path: Path, device: torch.device, vocabulary: Path | None = None
) -> AttentionPoolingModel:
    """Load a checkpoint of the paper's families.

    Args:
        path: A `model.pt` of ours, or a folder of the original code.
        device: Where the weights go.
        vocabulary: For an original folder without `vocab.json`: JSON object from word to id.

    Raises:
        CheckpointError: Unreadable, unsafe or of a kind that is not supported.
        InvalidWeightsError: The weights hold NaN or infinity.
    """
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


def _load_folder(
    path: Path, device: torch.device, vocabulary_file: Path | None
) -> AttentionPoolingModel:
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


def _load_file(path: Path, device: torch.device) -> AttentionPoolingModel:
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
    # No memory is asked for before the shapes are known to agree.
    with torch.device("meta"), Uninitialised():
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
