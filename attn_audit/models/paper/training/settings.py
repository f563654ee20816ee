"""What can be chosen about a training, checked before any data is read."""

from dataclasses import fields
from enum import StrEnum
from pathlib import Path

import torch
from pydantic.dataclasses import dataclass

from attn_audit.errors import ConfigurationError
from attn_audit.models.paper.architecture import (
    KERNEL_SIZES,
    Activation,
    Architecture,
    AttentionKind,
    EncoderKind,
    Tokenizer,
)
from attn_audit.models.task import Task, TaskKind

DEFAULT_EMBEDDING_SIZE = 100
ACTIVATIONS = {
    EncoderKind.BILSTM: Activation.LINEAR,
    EncoderKind.CNN: Activation.RELU,
    EncoderKind.AVERAGE: Activation.TANH,
}
"""The paper's."""
LEAST = {
    **dict.fromkeys(("min_count", "epochs", "patience", "batch_size"), 1),
    **dict.fromkeys(("max_vocabulary", "embedding_size"), 1),
    "hidden_size": 2,
    "seed": 0,
}


class Precision(StrEnum):
    """How a checkpoint keeps its weights; they are computed with in float32 either way."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"

    @property
    def dtype(self) -> torch.dtype:
        """As PyTorch calls it."""
        return torch.float16 if self is Precision.FLOAT16 else torch.float32


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """Everything that decides what weights come out, data, device and thread count aside.

    Raises:
        ConfigurationError: A number is out of its range, or two settings do not fit together.

    Source: the defaults are those of Jain & Wallace (2019) and of their code; the embedding size
    (300 there) is smaller, and a word needs two occurrences, so that unknown words are trained too.
    """

    encoder: EncoderKind = EncoderKind.BILSTM
    attention: AttentionKind = AttentionKind.ADDITIVE
    task: TaskKind | None = None
    """None: inferred from the data."""
    tokenizer: Tokenizer = Tokenizer.WORDS
    min_count: int = 2
    """Rarer tokens are unknown."""
    max_vocabulary: int | None = None
    """At most so many tokens, the most frequent; None for all."""
    embeddings: Path | None = None
    """Pretrained vectors in the text format of GloVe and word2vec."""
    embedding_size: int | None = None
    """None: that of the pretrained vectors, or 100."""
    hidden_size: int = 128
    """Of one LSTM direction, of all convolutions together, of the average's projection."""
    epochs: int = 40
    """At most."""
    patience: int = 3
    """Stop after so many epochs without a better dev score or a lower dev loss."""
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    """Of everything but the attention."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and value < least:
                words = name.replace("_", " ")
                raise ConfigurationError(f"{words} must be at least {least}, not {value}")
        if not self.learning_rate > 0 or not self.weight_decay >= 0:
            raise ConfigurationError(
                "the learning rate must be positive, the weight decay not negative"
            )
        if self.encoder is EncoderKind.CNN and self.hidden_size % len(KERNEL_SIZES):
            raise ConfigurationError(
                f"a CNN shares its hidden size among {len(KERNEL_SIZES)} kernel sizes; "
                f"{self.hidden_size} cannot be divided by that",
                hint=f"Take a multiple of {len(KERNEL_SIZES)}.",
            )

    def architecture(
        self, task: Task, *, is_pair: bool, vocabulary_size: int, embedding_size: int
    ) -> Architecture:
        """The network that these settings ask for, given what the data decided."""
        shares = len(KERNEL_SIZES) if self.encoder is EncoderKind.CNN else 1
        return Architecture(
            encoder=self.encoder,
            attention=self.attention,
            is_pair=is_pair,
            vocabulary_size=vocabulary_size,
            embedding_size=embedding_size,
            hidden_size=self.hidden_size // shares,
            n_logits=task.n_logits,
            kernel_sizes=KERNEL_SIZES,
            activation=ACTIVATIONS[self.encoder],
        )

    def plain(self) -> dict[str, str | int | float | None]:
        """As plain values, for the checkpoint."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.name if isinstance(value, Path) else getattr(value, "value", value)
            for name, value in values.items()
        }
