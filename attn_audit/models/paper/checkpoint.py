"""Our own checkpoint, `model.pt`: one file of plain values and tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from attn_audit.errors import UnreadableCheckpointError, UnsupportedModelError
from attn_audit.files import replacing
from attn_audit.models.outputs.registry import make_task
from attn_audit.models.paper.architecture import MARKERS, Architecture, Tokenizer, Vocabulary
from attn_audit.models.paper.weights import is_state_dict, load_plain
from attn_audit.models.task import Task, TaskKind

FORMAT = "attn-audit model"
FORMAT_VERSION = 1


class Header(BaseModel):
    """Everything in a checkpoint but the weights, validated before any is used."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    format: str
    format_version: int
    architecture: Architecture
    tokenizer: Tokenizer
    vocabulary: tuple[str, ...]
    task: TaskKind
    labels: tuple[str, ...]
    training: dict[str, str | int | float | bool | None]
    """How it was made; shown, never used."""


def save_checkpoint(
    path: Path,
    architecture: Architecture,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    task: Task,
    weights: Mapping[str, Tensor],
    training: Mapping[str, Any],
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        path: Where to; replaced if it exists.
        architecture: Shape of the network.
        tokenizer: How texts were split.
        vocabulary: Tokens by id.
        task: Kind and names of the labels.
        weights: The network's state dict, in the precision to keep.
        training: Settings and results of the training, as plain values.
    """
    header = Header(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        architecture=architecture,
        tokenizer=tokenizer,
        vocabulary=vocabulary.tokens,
        task=TaskKind(task.name),
        labels=task.labels,
        training=dict(training),
    )
    content = header.model_dump(mode="json") | {"weights": dict(weights)}
    with replacing(path) as temporary:
        torch.save(content, temporary)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a model is made of, wherever it was read."""

    format: str
    architecture: Architecture
    task: Task
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    weights: dict[str, Tensor]
    training: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    """How it was made, where that is told."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises:
        UnreadableCheckpointError: Damaged, or its parts do not fit together.
        UnsafeCheckpointError: Loading it would run code.
        UnsupportedModelError: A checkpoint of another kind or of another format version.
    """
    content = load_plain(path)
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        raise UnsupportedModelError(_other_kind(path, content), hint=_HINT)
    if content.get("format_version") != FORMAT_VERSION:
        raise UnsupportedModelError(
            f"{path} has format version {content.get('format_version')!r}; "
            f"this version of attn-audit reads {FORMAT_VERSION}",
            hint="Update attn-audit, or train the model again.",
        )
    weights: Any = content.get("weights")
    if not is_state_dict(weights):
        raise UnreadableCheckpointError(path, "it holds no weights")
    try:
        header = Header(**{key: value for key, value in content.items() if key != "weights"})
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UnreadableCheckpointError(path, problem) from None
    _require_agreement(path, header)
    return Checkpoint(
        "attn-audit checkpoint",
        header.architecture,
        make_task(header.task, header.labels),
        header.tokenizer,
        Vocabulary(header.vocabulary),
        dict(weights),
        header.training,
    )


_HINT = "Make one with `attn-audit train`, or give a folder of the original code."


def _other_kind(path: Path, content: object) -> str:
    if is_state_dict(content) and isinstance(content, Mapping):
        return f"{path} holds bare weights (a state dict) without the architecture they belong to"
    return f"{path} is not a checkpoint of attn-audit (it holds a {type(content).__name__})"


def _require_agreement(path: Path, header: Header) -> None:
    architecture = header.architecture
    task = make_task(header.task, header.labels)
    if len(header.vocabulary) != architecture.vocabulary_size:
        problem = f"{len(header.vocabulary)} words for {architecture.vocabulary_size} embeddings"
    elif header.vocabulary[: len(MARKERS)] != MARKERS:
        problem = f"its vocabulary does not begin with {', '.join(MARKERS)}"
    elif task.n_logits != architecture.n_logits or len(set(task.labels)) != len(task.labels):
        problem = f"labels {', '.join(task.labels[:5])} for {architecture.n_logits} outputs"
    elif header.task is TaskKind.BINARY and len(task.labels) != 2:
        problem = f"{len(task.labels)} labels for a binary task"
    else:
        return
    raise UnreadableCheckpointError(path, problem)
