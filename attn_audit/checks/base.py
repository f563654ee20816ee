"""What every check sees and gives, and the output under other attention."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

from attn_audit.findings.example import Status
from attn_audit.findings.measure import measure
from attn_audit.measures.base import normalised
from attn_audit.measures.head_mix import Mixes
from attn_audit.measures.registry import Importances
from attn_audit.models.capacity import BYTES_OF_AN_OUTPUT
from attn_audit.models.contract import (
    AuditedModel,
    Batch,
    Reading,
    Site,
    coarseness,
    require_numbers,
)
from attn_audit.models.margin import Margin

T = TypeVar("T")

Columns = dict[str, Sequence[Any]]
"""Values of record fields by name, one for each example of a batch; None where not measured."""


def columns_of(found: Sequence[Mapping[str, object]]) -> Columns:
    """What was found of each example, field by field."""
    names = dict.fromkeys(name for numbers in found for name in numbers)
    return {name: [numbers.get(name) for numbers in found] for name in names}


def join_statuses(statuses: Sequence[str]) -> str:
    """A record's status field: the reasons, or `measured` where there is none."""
    return "+".join(statuses) if statuses else Status.MEASURED


def joined_statuses(*reasons: tuple[np.ndarray, str]) -> list[str]:
    """The status of each example: of all reasons those that hold of it."""
    of_examples = zip(*(holds.tolist() for holds, _ in reasons), strict=True)
    return [
        join_statuses([reason for (_, reason), does in zip(reasons, hold, strict=True) if does])
        for hold in of_examples
    ]


def or_none(values: np.ndarray, keep: np.ndarray) -> list[float | None]:
    """Values as plain floats, None where `keep` is False."""
    return where_kept(values.tolist(), keep)


def where_kept(values: Iterable[T], keep: np.ndarray) -> list[T | None]:
    """Values of any kind, None where `keep` is False."""
    return [value if kept else None for value, kept in zip(values, keep.tolist(), strict=True)]


def rows_of(values: Tensor, lengths: np.ndarray) -> list[tuple[float, ...]]:
    """Per-unit values without their padding."""
    table = values.cpu().tolist()
    return [tuple(row[:n]) for row, n in zip(table, lengths.tolist(), strict=True)]


def scores_of(audited: "AuditedBatch", name: str) -> list[tuple[float, ...] | None]:
    """What records hold of a measure: with its sign, or as it is correlated; None: no scores."""
    importance = audited.importances[name]
    shown = audited.importances.scores(name) if measure(name).keeps_sign else importance
    has_scores = ~importance.isnan().any(dim=1).cpu().numpy()
    return where_kept(rows_of(shown, audited.lengths), has_scores)


MIN_AUDITED_MASS = 1e-6
"""Below this share of attention on the audited units, an example's attention is rounding noise."""


@dataclass(frozen=True)
class AuditedBatch:
    """A batch at one site, with everything that several checks need, computed once."""

    model: AuditedModel
    batch: Batch
    site: Site
    reading: Reading
    seed: int
    importances: Importances
    """Shared by all sites of the batch."""
    attention: Float64[Tensor, "batch row unit"]
    """The model's weights, renormalised in float64; zeros where a row has no mass."""
    explanation: Float64[Tensor, "batch unit"]
    """What people would be shown: the renormalised mean of the rows' raw weights."""
    mass: Float64[Tensor, " batch"]
    """Share of all attention that lies on the audited units: the mean over the rows there are."""
    probabilities: Float64[Tensor, "batch label"]
    """Shared by all sites of the batch, as the logits are."""
    margin: Margin
    """The same."""
    is_beside: bool = False
    """Whether the site stands beside the audited one."""

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the examples."""
        return [encoded.example.id for encoded in self.batch.encoded]

    @cached_property
    def lengths(self) -> Int64[np.ndarray, " batch"]:
        """Units of each example."""
        return np.array([encoded.n_units for encoded in self.batch.encoded])

    @property
    def has_attention(self) -> bool:
        """Whether any attention is seen; else only outputs can be looked at."""
        return self.model.no_attention_because is None

    @cached_property
    def has_mass(self) -> Bool[np.ndarray, " batch"]:
        """Whether enough attention lies on the audited units to say anything."""
        has_mass: np.ndarray = (self.mass >= MIN_AUDITED_MASS).cpu().numpy()
        return has_mass

    @cached_property
    def has_margin(self) -> Bool[np.ndarray, " batch"]:
        """Whether the model decides, so that a part of its margin can be lost."""
        has_margin: np.ndarray = ~self.margin.whole.isnan().any(dim=1).cpu().numpy()
        return has_margin

    @cached_property
    def admissible(self) -> Bool[Tensor, "batch row unit"]:
        """The units that each row may attend to; none where there is no row."""
        return self.reading.admissible & self._every_unit

    @property
    def _every_unit(self) -> Bool[Tensor, "batch row unit"]:
        return self.reading.row_mask.unsqueeze(2) & self.batch.unit_mask.unsqueeze(1)

    @cached_property
    def is_unrestricted(self) -> bool:
        """Whether every row may attend to every unit of its text: the usual case."""
        return bool((self.admissible == self._every_unit).all())

    @cached_property
    def has_all_rows(self) -> bool:
        """Whether no text has fewer rows than another."""
        return bool(self.reading.row_mask.all())

    @cached_property
    def can_move(self) -> Bool[np.ndarray, " batch"]:
        """Whether some row may attend to two units, so that attention can lie elsewhere."""
        can_move: np.ndarray = (self.admissible.sum(dim=-1) > 1).any(dim=-1).cpu().numpy()
        return can_move

    @cached_property
    def row_share(self) -> Float64[Tensor, "batch row"]:
        """Each row's part in the explanation; they sum to 1, or are 0 where there is no mass."""
        return normalised(self.reading.mass.double())

    def in_cache(self, n_bytes: int) -> int:
        """How many variants make a portion, if each weight of each row takes so many bytes.

        Of a vocabulary no more than there is memory for the outputs of.
        """
        in_cache = self.model.capacity.in_cache(n_bytes * self.attention.numel())
        return min(in_cache, self.n_in_memory)

    @property
    def n_in_memory(self) -> int:
        """Of how many variants all outputs may be there at once."""
        return self.model.capacity.in_memory(BYTES_OF_AN_OUTPUT * self.probabilities.numel())

    def explain(
        self, weights: Float[Tensor, "batch variant row unit"]
    ) -> Float64[Tensor, "batch variant unit"]:
        """What people would be shown of other attention: the rows' mean, weighted by their mass."""
        return torch.einsum("br,bvru->bvu", self.row_share, weights.double())


@runtime_checkable
class Check(Protocol):
    """One faithfulness check: its settings, and how it measures a batch."""

    id: ClassVar[str]

    def run(self, audited: AuditedBatch) -> Columns:
        """Measure every example of a batch."""
        ...

    def passes(self, n_units: int) -> int:
        """Outputs that it has a model compute of an example of so many units, at one site.

        Whole passes, or replays that begin at the attention; of a search all its steps, though an
        exact adversary takes none. Those of importance measures, which are computed once for all
        sites and checks, are not among them.
        """
        ...


def read_batch(
    model: AuditedModel, batch: Batch, site: Site, seed: int, mixes: Mixes | None = None
) -> AuditedBatch:
    """One forward pass, and what all checks derive from it at one site.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
    """
    return read_sites(model, batch, [site], seed, mixes)[0]


def read_sites(
    model: AuditedModel, batch: Batch, sites: Sequence[Site], seed: int, mixes: Mixes | None = None
) -> list[AuditedBatch]:
    """The batch at every site, by one forward pass; the audited site first, then those beside it.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
    """
    readings = model.read(batch, sites)
    for reading in readings:
        require_numbers(batch, reading)
    logits = readings[0].logits
    margin = Margin.of(model.task, logits, coarseness(model.dtype), model.logit_limits)
    importances = Importances(model, batch, margin, mixes)
    probabilities, found = model.task.probabilities(logits), []
    for site, reading in zip(sites, readings, strict=True):
        attention, mass = normalised(reading.attention.double()), reading.mass.double()
        of_site = AuditedBatch(
            model=model,
            batch=batch,
            site=site,
            reading=reading,
            seed=seed,
            importances=importances,
            attention=attention,
            explanation=normalised(torch.einsum("br,bru->bu", mass, attention)),
            mass=mass.sum(dim=-1) / reading.row_mask.sum(dim=-1).clamp_min(1),
            probabilities=probabilities,
            margin=margin,
            is_beside=site != sites[0],
        )
        found.append(of_site)
    return found


def replayed(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant row unit"]
) -> Float[Tensor, "batch variant label"]:
    """Logits under other weights, of which each row sums to 1, or to 0 where there is none."""
    return audited.reading.replay(weights.to(audited.reading.attention.dtype))


def replayed_probabilities(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant row unit"]
) -> Float64[Tensor, "batch variant label"]:
    """Output probabilities under other weights."""
    return audited.model.task.probabilities(replayed(audited, weights))


def output_distances(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant row unit"]
) -> Float64[Tensor, "batch variant"]:
    """How far the output moves from the model's own, 0 to 1."""
    return distances_of(audited, replayed(audited, weights))


def distances_of(
    audited: AuditedBatch, logits: Float[Tensor, "batch variant label"]
) -> Float64[Tensor, "batch variant"]:
    """How far other logits are from the model's own output, 0 to 1."""
    task, own = audited.model.task, audited.probabilities.unsqueeze(1)
    return torch.cat(
        [
            task.distance(task.probabilities(some), own)
            for some in torch.split(logits, audited.n_in_memory, dim=1)
        ],
        dim=1,
    )


@dataclass(frozen=True)
class Effects:
    """What other attention does to the output, on both scales."""

    distance: Float64[np.ndarray, "batch variant"]
    margin: Float64[np.ndarray, "batch variant"]
    """By which share of itself the margin moves, either way."""
    turned: Float64[np.ndarray, "batch variant"]

    @staticmethod
    def joined(parts: "Sequence[Effects]") -> "Effects":
        """Variants of several portions."""
        names = ("distance", "margin", "turned")
        return Effects(*(np.concatenate([getattr(p, name) for p in parts], 1) for name in names))


def effects_of(audited: AuditedBatch, logits: Float[Tensor, "batch variant label"]) -> Effects:
    """What other logits are to the model's own."""
    margin = audited.margin
    found = (distances_of(audited, logits), margin.moved(logits), margin.turned(logits))
    return Effects(*(effect.cpu().numpy() for effect in found))


def uniform_attention(audited: AuditedBatch) -> Float64[Tensor, "batch row unit"]:
    """The same weight on every unit that a row may attend to; zeros where there is none."""
    admissible = audited.admissible
    return admissible.double() / admissible.sum(dim=-1, keepdim=True).clamp_min(1)


def in_every_row(
    audited: AuditedBatch, weights: Float[Tensor, "batch variant unit"]
) -> Float[Tensor, "batch variant row unit"]:
    """The same distribution in every row, as far as the row may follow it.

    Where a row may not attend to some units, the others have their weights; a row that may attend
    to none of them keeps its own attention.
    """
    rows = weights.unsqueeze(2)
    if audited.is_unrestricted and audited.has_all_rows:
        return rows.expand(-1, -1, audited.attention.shape[1], -1)
    allowed = rows * audited.admissible.unsqueeze(1)
    total = allowed.sum(dim=-1, keepdim=True)
    own = audited.attention.to(weights.dtype).unsqueeze(1)
    return torch.where(total > 0, allowed / torch.where(total > 0, total, 1), own)


def is_measured(audited: AuditedBatch) -> Bool[np.ndarray, " batch"]:
    """Whether moving attention says something: it takes two units to move it between, and mass."""
    measured: np.ndarray = audited.has_mass & audited.can_move
    return measured


def statuses_of_interventions(audited: AuditedBatch) -> list[str]:
    """The status of each example, for a check that moves attention among units."""
    return joined_statuses(
        (~audited.can_move, Status.SINGLE_UNIT), (~audited.has_mass, Status.NO_AUDITED_MASS)
    )
