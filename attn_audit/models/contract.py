"""The contract of a model: everything that the checks need, and nothing else.

With it what holds of every kind of model: its numbers are numbers, it is frozen while it is
audited, it computes as finely as its weights do, and its files have a fingerprint.

Two kinds of tensors cross it. Interventions go in as attention weights over the audited units or as
sets of units to keep; logits come out. Every check is written once against this file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.distances import (
    Attention,
    KeptUnits,
    Logits,
    UnitMask,
    VariantAttention,
    VariantLogits,
)
from attn_audit.errors import InvalidOutputError
from attn_audit.files import sha256_of, sha256_of_all
from attn_audit.models.capacity import BatchLimits, Capacity
from attn_audit.models.task import Task
from attn_audit.results.model_description import ModelDescription


def coarsest_dtype(module: nn.Module) -> torch.dtype:
    """The coarsest of a module's weights: no number that it gives is finer than these.

    Quantised weights, of 8 bits and less, are multiplied in the precision of the others.
    """
    return coarsest_of(module.parameters())


def coarsest_of(tensors: Iterable[Tensor]) -> torch.dtype:
    """The coarsest floating-point numbers of some tensors, quantised ones left aside.

    Example:
        >>> coarsest_of([torch.ones(2), torch.ones(2).bfloat16(), torch.arange(2)])
        torch.bfloat16
        >>> coarsest_of([])
        torch.float32
    """
    kinds = {t.dtype for t in tensors if t.is_floating_point() and t.element_size() > 1}
    return max(kinds, key=lambda kind: torch.finfo(kind).eps, default=torch.float32)


def coarseness(dtype: torch.dtype) -> float:
    """How many times as wide as float32's the spacing of numbers near 1 is.

    Example:
        >>> coarseness(torch.float32), coarseness(torch.bfloat16), coarseness(torch.float16)
        (1.0, 65536.0, 8192.0)
    """
    return torch.finfo(dtype).eps / torch.finfo(torch.float32).eps


CANCELLED = 1e-5
"""Of products that are added up, a part of their norm that says nothing of their sum.

Where a model normalises its embeddings first, their gradient is at right angles to them: what is
left is rounding, and what the norm adds to its denominator. With a root mean square over 64 numbers
of variance 1, plus 1e-6, that is up to 1e-6; of MiniLM's products on SST none is below 3e-4.
"""

CANCELLED_ROUNDINGS = 4.0
"""The same in spacings of the coarsest numbers. Of such a gradient half precision leaves 0.7."""


Embeddings = Float[Tensor, "sequence token embedding"]
"""Of every sequence that is read at once: of each text, or of its windows one after the other."""


def times_input(
    gradient: Embeddings, embeddings: Embeddings, dtype: torch.dtype
) -> Float64[Tensor, "sequence token"]:
    """The product of each token's gradient and embedding; 0 where its parts cancel.

    Args:
        dtype: The coarsest numbers that the gradient went through.
    """
    products = gradient.double() * embeddings.detach().double()
    total = products.sum(dim=-1)
    limit = max(CANCELLED, CANCELLED_ROUNDINGS * torch.finfo(dtype).eps)
    return total.where(total.abs() > limit * products.norm(dim=-1), 0)


class Unit(NamedTuple):
    """One audited token or word: what people are shown."""

    text: str
    """In the text's own spelling."""
    start: int
    """Character offsets into the example's text: `text[start:end]`."""
    end: int
    is_second: bool = False
    """Whether it is of the second text, and its offsets are into that."""


@dataclass(frozen=True, slots=True)
class EncodedExample:
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
    def border(self) -> int | None:
        """The first unit of the second text, where both are audited; None: one text alone is."""
        n_first = sum(not unit.is_second for unit in self.units)
        return n_first if 0 < n_first < len(self.units) else None

    @property
    def n_tokens(self) -> int:
        """How many tokens the model computes with: what the size of a batch is measured in."""
        return len(self.units)

    @property
    def n_windows(self) -> int:
        """In how many parts the model reads it, each by itself."""
        return 1


@dataclass(frozen=True)
class Batch:
    """Encoded examples as padded tensors. Models subclass it to carry their inputs."""

    encoded: tuple[EncodedExample, ...]
    unit_mask: UnitMask

    @cached_property
    def shared(self) -> dict[str, tuple[Tensor, float]]:
        """What several measures make use of, and the seconds that it took: it goes with it."""
        return {}

    def __len__(self) -> int:
        return len(self.encoded)

    @cached_property
    def allowed(self) -> Bool[Tensor, "batch label"] | None:
        """The labels that each example may be given; None where all may."""
        given = [item.candidates for item in self.encoded]
        n_labels = next((len(labels) for labels in given if labels is not None), None)
        if n_labels is None:
            return None
        every = [labels or (True,) * n_labels for labels in given]
        return torch.tensor(every, device=self.unit_mask.device)

    def sum_over_units(
        self, values: Float[Tensor, "sequence token"]
    ) -> Float[Tensor, "batch unit"]:
        """Add up the values of each unit's tokens; where units are tokens, the values themselves.

        Args:
            values: One for each token that `AuditedModel.embed` gives an embedding of. A sequence
                is what is read at once: a text, or a window of one.
        """
        return values


def unit_mask_of(encoded: Sequence[EncodedExample], device: torch.device) -> UnitMask:
    """True where a text has a unit, False where a longer one has."""
    n_units = torch.tensor([item.n_units for item in encoded], device=device)
    return torch.arange(int(n_units.max()), device=device) < n_units.unsqueeze(1)


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

    def __call__(self, attention: VariantAttention, /, mass: Mass | None = None) -> VariantLogits:
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
    """What a row may not attend to gets nothing, and the others all of the row's mass; where they
    get nothing either, the units are cut off as by a mass of 0."""
    mass: Float[Tensor, "batch row"] | None = None
    """As of a replay."""


Rule = Callable[[RowWeights], NewWeights]
"""Gets the weights that a site computes, and says which it uses."""

Rules = Mapping[Site, Rule]


@dataclass(frozen=True, kw_only=True)
class Reading(RowWeights):
    """What one forward pass shows at one site."""

    logits: Logits
    replay: Replay
    find_linear_readout: Callable[[], LinearReadout | None] = lambda: None

    @cached_property
    def linear_readout(self) -> LinearReadout | None:
        """Only where there is one row and the readout is linear; computed when first asked for."""
        return self.find_linear_readout()


def without_rows(batch: Batch, logits: Logits) -> Reading:
    """The reading of a model of which no attention is seen: outputs alone."""

    def replay(attention: VariantAttention, mass: Mass | None = None) -> VariantLogits:
        return logits.unsqueeze(1).expand(-1, attention.shape[1], -1)

    n_texts, n_units = batch.unit_mask.shape
    nowhere = logits.new_zeros(n_texts, 0)
    return Reading(
        logits=logits,
        attention=logits.new_zeros(n_texts, 0, n_units),
        admissible=batch.unit_mask.new_zeros(n_texts, 0, n_units),
        mass=nowhere,
        rest=nowhere,
        row_mask=batch.unit_mask.new_zeros(n_texts, 0),
        replay=replay,
    )


@dataclass(frozen=True, kw_only=True)
class WholeAttention:
    """All weights of every layer up to the one that is read out, in one pass.

    Queries and keys are the tokens that `AuditedModel.embed` gives embeddings of.
    """

    logits: Logits
    outputs: Float[Tensor, "batch output"]
    """What the model gives itself: of labels that compete one for each, whatever all have alike."""
    layers: tuple[Float[Tensor, "sequence head token key"], ...]
    """From the first on; rows of padding may be anything. Where gradients are asked for, logits and
    outputs are differentiable in them."""
    readout: Float64[Tensor, "sequence token"]
    """What part each token's row has in what is read out: one has all, or several equal parts;
    those of all a text's windows sum to 1."""
    real: Bool[Tensor, "sequence token"]
    """False where there is padding."""


@dataclass(frozen=True, kw_only=True)
class ReadoutStates:
    """What a model has made of a text where it is read out: behind its last attention."""

    own: Float[Tensor, "sequence token state"]
    readout: Float64[Tensor, "sequence token"]
    """As of the whole attention."""
    without: Callable[[Bool[Tensor, "sequence token"]], Float[Tensor, "sequence token state"]]
    """The same, had nothing been taken from some tokens there: their weights are 0 and the others'
    are as they were, not renormalised."""


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
    """None at all where no attention is seen: readings then have no rows."""
    default_site: Site
    """The last attention that reaches the logits, all heads."""
    no_attention_because: str | None = None
    """Why there are no layers, as a clause; None where there are."""
    no_attention_hint: str | None = None
    """How some might be seen after all."""
    module: nn.Module
    """The model itself, for a look at the mode it is in."""
    unit: str = "token"
    """What its units are: `token` or `word`."""
    batches_texts: bool = True
    """Whether texts may share a batch; where a trial found that they disturb each other, every
    batch holds one text."""
    pads_texts: bool = True
    """Whether those of a batch may be of different lengths; where padding disturbs them, not."""
    device: torch.device
    asked: Mapping[str, object] = MappingProxyType({})
    """The settings that say what it is asked of a text: its prompt, which data has to fill; or
    which text of a pair is audited."""

    @property
    def has_prompt(self) -> bool:
        """Whether each text stands in a prompt, or in a chat."""
        return self.asked.get("prompt") is not None or bool(self.asked.get("chat"))

    @cached_property
    def capacity(self) -> Capacity:
        """How much of it is computed at once."""
        return Capacity.of(self.module, self.device)

    def batch_limits(self, batch_size: int | Literal["auto"]) -> BatchLimits:
        """How large batches may be; texts that disturb each other stand alone all the same."""
        if not self.batches_texts:
            return BatchLimits(1)
        if batch_size != "auto":
            return BatchLimits(batch_size)
        return BatchLimits(n_tokens=self.capacity.n_tokens)

    def n_rows(self, site: Site, n_tokens: int) -> int:
        """How many rows a text of so many tokens has at a site, at most."""
        if not self.layers:
            return 0
        n_heads = self.layers[site.layer].n_heads if site.head is None else 1
        return n_heads * n_tokens

    @property
    def dtype(self) -> torch.dtype:
        """How finely it computes: what the noise floors of its numbers follow."""
        return coarsest_dtype(self.module)

    @property
    def logit_limits(self) -> tuple[float, float] | None:
        """Between which its logits lie, where they are made of probabilities; None: anywhere."""
        return None

    @property
    def repeats_exactly(self) -> bool:
        """Whether the same pass gives the same bits: a GPU may add numbers in another order."""
        return self.device.type == "cpu"

    @abstractmethod
    def describe(self) -> ModelDescription:
        """Architecture, size, task and sites, as reports and `inspect` show them."""

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Turn examples into model inputs and their audited units.

        Raises:
            IncompatibleDataError: An example does not fit the model: a missing second text, a label
                or candidate that the model does not know, a text without any unit.
        """

    @abstractmethod
    def collate(self, encoded: Sequence[EncodedExample]) -> Batch:
        """Pad encoded examples into one batch on the model's device."""

    @abstractmethod
    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        """One forward pass for all `sites`, one reading each; without gradients of its own."""

    def embed(self, batch: Batch) -> Embeddings:
        """The embeddings of the audited tokens: what `forward` differentiates with respect to.

        Of every sequence that is read at once: of a text, or of its windows one after the other.
        Only where `no_gradient_because` says nothing.
        """
        raise NotImplementedError

    def forward(
        self, batch: Batch, embeddings: Embeddings, hold_attention: bool, rules: Rules | None = None
    ) -> Logits:
        """Logits from given token embeddings, differentiable in them, where `embed` gives some.

        Args:
            embeddings: Used at every look-up of an audited token.
            hold_attention: Treat the attention weights as constants.
            rules: Make other constants of some sites' weights, as of the batch's own embeddings.
        """
        raise NotImplementedError

    @property
    def no_gradient_because(self) -> str | None:
        """Why nothing can be differentiated with respect to embeddings; None where it can."""
        return None

    def baseline(self, batch: Batch) -> Embeddings:
        """Embeddings that say nothing: of the token that pads texts, else zeros."""
        return torch.zeros_like(self.embed(batch))

    @property
    def not_whole_because(self) -> str | None:
        """Why attention is not that of every token to every token, layer by layer; None: it is."""
        return "its attention is seen over the audited units alone"

    def read_whole(self, batch: Batch, *, differentiable: bool = False) -> WholeAttention:
        """All attention of one pass; only where `not_whole_because` says nothing."""
        raise NotImplementedError

    @property
    def no_states_because(self) -> str | None:
        """Why it cannot be seen what the model has made of a text; None where it can."""
        return "its states are not seen"

    def states(self, batch: Batch) -> ReadoutStates:
        """Behind the last attention; only where `no_states_because` says nothing."""
        raise NotImplementedError

    @property
    @abstractmethod
    def removals(self) -> Mapping[str, Removal]:
        """The ways to leave units out, by name, those too that this model does not have."""

    @abstractmethod
    def erase(self, batch: Batch, keep: KeptUnits, operator: str | None = None) -> VariantLogits:
        """Logits with only the units marked in `keep`; all kept gives the prediction itself.

        Where no unit is left: the logits of what else the model reads, markers or a prompt; of no
        input at all, or of a model that cannot be given that, the prediction itself.

        Args:
            operator: One of `removals`; None: the one that suits the model best.

        Raises:
            ConfigurationError: The model has no such operator.
        """

    def intervene(self, batch: Batch, rules: Rules) -> Logits:
        """Logits of one pass in which all of these sites use other weights; where there are sites.

        Each rule gets the weights that its site computes in this very pass, behind what the sites
        before it were made to use. Where sites overlap, the later one's rule stands.
        """
        raise NotImplementedError


def require_numbers(batch: Batch, reading: Reading) -> None:
    """Refuse logits and weights that are NaN or infinite, and name the first such example.

    Raises:
        InvalidOutputError: A logit of an answer that is allowed, or a weight, is no finite number.
    """
    logits = reading.logits
    if batch.allowed is not None:  # elsewhere they are -inf
        logits = logits.masked_fill(~batch.allowed, 0)
    require_finite(batch, logits, "output")
    require_finite(batch, reading.attention.flatten(1), "attention")


def require_finite(batch: Batch, values: Float[Tensor, "batch any"], what: str) -> None:
    """Refuse values that are NaN or infinite, and name the first example that has one.

    Raises:
        InvalidOutputError: A value is no finite number.
    """
    wrong = ~values.isfinite().all(dim=-1)
    if bool(wrong.any()):
        first = int(wrong.int().argmax())
        raise InvalidOutputError(batch.encoded[first].example.id, what)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within, a module of the caller's is in evaluation mode and needs no gradients.

    What a caller holds gradients off with is no matter: importance is measured by some.
    """
    trained = [each for each in module.modules() if each.training]
    learnt = [parameter for parameter in module.parameters() if parameter.requires_grad]
    module.eval().requires_grad_(False)
    try:
        with torch.inference_mode(False):
            yield
    finally:
        for each in trained:
            each.training = True
        for parameter in learnt:
            parameter.requires_grad_(True)


def fingerprint(path: Path, vocabulary: Path | None = None) -> str:
    """SHA-256 of a model file, or of everything that a model's folder consists of."""
    if path.is_file():
        return sha256_of(path)
    more = [] if vocabulary is None else [f"--vocabulary {sha256_of(vocabulary)}"]
    return sha256_of_all(filter(Path.is_file, path.iterdir()), *more)
