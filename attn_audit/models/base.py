"""The contract of a model: everything that the checks need, and nothing else.

Two kinds of tensors cross it. Interventions go in as attention weights over the audited units or as
sets of units to keep; logits come out. Every check is written once against this file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.models.task import Task
from attn_audit.results.description import ModelDescription
from attn_audit.shapes import Attention, Logits, UnitMask


@dataclass(frozen=True, slots=True)
class Unit:
    """One audited token or word: what people are shown."""

    text: str
    """In the text's own spelling."""
    start: int
    """Character offsets into the example's text: `text[start:end]`."""
    end: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example in the form that one model takes. Models may subclass it to carry their inputs."""

    example: Example
    units: tuple[Unit, ...]
    truncated: bool
    candidates: tuple[bool, ...] | None
    """For each label whether it may be given; None where every label may."""

    @property
    def n_units(self) -> int:
        """How many units are audited."""
        return len(self.units)


@dataclass(frozen=True)
class Batch:
    """Encoded examples as padded tensors. Models subclass it to carry their inputs."""

    encoded: tuple[Encoded, ...]
    unit_mask: UnitMask

    def __len__(self) -> int:
        return len(self.encoded)


@dataclass(frozen=True, slots=True)
class Site:
    """A place where attention over the input can be read."""

    layer: int
    head: int | None
    """None: all heads, averaged into one explanation."""
    row: str
    """Which query rows are read: `readout` or `all`."""


@dataclass(frozen=True)
class LinearReadout:
    """logits = offset + mass * sum_u attention_u * unit_logits_u, where that is the readout."""

    offset: Float[Tensor, "batch label"]
    unit_logits: Float[Tensor, "batch unit label"]


Replay = Callable[
    [Float[Tensor, "batch variant row unit"]],
    Float[Tensor, "batch variant label"],
]
"""Logits under other attention. Differentiable; what lies before the site is not computed again."""


@dataclass(frozen=True)
class Reading:
    """What one forward pass shows at one site."""

    logits: Logits
    attention: Attention
    admissible: Bool[Tensor, "batch row unit"]
    """The units that a row may attend to; interventions move attention among these alone."""
    mass: Float[Tensor, "batch row"]
    """Share of the row's attention that lies on the audited units."""
    replay: Replay
    linear_readout: LinearReadout | None
    """Only where there is one row and the readout is linear."""


class AuditedModel(ABC):
    """A trained model whose attention can be read, replaced and differentiated through."""

    task: Task
    sites: tuple[Site, ...]
    device: torch.device

    @abstractmethod
    def describe(self) -> ModelDescription:
        """Architecture, size, task and sites, as reports and `inspect` show them."""

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Turn examples into model inputs and their audited units.

        Raises:
            IncompatibleDataError: An example does not fit the model: a missing second text, a label
                or candidate that the model does not know, a text without any unit.
        """

    @abstractmethod
    def collate(self, encoded: Sequence[Encoded]) -> Batch:
        """Pad encoded examples into one batch on the model's device."""

    @abstractmethod
    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """One forward pass for all `sites`, one reading each; without gradients of its own."""

    @abstractmethod
    def embed(self, batch: Batch) -> Float[Tensor, "batch unit embedding"]:
        """The embeddings of the audited units: what `forward` differentiates with respect to."""

    @abstractmethod
    def forward(
        self,
        batch: Batch,
        embeddings: Float[Tensor, "batch unit embedding"],
        hold_attention: bool,
    ) -> Logits:
        """Logits from given unit embeddings, differentiable in them.

        Args:
            batch: The batch that `embeddings` belongs to.
            embeddings: Used at every look-up of an audited unit.
            hold_attention: Treat the attention weights as constants.
        """

    @abstractmethod
    def erase(
        self, batch: Batch, keep: Bool[Tensor, "batch variant unit"]
    ) -> Float[Tensor, "batch variant label"]:
        """Logits with only the units marked in `keep`; all kept gives the prediction itself.

        Where no unit is left, nothing is attended to: the logits are the readout's of no input.
        """
