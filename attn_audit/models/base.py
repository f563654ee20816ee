"""The contract of a model: everything that the checks need, and nothing else.

Two kinds of tensors cross it. Interventions go in as attention weights over the audited units or as
sets of units to keep; logits come out. Every check is written once against this file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.models.capacity import BatchLimits, Capacity
from attn_audit.models.precision import coarsest_dtype
from attn_audit.models.task import Task
from attn_audit.results.description import ModelDescription
from attn_audit.shapes import Attention, Logits, UnitMask


class Unit(NamedTuple):
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
    readout_unit: int | None = field(default=None, kw_only=True)
    """The unit that holds the token which is read out; None where that is no audited token."""

    @property
    def n_units(self) -> int:
        """How many units are audited."""
        return len(self.units)

    @property
    def n_tokens(self) -> int:
        """How many tokens the model computes with: what the size of a batch is measured in."""
        return len(self.units)


@dataclass(frozen=True)
class Batch:
    """Encoded examples as padded tensors. Models subclass it to carry their inputs."""

    encoded: tuple[Encoded, ...]
    unit_mask: UnitMask

    def __len__(self) -> int:
        return len(self.encoded)

    def sum_over_units(self, values: Float[Tensor, "batch token"]) -> Float[Tensor, "batch unit"]:
        """Add up the values of each unit's tokens; where units are tokens, the values themselves.

        Args:
            values: One for each token that `AuditedModel.embed` gives an embedding of.
        """
        return values


class RowChoice(StrEnum):
    """Which query rows of an attention are read."""

    READOUT = "readout"
    """Those whose attention reaches the logits; where all do, all."""
    ALL = "all"
    """Every token's."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place where attention over the input can be read."""

    layer: int
    """Index into the model's `layers`."""
    head: int | None = None
    """None: all heads, averaged into one explanation."""
    rows: RowChoice = RowChoice.READOUT


@dataclass(frozen=True, slots=True)
class AttentionLayer:
    """One attention over the tokens of the input."""

    name: str
    """The module that computes it, as the model names it."""
    n_heads: int


@dataclass(frozen=True)
class LinearReadout:
    """logits = offset + mass * sum_u attention_u * unit_logits_u, where that is the readout.

    At the row's own mass, and no other: what is cut off moves the rest, which only a replay knows.
    """

    offset: Float[Tensor, "batch label"]
    unit_logits: Float[Tensor, "batch unit label"]


Mass = Float[Tensor, "batch row"] | Float[Tensor, "batch variant row"]
"""Share of a row's attention on the audited units, the same for all variants or of each."""


@runtime_checkable  # as checks of types in tests need
class Replay(Protocol):
    """Logits under other attention; what lies before the site is not computed again."""

    def __call__(
        self, attention: Float[Tensor, "batch variant row unit"], /, mass: Mass | None = None
    ) -> Float[Tensor, "batch variant label"]:
        """Differentiable in both.

        Args:
            attention: Over the audited units; each row sums to 1.
            mass: The share of each row on them, 0 to 1: what else the row attends to is scaled to
                the rest, and where there is nothing else, the rest is attended to nowhere, so that
                0 leaves a mixture of zeros. None: each row's own.
        """


@dataclass(frozen=True, kw_only=True)
class RowWeights:
    """The weights of a site's rows. Each head's query rows are rows of their own."""

    attention: Attention
    admissible: Bool[Tensor, "batch row unit"]
    """The units that a row may attend to; interventions move attention among these alone."""
    mass: Float[Tensor, "batch row"]
    """Share of the row's attention that lies on the audited units; 0 where there is no row."""
    rest: Float[Tensor, "batch row"]
    """Share on everything else: special tokens, a second text, an attention sink."""
    row_mask: Bool[Tensor, "batch row"]
    """True where there is a row: shorter texts have fewer where every token's are read."""


class NewWeights(NamedTuple):
    """What a rule puts in the place of a site's weights."""

    attention: Attention
    """What a row may not attend to gets nothing, and the others all of the row's mass."""
    mass: Float[Tensor, "batch row"] | None = None
    """As of a replay."""


Rule = Callable[[RowWeights], NewWeights]
"""Gets the weights that a site computes, and says which it uses."""


@dataclass(frozen=True, kw_only=True)
class Reading(RowWeights):
    """What one forward pass shows at one site."""

    logits: Logits
    replay: Replay
    find_linear_readout: Callable[[], LinearReadout | None]

    @cached_property
    def linear_readout(self) -> LinearReadout | None:
        """Only where there is one row and the readout is linear; computed when first asked for."""
        return self.find_linear_readout()


class Removal(ABC):
    """A way to leave units out of a text."""

    @property
    @abstractmethod
    def words(self) -> str:
        """What becomes of a unit, as reports say it."""

    @property
    def why_not(self) -> str | None:
        """Why the model cannot be asked that way; None where it can."""
        return None


class AuditedModel(ABC):
    """A trained model whose attention can be read, replaced and differentiated through."""

    task: Task
    layers: tuple[AttentionLayer, ...]
    default_site: Site
    """The last attention that reaches the logits, all heads."""
    module: nn.Module
    """The model itself, for a look at the mode it is in."""
    unit: str = "token"
    """What its units are: `token` or `word`."""
    batches_texts: bool = True
    """Whether texts may share a batch; where a trial found that they disturb each other, every
    batch holds one text."""
    device: torch.device

    @cached_property
    def capacity(self) -> Capacity:
        """How much of it is computed at once."""
        return Capacity.of(self.module, self.device)

    def batch_limits(self, batch_size: int | Literal["auto"]) -> BatchLimits:
        """How large batches of its texts may be.

        Args:
            batch_size: Examples, or `auto`. Texts that disturb each other stand alone all the same.
        """
        if not self.batches_texts:
            return BatchLimits(1)
        if batch_size != "auto":
            return BatchLimits(batch_size)
        return BatchLimits(n_tokens=self.capacity.n_tokens)

    def n_rows(self, site: Site, n_tokens: int) -> int:
        """How many rows a text of so many tokens has at a site, at most."""
        n_heads = self.layers[site.layer].n_heads if site.head is None else 1
        return n_heads * n_tokens

    @property
    def dtype(self) -> torch.dtype:
        """How finely it computes: what the noise floors of its numbers follow."""
        return coarsest_dtype(self.module)

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
    def embed(self, batch: Batch) -> Float[Tensor, "batch token embedding"]:
        """The embeddings of the audited tokens: what `forward` differentiates with respect to."""

    @abstractmethod
    def forward(
        self,
        batch: Batch,
        embeddings: Float[Tensor, "batch token embedding"],
        hold_attention: bool,
    ) -> Logits:
        """Logits from given token embeddings, differentiable in them.

        Args:
            batch: The batch that `embeddings` belongs to.
            embeddings: Used at every look-up of an audited token.
            hold_attention: Treat the attention weights as constants.
        """

    @property
    @abstractmethod
    def removals(self) -> Mapping[str, Removal]:
        """The ways to leave units out, by name, those too that this model does not have."""

    @abstractmethod
    def erase(
        self,
        batch: Batch,
        keep: Bool[Tensor, "batch variant unit"],
        operator: str | None = None,
    ) -> Float[Tensor, "batch variant label"]:
        """Logits with only the units marked in `keep`; all kept gives the prediction itself.

        Where no unit is left: the readout's logits of no input, or the prediction itself of a model
        that cannot read nothing.

        Args:
            batch: Examples.
            keep: The units that stay.
            operator: One of `removals`; None: the one that suits the model best.

        Raises:
            ConfigurationError: The model has no such operator.
        """

    @abstractmethod
    def intervene(self, batch: Batch, rules: Mapping[Site, Rule]) -> Logits:
        """Logits of one pass in which all of these sites use other weights.

        Each rule gets the weights that its site computes in this very pass, behind what the sites
        before it were made to use. Where sites overlap, the later one's rule stands.
        """
