"""What a training gives."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from attn_audit.data.quoting import one_line
from attn_audit.errors import OutputError
from attn_audit.models.paper.architecture import MARKERS, Vocabulary
from attn_audit.models.paper.checkpoint import save_checkpoint
from attn_audit.models.paper.network import AttentionPoolingNetwork
from attn_audit.models.paper.training.settings import Precision, TrainingSettings
from attn_audit.models.task import Task
from attn_audit.version import __version__


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One pass over the training examples, and how good the model was after it."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over the training examples, each seen once while the model changed."""
    dev_loss: float
    """Mean over the examples held back for early stopping, after the epoch."""
    dev_score: float
    score_name: str
    """What the dev score is: `ROC AUC`, `accuracy`."""
    is_best: bool
    """Better than every epoch before."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The network at its best epoch, and how it came about."""

    network: AttentionPoolingNetwork
    task: Task
    vocabulary: Vocabulary
    settings: TrainingSettings
    epochs: tuple[EpochResult, ...]
    n_pretrained: int | None
    """How many words have pretrained vectors; None where none were asked for."""

    @property
    def n_words(self) -> int:
        """How many words the model knows."""
        return len(self.vocabulary) - len(MARKERS)

    @property
    def best(self) -> EpochResult:
        """The epoch whose weights were kept."""
        return [epoch for epoch in self.epochs if epoch.is_best][-1]

    def save(self, path: Path, precision: Precision, notes: Mapping[str, str | int]) -> None:
        """Write a checkpoint.

        Args:
            path: Replaced if it exists.
            precision: How to keep the weights.
            notes: What the checkpoint should also tell: data, device, thread count.

        Raises:
            OutputError: It cannot be written.
        """
        weights = {
            name: tensor.to("cpu", precision.dtype)
            for name, tensor in self.network.state_dict().items()
        }
        try:
            save_checkpoint(
                path,
                self.network.architecture,
                self.settings.tokenizer,
                self.vocabulary,
                self.task,
                weights,
                self._story() | {"precision": precision.value} | dict(notes),
            )
        except (OSError, RuntimeError) as error:  # torch.save wraps a full disk in the latter
            raise OutputError(path, one_line(error)) from error

    def _story(self) -> dict[str, str | int | float | bool | None]:
        return {
            **self.settings.plain(),
            "n_pretrained": self.n_pretrained,
            "epochs_run": len(self.epochs),
            "best_epoch": self.best.epoch,
            "dev_score": self.best.dev_score,
            "dev_score_name": self.best.score_name,
            "attn_audit_version": __version__,
            "torch_version": str(torch.__version__),
            "python_version": platform.python_version(),
        }
