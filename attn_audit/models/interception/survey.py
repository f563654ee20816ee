"""A model's attentions over its input: which there are, and which of them is audited by default."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.contract import Encoded, coarsest_of
from attn_audit.models.interception.attention_point import AttentionPoint
from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, ModelInputs
from attn_audit.models.interception.key_order import (
    Geometry,
    KeyOrder,
    Place,
    choose_foldings,
    find_places,
)
from attn_audit.models.interception.mode import Axes, Sight
from attn_audit.models.interception.module_calls import (
    Script,
    UnexpectedCallError,
    UnknownLayoutError,
    tensors_in,
    write_script,
)
from attn_audit.models.interception.observation import (
    AttentionOutOfReachError,
    Observation,
    Observed,
    nothing_seen,
    observe,
)
from attn_audit.models.interception.readout import (
    ReadoutRule,
    find_rule,
    reaching_rows,
    texts_in_reach,
)


@dataclass(frozen=True)
class Survey:
    """What trial passes found of a model's attentions."""

    texts: tuple[Encoded, ...]
    """What was looked at, in one batch."""
    points: tuple[AttentionPoint, ...]
    """Attentions whose keys are the input's positions, in call order."""
    default: int
    """Index of the last of them that reaches the logits."""
    rule: ReadoutRule
    """The query rows that are read out there."""
    numbers: tuple[int, ...]
    """All attentions in call order, whatever their keys: what is held constant for a gradient."""
    sight: Sight
    """How they are seen in a pass of the whole model."""
    n_softmaxes: int
    """How many softmaxes a pass computes, attention or not."""
    dtype: torch.dtype
    """The coarsest numbers that it computes with, whatever its weights are kept in."""
    places_are_told: bool | None
    """Whether a trial showed everywhere whose key is whose; None where none was made."""


def survey(
    classifier: Classifier,
    encoded: Sequence[Encoded],
    within: nn.Module | None = None,
    geometry: Geometry | None = None,
) -> Survey:
    """Try a model out on a few texts.

    Args:
        encoded: Texts, of different lengths if possible.
        within: The module to look in; where it computes no softmax, its output is attention.
        geometry: What its geometry is tried out with, on one text at a time; None: it is laid out
            as shapes suggest.

    Raises:
        UnsupportedModelError: No attention over the input is seen, none reaches the logits, or it
            cannot be told which of its columns is whose.
    """
    if geometry is None:
        return _survey(classifier, encoded, encoded, within, None)
    *longer, shortest = sorted(encoded, key=lambda item: item.n_tokens, reverse=True)
    for text in longer:
        with suppress(AttentionOutOfReachError):
            return _survey(classifier, [text], encoded, within, geometry)
    return _survey(classifier, [shortest], encoded, within, geometry)


def _survey(
    classifier: Classifier,
    texts: Sequence[Encoded],
    encoded: Sequence[Encoded],
    within: nn.Module | None,
    geometry: Geometry | None,
) -> Survey:
    """What some texts show, beside a shorter one."""
    observation, sight = _observe(classifier, classifier.collate(texts), within)
    shorter = _shorter(classifier, encoded, observation, sight)
    twin = observe(classifier, _one_more_row(observation.inputs), sight)
    if geometry is not None:
        axes = _tried_axes(classifier, geometry, observation, shorter, twin)
        sight = Sight(sight.output_of, axes, is_tried=True)
        observation = observe(classifier, observation.inputs, sight)
        twin = observe(classifier, twin.inputs, sight)
        shorter = None if shorter is None else observe(classifier, shorter.inputs, sight)
    found = _over_input(observation, shorter, geometry)
    if within is not None:
        found = {n: s for n, s in found.items() if _is_within(observation, n, within)}
    if not found:
        raise nothing_seen(classifier.module, observation, shorter, within)
    if geometry is None:
        places = _only_places(classifier.module, observation, found)
    else:
        places = find_places(classifier, geometry, found, sight)
    names = {module: name for name, module in classifier.module.named_modules()}
    points = tuple(
        _point((observation, shorter, twin), number, place.order, sight, names)
        for number, place in places.items()
    )
    rows = reaching_rows(classifier, observation.inputs, list(found), sight)
    reaching = [i for i, number in enumerate(found) if bool(rows[number].any())]
    if not reaching:
        find = partial(texts_in_reach, classifier, list(found), sight)
        raise AttentionOutOfReachError(len(encoded), find)
    default = reaching[-1]
    point = points[default]
    return Survey(
        tuple(texts),
        points,
        default,
        find_rule(
            rows[point.number], point.real_rows(observation.inputs, len(rows[point.number][0]))
        )
        if geometry is None
        else _rule(classifier, point, encoded, sight),
        _attentions(observation, shorter),
        sight,
        len(observation.recording.stacks),
        _computed_in(classifier.module, observation),
        None if geometry is None else all(place.is_told for place in places.values()),
    )


def _computed_in(module: nn.Module, observation: Observation) -> torch.dtype:
    """The coarsest of weights, of what each module returns and of all attention."""
    returned = (call.output for call in observation.recording.calls)
    weights = [seen.weights for seen in observation.attentions.values()]
    computed = tensors_in((*returned, *weights))
    return coarsest_of((*module.parameters(), *computed), torch.float32)


def _rule(
    classifier: Classifier, point: AttentionPoint, encoded: Sequence[Encoded], sight: Sight
) -> ReadoutRule:
    """The one rule that holds of every text by itself."""
    rules = set()
    for item in encoded:
        inputs = classifier.collate([item])
        rows = reaching_rows(classifier, inputs, [point.number], sight).get(point.number)
        if rows is None or not bool(rows.any()):
            continue
        real = point.real_rows(inputs, rows.shape[1])
        is_of_positions = point.rows_are_positions or point.rows_are_keys
        if real.shape[1] > 1 or not is_of_positions:  # a text's only row is the first and the last
            rules.add(find_rule(rows, real))
    if not rules:
        return ReadoutRule.FIRST
    return rules.pop() if len(rules) == 1 else ReadoutRule.FOUND


def _tried_axes(
    classifier: Classifier,
    geometry: Geometry,
    observation: Observation,
    shorter: Observation | None,
    twin: Observation,
) -> dict[int, Axes]:
    """How the weights of every attention are laid out, as far as three sizes show it."""
    found = {}
    for number, (shape, key) in observation.shapes.items():
        more = twin.shapes.get(number)
        less = None if shorter is None else shorter.shapes.get(number)
        if more is None or more[1] != key or (shorter is not None and less is None):
            continue
        first = shape, len(observation.inputs)
        few = None if shorter is None or less is None else (less[0], len(shorter.inputs))
        axes = Axes.tried(key, first, few, (more[0], len(twin.inputs)))
        if axes is not None:
            found[number] = axes
    return choose_foldings(
        classifier, geometry, found, Sight(observation.sight.output_of, found, True)
    )


def _attentions(observation: Observation, shorter: Observation | None) -> tuple[int, ...]:
    """All softmaxes that are attention, over the input's tokens or over what they became."""
    return tuple(
        number
        for number, seen in observation.attentions.items()
        if shorter is None or _is_attention(seen, shorter.attentions.get(number))
    )


def _is_attention(seen: Observed, other: Observed | None) -> bool:
    """Judged by what is larger than for a shorter text.

    More heads: kernels that are mixed (ConvBERT). More queries alone: a choice of experts. Nothing,
    and one row: the labels; several rows: pooled tokens.
    """
    has_rows = seen.shape[1:3] != (1, 1)
    if other is None:
        return has_rows
    more_heads, more_queries, more_keys = (
        a != b for a, b in zip(seen.shape[1:], other.shape[1:], strict=True)
    )
    return not more_heads and (more_keys or (has_rows and not more_queries))


def _observe(
    classifier: Classifier, inputs: ModelInputs, within: nn.Module | None
) -> tuple[Observation, Sight]:
    observation = observe(classifier, inputs)
    if within is None or any(_is_within(observation, n, within) for n in observation.shapes):
        return observation, Sight()
    return observe(classifier, inputs, Sight(within)), Sight(within)


def _is_within(observation: Observation, number: int, module: nn.Module) -> bool:
    stack = observation.recording.stacks[number]
    return any(observation.recording.calls[i].module is module for i in stack)


def _shorter(
    classifier: Classifier,
    encoded: Sequence[Encoded],
    observation: Observation,
    sight: Sight,
) -> Observation | None:
    """A pass over a text that is shorter than the longest; None where all are of one length.

    The shortest text, without its last unit where all texts are as long as that.
    """
    shortest = min(encoded, key=lambda item: item.n_units)
    inputs = classifier.collate([shortest])
    if inputs.n_positions == observation.inputs.n_positions and shortest.n_units > 1:
        keep = torch.ones(1, shortest.n_units, dtype=torch.bool, device=classifier.device)
        keep[:, -1] = False
        inputs = classifier.delete([shortest], keep)
    if inputs.n_positions == observation.inputs.n_positions:
        return None
    return observe(classifier, inputs, sight)


def _over_input(
    observation: Observation, shorter: Observation | None, geometry: Geometry | None
) -> dict[int, list[KeyOrder]]:
    """Attentions whose keys are positions, and how these may stand to them.

    Their keys grow with the text, one by one. In an encoder-decoder the decoder attends to itself
    as well, causally: its keys are not the input's tokens but what was made of them.
    """
    found: dict[int, list[KeyOrder]] = {}
    for number, seen in observation.attentions.items():
        other = None if shorter is None else shorter.attentions.get(number)
        if shorter is not None and not _grows(observation, seen, shorter, other):
            continue
        if geometry is None:
            orders = _orders(observation.inputs, seen)
        else:
            orders = _orders_to_try(observation.inputs, seen, geometry)
        if orders:
            found[number] = orders
    causal = {n for n in found if observation.attentions[n].is_causal}
    others = {n for n in found if n not in causal and observation.attentions[n].shape[2] > 1}
    return {n: orders for n, orders in found.items() if not (others and n in causal)}


def _grows(
    longer: Observation, seen: Observed, shorter: Observation, other: Observed | None
) -> bool:
    if other is None:
        return False
    n_more = longer.inputs.n_positions - shorter.inputs.n_positions
    return seen.shape[-1] - other.shape[-1] == n_more


def _orders(inputs: ModelInputs, seen: Observed) -> list[KeyOrder]:
    """How keys may stand to positions, so that every unit has keys it may be given.

    Only markers are cut off, in front or behind; one more key, the last, is a sink.
    """
    audited = inputs.units != NOT_AUDITED
    n_cut = inputs.n_positions - seen.shape[-1]
    n_markers = int((inputs.real & ~audited).sum(dim=1).max())
    if n_cut < -1 or n_cut > n_markers:
        return []
    orders = (KeyOrder(-first) for first in range(max(n_cut, 0) + 1))
    return [order for order in orders if _covers(inputs, seen, order)]


def _orders_to_try(inputs: ModelInputs, seen: Observed, geometry: Geometry) -> list[KeyOrder]:
    """How keys may stand to positions: every order that gives all units keys they may be given."""
    n_more = seen.shape[-1] - inputs.n_positions
    fronts = range(min(n_more, 0), max(n_more, 0) + 1)
    said = geometry.n_in_front
    orders = (
        KeyOrder(front, is_reversed)
        for is_reversed in (False, True)
        for front in (fronts if said is None else (said,))
    )
    return [order for order in orders if _covers(inputs, seen, order)]


def _covers(inputs: ModelInputs, seen: Observed, order: KeyOrder) -> bool:
    audited = inputs.units != NOT_AUDITED
    keys = order.of_keys(inputs.units, inputs.real, seen.shape[-1]) != NOT_AUDITED
    if int(keys.sum()) < int(audited.sum()):
        return False
    if seen.admissible is None:
        return True
    usable = seen.admissible.any(dim=1).any(dim=1)
    return bool((usable | ~keys).all())


def _only_places(
    module: nn.Module, observation: Observation, found: dict[int, list[KeyOrder]]
) -> dict[int, Place]:
    """Attention that is shown one token beside its own would be worse than none."""
    for number, orders in found.items():
        if len(orders) > 1:
            n_keys = observation.attentions[number].shape[-1]
            raise UnsupportedModelError(
                f"{type(module).__name__} attends to {n_keys} of "
                f"{observation.inputs.n_positions} positions, and it cannot be told which",
                hint="Attend to all positions, with the markers masked, or to the tokens alone.",
            )
    return {number: Place(orders[0], is_told=False) for number, orders in found.items()}


def _one_more_row(inputs: ModelInputs) -> ModelInputs:
    rows = torch.arange(len(inputs), device=inputs.units.device)
    return inputs.take(torch.cat([rows[:1], rows]))


def _point(
    observations: tuple[Observation, Observation | None, Observation],
    number: int,
    order: KeyOrder,
    sight: Sight,
    names: dict[nn.Module, str],
) -> AttentionPoint:
    observation, shorter, twin = observations
    seen, recording = observation.attentions[number], observation.recording
    n_keys, n_positions = seen.shape[3], observation.inputs.n_positions
    both = [one for one in (observation, shorter) if one is not None]
    shapes = [(one.attentions[number].shape, one.inputs.n_positions) for one in both]
    rows_are_positions = all(shape[2] == n for shape, n in shapes)
    return AttentionPoint(
        number=number,
        name=_name(observation, number, names),
        n_heads=seen.shape[1],
        order=order,
        rows_are_positions=rows_are_positions,
        rows_are_keys=all(shape[2] == shape[3] for shape, _ in shapes),
        is_square=rows_are_positions
        and order == KeyOrder()
        and n_keys in (n_positions, n_positions + 1),
        output_of=sight.output_of,
        axes=sight.axes.get(number),
        n_more_keys=n_keys - n_positions if sight.is_tried and shorter is not None else None,
        script=_script(observation, twin, number),
        follower=recording.followers[number],
    )


def _script(observation: Observation, twin: Observation, number: int) -> Script | None:
    n_rows = len(observation.inputs), len(twin.inputs)
    n_positions = observation.inputs.n_positions
    try:
        return write_script(observation.recording, twin.recording, n_rows, n_positions, number)
    except (UnexpectedCallError, UnknownLayoutError, IndexError):
        return None


def _name(observation: Observation, number: int, names: dict[nn.Module, str]) -> str:
    """The innermost module around the attention that is more than the softmax itself."""
    recording = observation.recording
    modules = [recording.calls[i].module for i in recording.stacks[number]]
    inner = [module for module in modules if not isinstance(module, nn.Softmax)]
    return (names[inner[-1]] or type(inner[-1]).__name__) if inner else ""
