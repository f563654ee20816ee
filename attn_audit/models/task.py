"""What a model predicts: the kind of its labels, their names, and the link from logits to them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import log
from typing import ClassVar

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from attn_audit.distances import Logits, mean_absolute_difference, total_variation_distance


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
    """What kind of output a model gives, and the names of its labels: a class for each kind."""

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


def logits_of(
    probabilities: Float[Tensor, "batch label"], *, compete: bool
) -> Float[Tensor, "batch label"]:
    """Probabilities as logits, kept off 0 and 1 by the smallest steps that their type can make.

    Args:
        compete: Whether a text's probabilities sum to 1.
    """
    limits = torch.finfo(probabilities.dtype)
    against = (1 - probabilities).clamp_min(limits.eps / 2).log()
    logits = probabilities.clamp_min(limits.tiny).log()
    return logits if compete else logits - against


def limits_of(dtype: torch.dtype, *, compete: bool) -> tuple[float, float]:
    """Between which such logits, or of competing labels their differences, lie.

    What lies at an end is a probability of 0 or 1, of which nobody knows how far it went.
    """
    limits = torch.finfo(dtype)
    low = log(limits.tiny)
    return low, -low if compete else -log(limits.eps / 2)


MAX_DEVIATION = 1e-2
"""Of a sum of probabilities from 1 that may be rounding, in half precision too."""


def mask_candidates(
    logits: Float[Tensor, "batch *variant label"], allowed: Tensor | None
) -> Float[Tensor, "batch *variant label"]:
    """Give every label that an example does not allow the logit -inf; None: all are allowed."""
    if allowed is None:
        return logits
    shape = (allowed.shape[0], *(1,) * (logits.dim() - 2), allowed.shape[1])
    return logits.masked_fill(~allowed.reshape(shape), -torch.inf)


class Binary(Task):
    """One sigmoid; or, in a module, a softmax over two outputs."""

    name = TaskKind.BINARY.value
    is_softmax = False
    n_labels = (2, 2)

    @property
    def n_logits(self) -> int:
        """One."""
        return 1

    @property
    def n_outputs(self) -> tuple[int, ...]:
        """One sigmoid, or two classes that compete."""
        return (1, 2)

    def from_outputs(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, "batch label"]:
        """Of two classes the log-odds of the second."""
        return outputs[:, 1:] - outputs[:, :1] if outputs.shape[1] == 2 else outputs

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[str]:
        """One half goes to the second label."""
        return [self.labels[int(p >= 0.5)] for p in probabilities[:, 0].tolist()]

    def scores(
        self, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]:
        """The log-odds."""
        return logits, torch.ones_like(logits, dtype=torch.float64)


class Multiclass(Task):
    """Labels that compete."""

    name = TaskKind.MULTICLASS.value
    is_softmax = True

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[str]:
        """The likeliest label; ties go to the lower index."""
        return [self.labels[i] for i in probabilities.argmax(dim=-1).tolist()]

    def scores(
        self, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]:
        """The log-odds of the predicted label, or of the one that is explained."""
        odds = log_odds(logits, self.explained_index).unsqueeze(1)
        return odds, torch.ones_like(odds, dtype=torch.float64)


class Candidates(Multiclass):
    """Labels of which each example may allow some."""

    name = TaskKind.CANDIDATES.value


def log_odds(
    logits: Logits, label: int | Int64[Tensor, "batch 1"] | None = None
) -> Float[Tensor, " batch"]:
    """Log-odds of a softmax output against all others; 0 where there is no other, or not itself.

    Args:
        label: Of all texts, or of each; None: of the largest.

    Returns:
        z_c - logsumexp of the other logits, differentiable.
    """
    chosen = logits.detach().argmax(dim=-1, keepdim=True)
    if isinstance(label, Tensor):
        chosen = label
    elif label is not None:
        chosen = torch.full_like(chosen, label)
    is_allowed = logits.detach() > -torch.inf
    is_other = is_allowed.scatter(1, chosen, False)
    low = torch.finfo(logits.dtype).min
    others = logits.masked_fill(~is_other, low).logsumexp(dim=-1)
    own = logits.masked_fill(~is_allowed, 0).gather(1, chosen).squeeze(1)
    is_told = is_other.any(dim=-1) & is_allowed.gather(1, chosen).squeeze(1)
    return torch.where(is_told, own - others, torch.zeros_like(own) * own)


class Multilabel(Task):
    """One sigmoid for each label."""

    name = TaskKind.MULTILABEL.value
    is_softmax = False
    is_multilabel = True
    n_labels = (1, None)

    def predictions(self, probabilities: Float[Tensor, "batch label"]) -> list[tuple[str, ...]]:
        """All labels of at least one half, maybe none."""
        chosen = (probabilities >= 0.5).tolist()
        return [
            tuple(name for name, on in zip(self.labels, row, strict=True) if on) for row in chosen
        ]

    def scores(
        self, logits: Float[Tensor, "batch label"]
    ) -> tuple[Float[Tensor, "batch score"], Float64[Tensor, "batch score"]]:
        """Each logit, or that of the explained label, by how much its probability moves with it."""
        if self.explained_index is not None:
            logits = logits[:, self.explained_index, None]
        probability = logits.detach().double().sigmoid()
        return logits, probability * (1 - probability)


TASKS: Mapping[TaskKind, type[Task]] = {
    TaskKind(task.name): task for task in (Binary, Multiclass, Multilabel, Candidates)
}


def make_task(kind: TaskKind, labels: tuple[str, ...]) -> Task:
    """A task of a kind that is named."""
    return TASKS[kind](labels)
