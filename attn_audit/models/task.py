"""What a model predicts: the kind of its labels, their names, and the link from logits to them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attn_audit.distances import mean_absolute_difference, total_variation_distance


class TaskKind(StrEnum):
    """The four kinds of labels that commands and files name."""

    BINARY = "binary"
    """Two labels, one logit: the log-odds of the second label."""
    MULTICLASS = "multiclass"
    """One of several labels, softmax."""
    MULTILABEL = "multilabel"
    """Any number of labels, each with its own sigmoid."""
    CANDIDATES = "candidates"
    """One of several labels, softmax over those that the example allows."""


@dataclass(frozen=True)
class Task(ABC):
    """What kind of output a model gives, and the names of its labels: a file in `outputs/` each."""

    labels: tuple[str, ...]
    """In the order of the logits; binary: the negative one first."""
    explained: str | None = field(default=None, kw_only=True)
    """The label that gradients and margins are of; None: what is predicted."""

    name: ClassVar[str]
    """Of the kind, as reports have it."""
    is_softmax: ClassVar[bool]
    """Whether the outputs compete: softmax, against one sigmoid for each."""
    is_multilabel: ClassVar[bool] = False
    """Whether any number of labels may be given, against exactly one."""
    n_labels: ClassVar[tuple[int, int | None]] = (2, None)
    """How many labels there are at least and at most; None: any number."""

    @property
    def n_logits(self) -> int:
        """Number of logits the model gives."""
        return len(self.labels)

    @property
    def is_one_number(self) -> bool:
        """Whether one probability says all: one sigmoid, or a softmax over two labels."""
        return self.n_logits == (2 if self.is_softmax else 1)

    @property
    def n_outputs(self) -> tuple[int, ...]:
        """How many outputs the head of a module may have that logits are made of."""
        return (self.n_logits,)

    def from_outputs(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, "batch label"]:
        """The logits that the outputs of a module's head mean, as many as it may have."""
        return outputs

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

    @abstractmethod
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

    @abstractmethod
    def scores(
        self, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]:
        """What importance by gradient differentiates, and the factor of each part.

        Args:
            logits: Differentiable; -inf for answers that an example does not allow.
        """

    @property
    def explained_index(self) -> int | None:
        """Of the label that is explained, among all; None: what is predicted is."""
        return None if self.explained is None else self.labels.index(self.explained)

    def unknown_label(self, labels: Sequence[str]) -> str | None:
        """The first of `labels` that this task does not have, or None."""
        return next((label for label in labels if label not in self.labels), None)


def mask_candidates(
    logits: Float[Tensor, "batch *variant label"],
    allowed: Tensor | None,
) -> Float[Tensor, "batch *variant label"]:
    """Give every label that an example does not allow the logit -inf; None: all are allowed."""
    if allowed is None:
        return logits
    shape = (allowed.shape[0], *(1,) * (logits.dim() - 2), allowed.shape[1])
    return logits.masked_fill(~allowed.reshape(shape), -torch.inf)
