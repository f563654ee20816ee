"""What a model predicts: the kind of its labels, their names, and the link from logits to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.distances import mean_absolute_difference, total_variation_distance


class TaskKind(StrEnum):
    """The four kinds of labels that an audit knows."""

    BINARY = "binary"
    """Two labels, one logit: the log-odds of the second label."""
    MULTICLASS = "multiclass"
    """One of several labels, softmax."""
    MULTILABEL = "multilabel"
    """Any number of labels, each with its own sigmoid."""
    CANDIDATES = "candidates"
    """One of several labels, softmax over those that the example allows."""


@dataclass(frozen=True)
class Task:
    """Kind and names of a model's labels.

    Args:
        kind: What sort of labels.
        labels: Their names, in the order of the logits; binary: the negative one first.
    """

    kind: TaskKind
    labels: tuple[str, ...]

    @property
    def n_logits(self) -> int:
        """Number of logits the model gives."""
        return 1 if self.kind is TaskKind.BINARY else len(self.labels)

    @property
    def is_softmax(self) -> bool:
        """Whether the outputs compete: softmax, against one sigmoid for each."""
        return self.kind in (TaskKind.MULTICLASS, TaskKind.CANDIDATES)

    @property
    def is_one_number(self) -> bool:
        """Whether one probability says all: one sigmoid, or a softmax over two labels."""
        return self.n_logits == (2 if self.is_softmax else 1)

    def probabilities(self, logits: Float[Tensor, "*batch label"]) -> Float[Tensor, "*batch label"]:
        """Output probabilities in float64, 0 to 1; softmax outputs sum to 1.

        Args:
            logits: The model's logits; -inf for answers that an example does not allow.

        Returns:
            One probability for each logit. Binary: of the second label.
        """
        doubled = logits.double()
        return doubled.softmax(dim=-1) if self.is_softmax else doubled.sigmoid()

    def distance(
        self, p: Float[Tensor, "*#batch label"], q: Float[Tensor, "*#batch label"]
    ) -> Float[Tensor, "*batch"]:
        """The output distance, 0 to 1: how far the prediction moved.

        |p - q| for one sigmoid, total variation for a softmax (over the candidates, where there
        are any), the mean over labels of |p - q| for multilabel outputs.

        Args:
            p: From `probabilities`.
            q: From `probabilities`; shapes broadcast.
        """
        return total_variation_distance(p, q) if self.is_softmax else mean_absolute_difference(p, q)

    def predictions(
        self, probabilities: Float[Tensor, "batch label"]
    ) -> list[str] | list[tuple[str, ...]]:
        """The label that each example is given; multilabel: all of at least one half, maybe none.

        Args:
            probabilities: From `probabilities`; ties go to the lower index, one half to the second
                label of a binary task.

        Returns:
            One label for each example, or a tuple of labels where the task is multilabel.
        """
        if self.kind is TaskKind.MULTILABEL:
            chosen = (probabilities >= 0.5).tolist()
            return [
                tuple(name for name, on in zip(self.labels, row, strict=True) if on)
                for row in chosen
            ]
        if self.kind is TaskKind.BINARY:
            return [self.labels[int(p >= 0.5)] for p in probabilities[:, 0].tolist()]
        return [self.labels[i] for i in probabilities.argmax(dim=-1).tolist()]

    def unknown_label(self, labels: Sequence[str]) -> str | None:
        """The first of `labels` that this task does not have, or None."""
        return next((label for label in labels if label not in self.labels), None)


def mask_candidates(
    logits: Float[Tensor, "batch *variant label"],
    allowed: Tensor | None,
) -> Float[Tensor, "batch *variant label"]:
    """Give every label that an example does not allow the logit -inf.

    Args:
        logits: Any logits with the batch axis first.
        allowed: Boolean, batch by label; None where every label is allowed.

    Returns:
        The logits, -inf outside the candidates.
    """
    if allowed is None:
        return logits
    shape = (allowed.shape[0], *(1,) * (logits.dim() - 2), allowed.shape[1])
    return logits.masked_fill(~allowed.reshape(shape), -torch.inf)
