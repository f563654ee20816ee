"""Which column of an attention is whose: tried, for modules of which nothing can be believed."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.contract import EncodedExample
from attn_audit.models.interception.attention_calls import HEAD, QUERY, Axes, Interception, Sight
from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, ModelInputs
from attn_audit.models.interception.observation import MASKED

MIN_CHANGES = 6
"""Changed units, at least, that a place is told from."""

MIN_MARGIN = 2.5
"""Standard errors by which the right place must beat every other one."""

STANDS_STILL = 0.01
"""Of the largest movement: what is below it is none."""

MIN_REFUTED, SHARE_REFUTED = 2, 0.05
"""Changes, and the part of all of them, that refute an order of keys."""

SAME_SCORES = 1e-3
"""A distance of scores that is rounding."""

NO_MOVEMENT = 1e-6
"""A movement of scores that is rounding."""

N_BESIDE = 3
"""Columns beside the places that are possible, which must be beaten too."""


@dataclass(frozen=True)
class KeyOrder:
    """Which position of the input each key of an attention stands for."""

    n_in_front: int = 0
    """Keys in front of the one of the first position, such as a class token that the module itself
    puts there; negative where the first positions have no keys."""
    is_reversed: bool = False
    """Whether the text is read from its end."""

    def positions(
        self, real: Bool[Tensor, "batch position"], n_keys: int
    ) -> Int[Tensor, "batch key"]:
        """The position of each key; -1 where it stands for none."""
        index = torch.arange(n_keys, device=real.device).expand(len(real), -1) - self.n_in_front
        if self.is_reversed:
            first = real.int().argmax(dim=1, keepdim=True)
            index = 2 * first + real.sum(dim=1, keepdim=True) - 1 - index
        return torch.where((index >= 0) & (index < real.shape[1]), index, -1)

    def of_keys(
        self, values: Int[Tensor, "batch position"], real: Bool[Tensor, "batch position"], n: int
    ) -> Int[Tensor, "batch key"]:
        """What each key's position has; NOT_AUDITED where a key stands for none."""
        positions = self.positions(real, n)
        found = values.gather(1, positions.clamp_min(0))
        return torch.where(positions >= 0, found, NOT_AUDITED)

    def described(self) -> str:
        """In words, for messages."""
        backwards = ", read from the text's end" if self.is_reversed else ""
        return f"{_counted(self.n_in_front)} in front{backwards}"


@dataclass(frozen=True)
class TextChanges:
    """A text, and what it is with one unit replaced, for some of its units."""

    text: EncodedExample
    with_another: Mapping[int, EncodedExample]
    """By the unit that is replaced; each as long as the text."""


@dataclass(frozen=True)
class Geometry:
    """What a module's attentions are tried out with."""

    texts: tuple[TextChanges, ...]
    shorter: EncodedExample
    """A text that is shorter than some other, wherever that can be."""
    n_in_front: int | None = None
    """What the user says of every attention; None: nothing."""


@dataclass(frozen=True)
class Place:
    """What a trial found of an attention's columns."""

    order: KeyOrder
    is_told: bool
    """False where changing a unit did not show whose column is whose."""


@dataclass(frozen=True)
class _Movements:
    """How far the scores of each key moved when units of a text were changed, one at a time."""

    inputs: ModelInputs
    units: Int[Tensor, " change"]
    of_keys: Float[Tensor, "change key"]
    """Over the largest of each change."""
    is_still: Bool[Tensor, "change key"]
    """Keys that may be attended to, and whose scores did not change, by themselves or among the
    others'."""

    def own(self, order: KeyOrder) -> Bool[Tensor, "change key"]:
        """Each changed unit's own keys, if the keys stand in this order."""
        n_keys = self.of_keys.shape[1]
        return order.of_keys(self.inputs.units, self.inputs.real, n_keys) == self.units[:, None]

    def at(self, own: Bool[Tensor, "change key"]) -> list[float]:
        """Of each unit's own keys; 0 where it has none."""
        found: list[float] = (self.of_keys * own).amax(dim=1).tolist()
        return found

    def n_refuting(self, own: Bool[Tensor, "change key"]) -> int:
        """Changes by which others moved, and the unit's own keys did not."""
        return int(((self.is_still | ~own).all(dim=1) & own.any(dim=1)).sum())


@torch.no_grad()
def scores_of(
    classifier: Classifier, inputs: ModelInputs, numbers: Collection[int], sight: Sight
) -> dict[int, Tensor]:
    """What some attentions compute before the softmax: (batch, head, query, key).

    Where only weights are seen their logarithms, which differ from scores by a constant a row.
    """
    found: dict[int, Tensor] = {}

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> None:
        if scores is None:
            scores = weights.clamp_min(torch.finfo(weights.dtype).tiny).log()
        found[number] = scores.detach().double()

    mode = Interception(len(inputs), visit, wanted=list(numbers), sight=sight)
    with mode.active():
        classifier.logits(inputs)
    return found


def find_places(
    classifier: Classifier,
    geometry: Geometry,
    candidates: Mapping[int, Sequence[KeyOrder]],
    sight: Sight,
) -> dict[int, Place]:
    """Which key stands for which position: changing a unit moves the score of its own key most.

    Args:
        candidates: For each attention, by number in call order, what its size admits; in the order
            in which they are believed where nothing can be told.

    Raises:
        UnsupportedModelError: Another order than the possible ones is right, or there are several
            and it cannot be told which.
    """
    moved = _movements(classifier, geometry.texts, list(candidates), sight)
    found: dict[int, Place] = {}
    failed: UnsupportedModelError | None = None
    for number, orders in candidates.items():
        try:
            found[number] = _place(classifier, orders, moved[number], geometry.n_in_front)
        except _CannotBeToldError as error:  # of what was mixed before, an earlier one may tell
            like = [n for n, place in found.items() if candidates[n] == orders and place.is_told]
            if not like:
                failed = error
                continue
            found[number] = Place(found[like[-1]].order, is_told=False)
    if failed is not None:
        raise failed
    return found


def require_places(
    classifier: Classifier, changed: TextChanges, orders: Mapping[int, KeyOrder], sight: Sight
) -> None:
    """Hold one more text against what others showed.

    Raises:
        UnsupportedModelError: In this text, keys stand in another order.
    """
    moved = _movements(classifier, [changed], list(orders), sight)
    for number, order in orders.items():
        _place(classifier, [order], moved[number], None)


class _CannotBeToldError(UnsupportedModelError):
    """Several orders fit, and changing a token shows none of them."""


def _movements(
    classifier: Classifier, texts: Sequence[TextChanges], numbers: Collection[int], sight: Sight
) -> dict[int, list[_Movements]]:
    """Of each attention, those of each text in which any is seen."""
    found: dict[int, list[_Movements]] = {number: [] for number in numbers}
    for changed in texts:
        inputs = classifier.collate([changed.text])
        own = scores_of(classifier, inputs, numbers, sight)
        moved: dict[int, list[tuple[int, Tensor, Tensor]]] = {number: [] for number in numbers}
        for unit, text in changed.with_another.items():
            others = scores_of(classifier, classifier.collate([text]), numbers, sight)
            for number in own.keys() & others.keys():
                both = own[number], others[number]
                movement = _movement(*both, sight.output_of is not None)
                moved[number] += [] if movement is None else [(unit, *movement)]
        for number, every in moved.items():
            if every:
                units, of_keys, is_still = zip(*every, strict=True)
                of_units = torch.tensor(units, device=inputs.units.device)
                stacked = torch.stack(of_keys), torch.stack(is_still)
                found[number].append(_Movements(inputs, of_units, *stacked))
    return found


def _movement(
    before: Tensor, after: Tensor, is_shifted: bool
) -> tuple[Float[Tensor, " key"], Bool[Tensor, " key"]] | None:
    """The mean over heads and queries, and which keys stand still.

    None where nothing moved, or shapes did.

    Scores that are shifted alike are the same scores, as where their largest is subtracted. Of
    logarithms of weights the shift is unknown, and that one stands still cannot be told.
    """
    if before.shape != after.shape:
        return None
    difference = after - before
    # What is masked is masked by a huge number: that it is so in one text alone is no movement.
    hidden = ~difference.isfinite() | (difference.abs() > MASKED)
    difference = difference.masked_fill(hidden, 0)
    among = difference - difference.median(dim=-1, keepdim=True).values
    of_keys = among.abs().flatten(0, 2).mean(dim=0)
    largest = float(of_keys.max())
    if largest <= NO_MOVEMENT:
        return None
    by_itself = difference.abs().flatten(0, 2).mean(dim=0)
    lowest = before.amax(dim=-1, keepdim=True) - MASKED
    is_masked = (before <= lowest).flatten(0, 2).all(dim=0)
    is_still = torch.maximum(of_keys, by_itself) < STANDS_STILL * largest
    return of_keys / largest, is_still & ~is_masked & (not is_shifted)


def _place(
    classifier: Classifier,
    possible: Sequence[KeyOrder],
    moved: Sequence[_Movements],
    said: int | None,
) -> Place:
    fronts = [order.n_in_front for order in possible]
    around = range(min(fronts) - N_BESIDE, max(fronts) + N_BESIDE + 1)
    rivals = [KeyOrder(front, is_reversed) for front, is_reversed in product(around, (False, True))]
    owns = {order: [(each, each.own(order)) for each in moved] for order in rivals}
    values = {
        order: [value for each, own in owns[order] for value in each.at(own)] for order in rivals
    }
    n_refuting = {order: sum(each.n_refuting(own) for each, own in owns[order]) for order in rivals}
    n_changes = sum(len(each.units) for each in moved)
    enough = max(MIN_REFUTED, SHARE_REFUTED * n_changes)
    refuted = {order for order in rivals if n_refuting[order] >= enough}
    best = max(
        rivals, key=lambda order: (order not in refuted, sum(values[order]), order == possible[0])
    )
    is_told = best not in refuted and all(
        _is_larger(values[best], values[order]) or (order in refuted and n_changes >= MIN_CHANGES)
        for order in rivals
        if order != best
    )
    if (is_told and best not in possible) or set(possible) <= refuted:
        raise _elsewhere(classifier, best if is_told else None, possible, said)
    if is_told:
        return Place(best, is_told=True)
    left = [order for order in possible if order not in refuted]
    if len({order.n_in_front for order in left}) > 1 or left[0] != possible[0]:
        raise _cannot_be_told(classifier, fronts)
    return Place(left[0], is_told=False)


def _is_larger(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether one is larger in the mean, by more than chance."""
    if len(one) < MIN_CHANGES:
        return False
    gaps = torch.tensor(one, dtype=torch.float64) - torch.tensor(other, dtype=torch.float64)
    return bool(gaps.mean() > MIN_MARGIN * gaps.std() / math.sqrt(len(gaps)))


def _elsewhere(
    classifier: Classifier, best: KeyOrder | None, possible: Sequence[KeyOrder], said: int | None
) -> UnsupportedModelError:
    kind = type(classifier.module).__name__
    moved = "others than its own" if best is None else f"the one with {best.described()}"
    if said is not None:
        return UnsupportedModelError(
            f"columns={said}: changing a token of {kind} moves columns of the attention that are "
            f"not its own then ({moved})",
            hint="Leave columns= out, or say what is right.",
        )
    fits = ", ".join(order.described() for order in possible if not order.is_reversed)
    return UnsupportedModelError(
        f"the columns of the attention in {kind} do not stand for the tokens in their order: "
        f"changing a token moves {moved} (its size would fit {fits})",
        hint="Let the module compute one weight for each column of its input, in the same order.",
    )


def _cannot_be_told(classifier: Classifier, fronts: Sequence[int]) -> _CannotBeToldError:
    kind, n_more, n_less = type(classifier.module).__name__, max(fronts), -min(fronts)
    none_moves = "changing a token moves no column clearly most"
    if n_more > 0 or n_less > 0:
        differs = f"{_counted(n_more)} more" if n_more > 0 else f"{_counted(n_less)} less"
        return _CannotBeToldError(
            f"the attention of {kind} has {differs} than its input, and which cannot be told: "
            f"{none_moves}",
            hint="Say in CustomModel how many stand in front of the input's first column: "
            "columns=1 for a class token that the module puts there itself, columns=0 where what "
            "is more comes last, columns=-1 where a first marker is left out.",
        )
    return _CannotBeToldError(
        f"the columns of the attention in {kind} do not seem to stand in the text's order, and it "
        f"cannot be told in which: {none_moves}",
        hint="Name DATA whose first texts are longer, or let the module compute one weight for "
        "each column of its input, in the same order.",
    )


def _counted(n: int) -> str:
    return "one column" if n == 1 else f"{n} columns"


def choose_foldings(
    classifier: Classifier, geometry: Geometry, axes: Mapping[int, Axes], sight: Sight
) -> dict[int, Axes]:
    """In which order batch, heads and queries are folded into one axis.

    Returns:
        The same, folded as gives each text of a batch what it has alone. Where no order does, texts
        are audited alone: then batch and heads may be in any; heads and queries may not, and their
        attention is left out.
    """
    folded = {number: list(one.orders()) for number, one in axes.items() if one.is_folded}
    texts = _of_each_length(geometry)
    if not folded or not texts:
        return dict(axes)
    together, alone = classifier.collate(texts), [classifier.collate([text]) for text in texts]
    errors: dict[int, list[float]] = {number: [] for number in folded}
    for i in range(max(map(len, folded.values()))):
        turned = {number: orders[i] for number, orders in folded.items() if i < len(orders)}
        as_turned = replace(sight, axes={**axes, **turned})
        in_batch = scores_of(classifier, together, turned, as_turned)
        by_itself = [scores_of(classifier, inputs, turned, as_turned) for inputs in alone]
        for number in turned:
            own = [one.get(number) for one in by_itself]
            errors[number].append(_distance(in_batch.get(number), own))
    chosen = dict(axes)
    for number, orders in folded.items():
        least = min(errors[number])
        chosen[number] = orders[errors[number].index(least)]
        if least > SAME_SCORES and any({HEAD, QUERY} <= set(one) for one in axes[number].outer):
            del chosen[number]
    return chosen


def _of_each_length(geometry: Geometry) -> list[EncodedExample]:
    """A text, the same with a unit changed, and one of another length."""
    first = next((changed for changed in geometry.texts if changed.with_another), None)
    if first is None:
        return []
    n_tokens = first.text.n_tokens
    every = (geometry.shorter, *(changed.text for changed in geometry.texts))
    others = [text for text in every if text.n_tokens != n_tokens]
    return [first.text, next(iter(first.with_another.values())), *others[:1]]


def _distance(together: Tensor | None, alone: Sequence[Tensor | None]) -> float:
    """Of the scores of some texts in a batch from those alone, wherever padding stands."""
    if together is None or len(together) != len(alone):
        return math.inf
    distances = []
    for row, own in zip(together, alone, strict=True):
        if own is None:
            return math.inf
        n_queries, n_keys = own.shape[2:]
        ends = row[:, :n_queries, :n_keys], row[:, -n_queries:, -n_keys:]
        if any(end.shape != own[0].shape for end in ends):
            return math.inf
        gaps = ((end - own[0]).abs().nan_to_num(0).clamp_max(MASKED).max() for end in ends)
        distances.append(float(min(gaps)))
    return max(distances)
