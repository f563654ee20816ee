"""One pass that reads attention, the audited units' weights in it, and back for a replay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.contract import Mass, RowChoice, RowWeights
from attn_audit.models.interception.attention_point import (
    AttentionPoint,
    Reached,
    VariantLogits,
    Way,
    Weights,
)
from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, ModelInputs
from attn_audit.models.interception.key_order import KeyOrder
from attn_audit.models.interception.mode import Interception, Visit
from attn_audit.models.interception.module_calls import CallKey, kept_outputs
from attn_audit.models.interception.observation import admissible_keys, laid_out_otherwise
from attn_audit.models.interception.readout import ReadoutRule, reaching_rows, rows_by_rule
from attn_audit.models.interception.survey import Survey

PlaceKey = tuple[int, RowChoice]
"""Layer, and which of its rows."""


@dataclass(frozen=True)
class Pass:
    """What one pass over a batch showed."""

    logits: Logits
    reached: dict[PlaceKey, Reached]
    admissible: dict[PlaceKey, Bool[Tensor, "batch head query key"]]


@dataclass(frozen=True)
class Seen:
    """The weights of a place's rows, as the pass computed them."""

    rows: Int[Tensor, "batch query"]
    row_mask: Bool[Tensor, "batch query"]
    weights: Float[Tensor, "batch head query key"]
    admissible: Bool[Tensor, "batch head query key"]

    def reached(
        self, classifier: Classifier, point: AttentionPoint, inputs: ModelInputs
    ) -> Reached:
        """What is read, or replaced, there; no call before it is remembered."""
        return Reached(classifier, point, inputs, self.rows, self.row_mask, self.weights, {})


class Lookout:
    """Looks at some places of a pass while it runs.

    Args:
        found: What is known of its attentions.
        places: Layers, and which rows of them.
    """

    def __init__(
        self,
        classifier: Classifier,
        found: Survey,
        inputs: ModelInputs,
        places: Sequence[PlaceKey],
    ) -> None:
        self.classifier, self.found, self.inputs = classifier, found, inputs
        self.places = {
            found.points[layer].number: [key for key in places if key[0] == layer]
            for layer, _ in places
        }
        """The places at each attention that is wanted, by its number."""
        self._reaching = _reaching(classifier, found, inputs)
        self._met: set[PlaceKey] = set()

    def see(self, place: PlaceKey, weights: Tensor, scores: Tensor | None) -> Seen:
        """A place's rows among all weights of its attention.

        Raises:
            UnsupportedModelError: There are more keys than in the trial, or fewer.
        """
        layer, choice = place
        point, inputs = self.found.points[layer], self.inputs
        n_more = weights.shape[3] - inputs.n_positions
        if point.n_more_keys not in (None, n_more):
            raise laid_out_otherwise(self.classifier.module, len(inputs))
        rule = ReadoutRule.ALL if choice is RowChoice.ALL else self.found.rule
        rows, mask = _rows(rule, point, inputs, weights.shape[2], self._reaching)
        self._met.add(place)
        return _pick(point, inputs, weights, scores, rows, mask)

    def run(self, visit: Visit) -> Logits:
        """The logits of a pass, with `visit` called at the wanted attentions.

        Raises:
            UnsupportedModelError: In this batch the attention is not what it was in the trial.
        """
        found, inputs = self.found, self.inputs
        mode = Interception(len(inputs), visit, wanted=list(self.places), sight=found.sight)
        with mode.active():
            logits = self.classifier.logits(inputs)
        is_as_tried = not found.sight.is_tried or mode.n_seen == found.n_softmaxes
        if self._met != {key for keys in self.places.values() for key in keys} or not is_as_tried:
            raise laid_out_otherwise(self.classifier.module, len(inputs))
        return logits


@torch.no_grad()
def run_pass(
    classifier: Classifier, found: Survey, inputs: ModelInputs, places: Sequence[PlaceKey]
) -> Pass:
    """Run the model once, and read its attention at some places.

    Args:
        found: What is known of its attentions.
        places: Layers, and which rows of them.

    Raises:
        UnsupportedModelError: In this batch the attention is not what it was in the trial.
    """
    lookout = Lookout(classifier, found, inputs, places)
    seen: dict[PlaceKey, Seen] = {}

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> None:
        seen.update({key: lookout.see(key, weights, scores) for key in lookout.places[number]})

    with kept_outputs(_wanted_calls(found, places)) as outputs:
        logits = lookout.run(visit)
    reached = {
        key: replace(s.reached(classifier, found.points[key[0]], inputs), outputs=outputs)
        for key, s in seen.items()
    }
    return Pass(logits, reached, {key: s.admissible for key, s in seen.items()})


def _wanted_calls(found: Survey, places: Sequence[PlaceKey]) -> dict[CallKey, torch.nn.Module]:
    calls: dict[CallKey, torch.nn.Module] = {}
    for layer, _ in places:
        script = found.points[layer].script
        calls |= script.finished if script is not None else {}
    return calls


def _reaching(classifier: Classifier, found: Survey, inputs: ModelInputs) -> Tensor | None:
    """The rows that reach the logits, where no rule names them."""
    if found.rule is not ReadoutRule.FOUND:
        return None
    point = found.points[found.default]
    return reaching_rows(classifier, inputs, [point.number], found.sight)[point.number]


def _rows(
    rule: ReadoutRule,
    point: AttentionPoint,
    inputs: ModelInputs,
    n_queries: int,
    reaching: Tensor | None,
) -> tuple[Tensor, Tensor]:
    rows, mask = rows_by_rule(rule, point.real_rows(inputs, n_queries))
    if rule is ReadoutRule.FOUND and reaching is not None and reaching.shape == mask.shape:
        mask = reaching
    return rows, mask


def _pick(
    point: AttentionPoint,
    inputs: ModelInputs,
    weights: Tensor,
    scores: Tensor | None,
    rows: Tensor,
    mask: Tensor,
) -> Seen:
    index = rows[:, None, :, None].expand(-1, weights.shape[1], -1, weights.shape[3])
    picked = weights.gather(2, index)
    if scores is not None:
        admissible = admissible_keys(scores.gather(2, index))
    else:
        real = point.order.of_keys(inputs.real.long(), inputs.real, weights.shape[3]) != 0
        admissible = real[:, None, None].expand_as(picked)
    return Seen(rows, mask, picked, admissible)


@dataclass(frozen=True)
class UnitKeys:
    """Which unit each key of an attention belongs to."""

    unit: Int[Tensor, "batch key"]
    """0 where the key is not audited."""
    is_audited: Bool[Tensor, "batch key"]
    n_units: int

    @staticmethod
    def of(inputs: ModelInputs, order: KeyOrder, n_keys: int, n_units: int) -> "UnitKeys":
        """The units of an attention's keys.

        Args:
            order: Which position each key stands for.
            n_keys: How many keys; one that stands for none is a sink, or a marker of the module's.
        """
        units = order.of_keys(inputs.units, inputs.real, n_keys)
        return UnitKeys(units.clamp_min(0), units != NOT_AUDITED, n_units)

    @cached_property
    def are_units(self) -> bool:
        """Whether each key is a unit, in the units' order, wherever it is audited."""
        keys = torch.arange(self.unit.shape[1], device=self.unit.device)
        in_place = (self.unit == keys) | ~self.is_audited
        return self.n_units == self.unit.shape[1] and bool(in_place.all())

    def total(self, weights: Float[Tensor, "batch row key"]) -> Float[Tensor, "batch row unit"]:
        """The weight of each unit: the sum over its keys."""
        audited = weights * self.is_audited.unsqueeze(1)
        if self.are_units:
            return audited
        out = weights.new_zeros(*weights.shape[:2], self.n_units)
        return out.scatter_add(2, self.unit.unsqueeze(1).expand_as(weights), audited)

    def any(self, mask: Bool[Tensor, "batch row key"]) -> Bool[Tensor, "batch row unit"]:
        """Whether any key of a unit is marked."""
        return self.total(mask.float()) > 0

    def of_keys(
        self, values: Float[Tensor, "batch *variant row unit"]
    ) -> Float[Tensor, "batch *variant row key"]:
        """For each key the value of its unit."""
        middle = (1,) * (values.dim() - 2)
        index = self.unit.reshape(len(self.unit), *middle, -1)
        return values.gather(-1, index.expand(*values.shape[:-1], -1))


KeyWeights = Float[Tensor, "batch row key"]


@dataclass(frozen=True)
class Rows:
    """The rows of one site, head by head, over keys and over units."""

    reached: Reached
    head: int | None
    keys: UnitKeys
    weights: KeyWeights
    """Raw: over all keys."""
    admissible_keys: Bool[Tensor, "batch row key"]
    row_mask: Bool[Tensor, "batch row"]

    @staticmethod
    def of(
        reached: Reached,
        admissible: Bool[Tensor, "batch head query key"],
        head: int | None,
        n_units: int,
    ) -> "Rows":
        """The rows of one head, or of all.

        Args:
            admissible: The keys that the rows may attend to.
            head: Its index; None for all.
        """
        chosen = slice(None) if head is None else slice(head, head + 1)
        weights = reached.weights[:, chosen]
        n_heads = weights.shape[1]
        keys = UnitKeys.of(reached.inputs, reached.point.order, weights.shape[-1], n_units)
        mask = reached.row_mask.repeat(1, n_heads)
        # Rows of padding may be no numbers, where they attend to nothing.
        rows = weights.flatten(1, 2).masked_fill(~mask.unsqueeze(-1), 0)
        allowed = admissible[:, chosen].flatten(1, 2) & mask.unsqueeze(-1)
        return Rows(reached, head, keys, rows, allowed & keys.is_audited.unsqueeze(1), mask)

    @property
    def mass(self) -> Float[Tensor, "batch row"]:
        """The share of each row on the audited units; rounding makes none of it more than 1."""
        return (self.weights * self.keys.is_audited.unsqueeze(1)).sum(dim=-1).clamp_max(1)

    @property
    def rest(self) -> Float[Tensor, "batch row"]:
        """The share on everything else."""
        return (self.weights * ~self.keys.is_audited.unsqueeze(1)).sum(dim=-1)

    @property
    def attention(self) -> Float[Tensor, "batch row unit"]:
        """Renormalised over the audited units; zeros where none of them has weight."""
        totals = self.keys.total(self.weights.double())
        mass = totals.sum(dim=-1, keepdim=True)
        return (totals / torch.where(mass > 0, mass, 1)).to(self.weights.dtype)

    @property
    def admissible(self) -> Bool[Tensor, "batch row unit"]:
        """Units with a key that the row may attend to."""
        return self.keys.any(self.admissible_keys)

    def raw(
        self, attention: Float[Tensor, "batch variant row unit"], mass: Mass | None = None
    ) -> Float[Tensor, "batch variant row key"]:
        """Weights over all keys: units get shares of the row's mass, the rest keeps its own.

        Inside a unit of several keys, and among the rest, the proportions stay.

        Args:
            attention: Over the units; each row sums to 1.
            mass: Of each row; None: its own.
        """
        if mass is not None and mass.dim() == 2:
            mass = mass.unsqueeze(1)
        if self._are_shares:  # what a row may not attend to has no weight, and no gradient
            shares = attention * self.admissible_keys.unsqueeze(1)
            return shares if mass is None else shares * mass.unsqueeze(-1)
        others = (self.weights * ~self.keys.is_audited.unsqueeze(1)).unsqueeze(1)
        if mass is None:
            return self.keys.of_keys(attention) * self._of_units.unsqueeze(1) + others
        of_units = self._shares_within_units().unsqueeze(1) * mass.unsqueeze(-1)
        given_up = (self.mass.unsqueeze(1) - mass) / self._divisible_rest.unsqueeze(1)
        factor = (1 + given_up).clamp_min(0).unsqueeze(-1)
        return self.keys.of_keys(attention) * of_units + others * factor

    @property
    def _divisible_rest(self) -> Float[Tensor, "batch row"]:
        """The share on everything else, or 1 where there is none: there is nothing to scale."""
        return torch.where(self.rest > torch.finfo(self.rest.dtype).tiny, self.rest, 1)

    def as_units(self) -> RowWeights:
        """The rows over the units."""
        return RowWeights(
            attention=self.attention,
            admissible=self.admissible,
            mass=self.mass,
            rest=self.rest,
            row_mask=self.row_mask,
        )

    @cached_property
    def _are_shares(self) -> bool:
        """Whether units are keys, and nothing else has weight: then nothing is to be shared out."""
        return self.keys.are_units and not bool(self.rest.any())

    @cached_property
    def _of_units(self) -> KeyWeights:
        """What each key gets of its unit's attention: of the row's mass, the share in its unit."""
        return self._shares_within_units() * self.mass.unsqueeze(-1)

    def _shares_within_units(self) -> KeyWeights:
        """Of its unit's weight the share of each key; equal shares where the unit has none."""
        weights = self.weights * self.admissible_keys
        allowed = self.admissible_keys.to(weights)
        totals = self.keys.of_keys(self.keys.total(weights))
        counts = self.keys.of_keys(self.keys.total(allowed)).clamp_min(1)
        tiny = torch.finfo(weights.dtype).tiny
        shares = torch.where(totals > tiny, weights / totals.clamp_min(tiny), allowed / counts)
        return shares * self.keys.is_audited.unsqueeze(1)

    def replay(
        self,
        way: Way,
        attention: Float[Tensor, "batch variant row unit"],
        mass: Mass | None = None,
    ) -> VariantLogits:
        """Logits under other attention of this site's rows; other heads keep their own.

        Args:
            way: How weights of all heads are replayed.
            mass: Of each row on them; None: its own.
        """
        return way(self.of_all_heads(attention, mass))

    def of_all_heads(
        self, attention: Float[Tensor, "batch variant row unit"], mass: Mass | None = None
    ) -> Weights:
        """Weights over all keys, of this site's rows and of the heads that keep their own."""
        n_batch, n_variants = attention.shape[:2]
        dtype = self.weights.dtype
        raw = self.raw(attention.to(dtype), None if mass is None else mass.to(dtype))
        own = self.reached.weights
        n_heads, n_queries, n_keys = own.shape[1:]
        if self.head is None:
            return raw.reshape(n_batch, n_variants, n_heads, n_queries, n_keys)
        every = own.unsqueeze(1).expand(-1, n_variants, -1, -1, -1)
        before, after = every[:, :, : self.head], every[:, :, self.head + 1 :]
        return torch.cat([before, raw.unsqueeze(2), after], dim=2)
