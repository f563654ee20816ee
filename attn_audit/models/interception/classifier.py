"""What interception must know of a module: how texts become inputs and outputs logits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.distances import Logits
from attn_audit.errors import UnsupportedModelError
from attn_audit.models.contract import Batch, EncodedExample, coarsest_dtype
from attn_audit.models.task import Task
from attn_audit.results.model_description import ModelDescription

NOT_AUDITED = -1
"""In place of a unit's index: a special token, a second text, padding."""


@dataclass(frozen=True, slots=True)
class EncodedSequence(EncodedExample):
    """An example as a sequence of positions. Classifiers subclass it to carry their inputs."""

    unit_of_position: tuple[int, ...]
    """For each position, padding left out, the unit that it belongs to, or NOT_AUDITED."""

    @property
    def n_tokens(self) -> int:
        """Special tokens and a second text included."""
        return len(self.unit_of_position)


class NeutralToken(NamedTuple):
    """A token that says nothing."""

    words: str
    """Its kind and spelling, as reports say them."""
    id: int


@dataclass(frozen=True)
class Arguments:
    """What a module is called with, the batch axis first."""

    arguments: tuple[Tensor, ...]
    """By position."""
    keywords: Mapping[str, Tensor]

    def __getitem__(self, name: int | str) -> Tensor:
        return self.arguments[name] if isinstance(name, int) else self.keywords[name]

    def named(self) -> Iterator[tuple[int | str, Tensor]]:
        """All of them, with position or name."""
        yield from enumerate(self.arguments)
        yield from self.keywords.items()


@dataclass(frozen=True)
class ModelInputs(Arguments):
    """With which of its positions are audited."""

    units: Int[Tensor, "batch position"]
    """The unit that each position belongs to, NOT_AUDITED elsewhere."""
    real: Bool[Tensor, "batch position"]
    """False where a position is padding."""

    def __len__(self) -> int:
        return len(self.units)

    @property
    def n_positions(self) -> int:
        """Positions of the longest row."""
        return self.units.shape[1]

    def map(self, change: Callable[[Tensor], Tensor]) -> "ModelInputs":
        """Change every tensor."""
        return ModelInputs(
            tuple(change(argument) for argument in self.arguments),
            {name: change(value) for name, value in self.keywords.items()},
            change(self.units),
            change(self.real),
        )

    def take(self, rows: Int[Tensor, " row"]) -> "ModelInputs":
        """Some rows of the batch, in this order."""
        return self.map(lambda tensor: tensor[rows])

    def repeat(self, times: int) -> "ModelInputs":
        """Every row `times` times in succession."""
        return self.map(lambda tensor: tensor.repeat_interleave(times, dim=0))

    def map_positions(self, change: Callable[[Tensor], Tensor]) -> "ModelInputs":
        """Change every tensor that has something for each position."""
        shape = self.units.shape
        return self.map(lambda tensor: change(tensor) if tensor.shape[:2] == shape else tensor)

    def pick(self, positions: Int[Tensor, " batch"]) -> "ModelInputs":
        """One position of each row, as a sequence of length 1."""
        rows = torch.arange(len(self), device=positions.device)
        return self.map_positions(lambda tensor: tensor[rows, positions].unsqueeze(1))

    def with_argument(self, name: int | str, value: Tensor) -> "ModelInputs":
        """Another tensor in the place of one, given by position or name."""
        if isinstance(name, str):
            return replace(self, keywords={**self.keywords, name: value})
        before, after = self.arguments[:name], self.arguments[name + 1 :]
        return replace(self, arguments=(*before, value, *after))

    def trim(self) -> "ModelInputs":
        """Without the positions that are padding in every row."""
        used = self.real.any(dim=0)
        return self if bool(used.all()) else self.map_positions(lambda tensor: tensor[:, used])


ModelDetails = Mapping[str, str | int | float | bool | None]
"""Sizes and settings by name; None: not to be told."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model comes from, and what reports say of that."""

    source: str = "in memory"
    """What messages and reports call it: as the user wrote it."""
    sha256: str | None = None
    """Of its files."""
    details: ModelDetails = field(default_factory=dict)


IN_MEMORY = Provenance()


class Classifier(ABC):
    """A module with what surrounds it: tokens in, logits out.

    Positions are the keys that attention is spread over, in the order in which the module has them.
    """

    module: nn.Module
    task: Task
    device: torch.device
    takes_pairs: bool
    provenance: Provenance = IN_MEMORY
    format: str
    """What kind of thing it was made of, as reports say it."""
    training: ModelDetails = MappingProxyType({})
    """How it was made, where that is told."""
    architecture: str
    """In one line."""
    unit: str = "token"
    """What its units are: `token` or `word`."""
    can_mask: bool
    """Whether a position can be hidden by an attention mask."""
    can_read_nothing: bool = False
    """Whether a text without any unit is one that it reads."""
    can_read_markers: bool = False
    """Whether what stands around a text can be given to it without any unit."""
    neutral_token: NeutralToken | None = None
    """What stands for a unit that is not to be seen; None where it knows no such token."""
    padding_token: int | None = None
    """The id that stands where a text has ended; None where it knows no such token."""
    logit_limits: tuple[float, float] | None = None
    """Where the module gives probabilities: what logits, or differences of such of labels that
    compete, can be at all."""
    first_places: tuple[int, ...] = ()
    """What the number of a text's first place may be, of a module that can be told its tokens'
    places; a trial shows which it is."""
    ids: str | int | None = None
    """The input that holds the tokens' ids: its name, or its place among the arguments. None: the
    first whose ids the embedding table is asked for."""

    @property
    def details(self) -> ModelDetails:
        """What reports tell of it beside that."""
        return self.provenance.details

    def describe(self) -> ModelDescription:
        """What is known before anything is tried out: no layers, no findings."""
        return ModelDescription(
            source=self.provenance.source,
            sha256=self.provenance.sha256,
            format=self.format,
            architecture=self.architecture,
            task=self.task.name,
            labels=() if self.task.is_vocabulary else self.task.labels,
            sites=(),
            layers=(),
            default_layer=0,
            n_parameters=sum(parameter.numel() for parameter in self.module.parameters()),
            dtype=str(coarsest_dtype(self.module)).removeprefix("torch."),
            linear_readout=False,
            takes_pairs=self.takes_pairs,
            training=dict(self.training),
            details={name: told for name, told in self.details.items() if told is not None},
        )

    @abstractmethod
    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Turn examples into token sequences and their audited units.

        Raises:
            IncompatibleDataError: An example does not fit the model.
        """

    def encode_unlabelled(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """The same for a trial, which has no use for labels, whatever they are called."""
        return self.encode([replace(each, labels=None, candidates=None) for each in examples])

    @abstractmethod
    def collate(self, encoded: Sequence[EncodedExample]) -> ModelInputs:
        """Pad examples into one batch on the module's device."""

    def mask(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        """The inputs with an attention mask of 0 at some positions; only where `can_mask`."""
        raise NotImplementedError

    def leave_gaps(
        self, inputs: ModelInputs, gone: Bool[Tensor, "batch position"], first_place: int
    ) -> ModelInputs:
        """The inputs without some positions; the others keep their places. See `first_places`."""
        raise NotImplementedError

    def delete(
        self, encoded: Sequence[EncodedExample], keep: Bool[Tensor, "batch unit"]
    ) -> ModelInputs:
        """The inputs of shorter texts, without the units that are not kept.

        Those that are have the same numbers as before.

        Args:
            encoded: One for each row of `keep`; an example may come several times.
            keep: The units that stay. At least one in each row, unless `can_read_nothing`, or
                `can_read_markers` and the text stands among some.
        """
        texts = {id(item): item for item in encoded}
        row_of = {key: row for row, key in enumerate(texts)}
        rows = torch.tensor([row_of[id(item)] for item in encoded], device=self.device)
        whole = self.collate(list(texts.values())).take(rows)
        gone = removed_positions(whole.units, keep.to(self.device))
        return self.moved_together(whole, whole.real & ~gone)

    def moved_together(
        self, inputs: ModelInputs, stays: Bool[Tensor, "batch position"]
    ) -> ModelInputs:
        """The inputs without some positions, whose gaps are closed; what `delete` leaves to do."""
        raise NotImplementedError

    @abstractmethod
    def logits(self, inputs: ModelInputs) -> Logits:
        """Call the module: its output as logits of the task, differentiable."""

    def outputs(self, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """The module's own outputs, that the task makes logits of; where they are, the logits."""
        return self.logits(inputs)

    @property
    def can_continue(self) -> bool:
        """Whether it can be given what it kept of a text's beginning, for a trial to confirm."""
        return False

    def kept_prefixes(self, inputs: ModelInputs) -> Any:
        """What it keeps of whole texts, at each position; only where it `can_continue`."""
        raise NotImplementedError

    def continued(
        self,
        kept: Any,
        rows: Int[Tensor, " row"],
        n_kept: Int[Tensor, " row"],
        inputs: ModelInputs,
    ) -> Logits:
        """The logits of texts whose first positions are those of others, and not computed again.

        Args:
            kept: Of `kept_prefixes`; it stays as it is.
            rows: Whose beginning each text has.
            n_kept: How much of it.
            inputs: Of the whole texts, padded on the right.
        """
        raise NotImplementedError

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"] | None:
        """The positions that the output is read at, where it says so; None: a trial finds them."""
        return None

    @abstractmethod
    def embedding_table(self) -> Tensor | None:
        """The weights that token ids are looked up in; None where there is no one such table."""


def removed_positions(
    units: Int[Tensor, "row position"], keep: Bool[Tensor, "row unit"]
) -> Bool[Tensor, "row position"]:
    """The positions of units that do not stay."""
    return ~keep.gather(1, units.clamp_min(0)) & (units >= 0)


@dataclass(frozen=True)
class InterceptedBatch(Batch):
    """Padded inputs, and what of them is audited."""

    inputs: ModelInputs
    readout_units: Int[Tensor, " batch"]
    """The unit that holds the token which is read out, or NOT_AUDITED."""

    def sum_over_units(self, values: Float[Tensor, "batch token"]) -> Float[Tensor, "batch unit"]:
        """Add up the values of each unit's positions."""
        units = self.inputs.units
        out = torch.zeros(self.unit_mask.shape, dtype=values.dtype, device=values.device)
        return out.scatter_add(1, units.clamp_min(0), values * (units != NOT_AUDITED))


PROBE = "probe-"
"""What ids of built-in texts begin with."""

_TEXTS = (
    "A warm , funny and beautifully acted film .",
    "The plot makes no sense , and the jokes are older than the actors who tell them .",
    "It rains .",
    "Whoever wrote this report read none of the figures in it .",
)


def require_eager(module: nn.Module) -> None:
    """Refuse what torch.compile made: a graph calls nothing that could be seen.

    Raises:
        UnsupportedModelError: The module or a part of it is compiled.
    """
    for name, part in module.named_modules():
        forward = getattr(part, "forward", None)
        is_wrapped = hasattr(part, "_orig_mod") or hasattr(forward, "_torchdynamo_orig_callable")
        if is_wrapped or getattr(part, "_compiled_call_impl", None) is not None:
            raise UnsupportedModelError(
                f"{f'part {name!r} of the model' if name else 'the model'} is compiled "
                "(torch.compile), and a compiled graph cannot be looked into",
                hint="Give the model itself, before torch.compile.",
            )


def or_probes(
    examples: Sequence[Example], as_pairs: bool = False, fields: Sequence[str] = ()
) -> Sequence[Example]:
    """The examples, or built-in ones of different lengths where there are none."""
    return examples or [
        Example(
            id=f"{PROBE}{i}",
            text=text,
            text_pair=_TEXTS[i - 1] if as_pairs else None,
            fields=dict.fromkeys(fields, _TEXTS[i - 1]),
        )
        for i, text in enumerate(_TEXTS)
    ]
