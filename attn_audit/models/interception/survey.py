"""A model's attentions over its input: which there are, and which of them is audited by default."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import nn

from attn_audit.distances import Logits
from attn_audit.errors import UnsupportedModelError
from attn_audit.models.contract import EncodedExample, coarsest_of
from attn_audit.models.interception.attention_calls import Axes, Sight
from attn_audit.models.interception.attention_point import AttentionPoint, find_block
from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, ModelInputs
from attn_audit.models.interception.key_order import (
    Geometry,
    KeyOrder,
    Place,
    choose_foldings,
    find_places,
)
from attn_audit.models.interception.module_calls import (
    Script,
    UnexpectedCallError,
    UnknownLayoutError,
    tensors_in,
    write_script,
)
from attn_audit.models.interception.observation import (
    AttentionOutOfReachError,
    NothingSeenError,
    Observation,
    ObservedAttention,
    nothing_seen,
    observe,
)
from attn_audit.models.interception.readout import (
    ReachingRows,
    ReadoutRule,
    find_rule,
    reaching_rows,
    rule_of,
    texts_in_reach,
)
from attn_audit.models.task import MAX_DEVIATION


@dataclass(frozen=True)
class Survey:
    """What trial passes found of a model's attentions."""

    classifier: Classifier
    texts: tuple[EncodedExample, ...]
    """What was looked at, in one batch."""
    dtype: torch.dtype
    """The coarsest numbers that it computes with, whatever its weights are kept in."""
    points: tuple[AttentionPoint, ...] = ()
    """Attentions whose keys are the input's positions, in call order."""
    default: int = 0
    """Index of the last of them that reaches the logits."""
    rule: ReadoutRule = ReadoutRule.ALL
    """The query rows that are read out there."""
    numbers: tuple[int, ...] = ()
    """All attentions in call order, whatever their keys: what is held constant for a gradient."""
    sight: Sight = field(default_factory=Sight)
    """How they are seen in a pass of the whole model."""
    n_softmaxes: int = 0
    """How many softmaxes a pass computes, attention or not."""
    places_are_told: bool | None = None
    """Whether a trial showed everywhere whose key is whose; None where none was made."""
    nothing_seen: NothingSeenError | None = None
    """Why there are no points; None where there are."""

    @property
    def last(self) -> AttentionPoint:
        """The last attention that reaches the logits."""
        return self.points[self.default]

    def rows_of_texts(self, inputs: ModelInputs) -> ReachingRows | None:
        """The rows of each text that are read out, where their places do not say so; else None."""
        match self.rule:
            case ReadoutRule.ANSWERS:
                return self.classifier.read_rows(inputs)
            case ReadoutRule.FOUND:
                number = self.last.number
                return reaching_rows(self.classifier, inputs, [number], self.sight)[number]
            case _:
                return None


def survey(
    classifier: Classifier,
    encoded: Sequence[EncodedExample],
    within: nn.Module | None = None,
    geometry: Geometry | None = None,
    *,
    is_blind: bool = False,
) -> Survey:
    """Try a model out on a few texts, of different lengths if possible; see `InterceptedModel`.

    Args:
        within: The module to look in; where it computes no softmax, its output is attention.

    Returns:
        Without any point where the model calls nothing that attention is computed by.

    Raises:
        UnsupportedModelError: What is seen is no attention over the input, none of it reaches the
            logits, or it cannot be told which of its columns is whose.
    """
    try:
        if is_blind:
            raise NothingSeenError(NOT_LOOKED_FOR)
        return _sighted(classifier, encoded, within, geometry)
    except NothingSeenError as error:
        nothing = error
    except UnsupportedModelError as error:
        error.hint = f"{error.hint or ''} {WITHOUT_IT}".lstrip()
        raise
    texts = encoded
    if geometry is not None:
        texts = [max(encoded, key=lambda item: item.n_tokens)]
    whole = observe(classifier, classifier.collate(texts))
    dtype = _computed_in(classifier.module, whole)
    return Survey(classifier, tuple(texts), dtype, nothing_seen=nothing)


NOT_LOOKED_FOR = "it was not looked for, as was asked"
WITHOUT_IT = "Or judge what needs none: --without-attention."


def _sighted(
    classifier: Classifier,
    encoded: Sequence[EncodedExample],
    within: nn.Module | None,
    geometry: Geometry | None,
) -> Survey:
    """What is seen of the texts, or of the longest in which attention reaches the logits."""
    if geometry is None:
        return _survey(classifier, encoded, encoded, within, None)
    *longer, shortest = sorted(encoded, key=lambda item: item.n_tokens, reverse=True)
    for text in longer:
        with suppress(AttentionOutOfReachError):
            return _survey(classifier, [text], encoded, within, geometry)
    return _survey(classifier, [shortest], encoded, within, geometry)


@dataclass(frozen=True)
class _Trial:
    """Passes over some texts, over a shorter one, and over the same with one more row."""

    whole: Observation
    shorter: Observation | None
    """None where all texts are of one length."""
    twin: Observation

    def again(self, classifier: Classifier, sight: Sight) -> "_Trial":
        """The same passes, seen otherwise."""
        shorter = self.shorter and observe(classifier, self.shorter.inputs, sight)
        whole, twin = (observe(classifier, one.inputs, sight) for one in (self.whole, self.twin))
        return _Trial(whole, shorter, twin)

    def beside(self, number: int) -> ObservedAttention | None:
        """An attention over the shorter text, where there is one."""
        return None if self.shorter is None else self.shorter.attentions.get(number)


def _survey(
    classifier: Classifier,
    texts: Sequence[EncodedExample],
    encoded: Sequence[EncodedExample],
    within: nn.Module | None,
    geometry: Geometry | None,
) -> Survey:
    trial = _try(classifier, texts, encoded, within)
    if geometry is not None:
        axes = _tried_axes(classifier, geometry, trial)
        trial = trial.again(classifier, Sight(trial.whole.sight.output_of, axes, is_tried=True))
    whole, sight = trial.whole, trial.whole.sight
    found = _over_input(trial, geometry)
    if within is not None:
        found = {n: s for n, s in found.items() if within in whole.recording.around(n)}
    if not found:
        if whole.attentions.keys() == whole.shapes.keys() and all(
            _is_of_labels(classifier, seen, whole.logits) for seen in whole.attentions.values()
        ):
            whole = replace(whole, attentions={}, shapes={})
        raise nothing_seen(classifier.module, whole, trial.shorter, within)
    if geometry is None:
        places = _only_places(classifier.module, whole, found)
    else:
        places = find_places(classifier, geometry, found, sight)
    names = {module: name for name, module in classifier.module.named_modules()}
    every = tuple(n for n, seen in whole.attentions.items() if _is_attention(trial, n, seen))
    points = tuple(
        _point(trial, number, every, place.order, names) for number, place in places.items()
    )
    rows = reaching_rows(classifier, whole.inputs, list(found), sight)
    reaching = [i for i, number in enumerate(found) if bool(rows[number].any())]
    if not reaching:
        find = partial(texts_in_reach, classifier, list(found), sight)
        raise AttentionOutOfReachError(len(encoded), find)
    default = reaching[-1]
    if geometry is None:
        of_default = rows[points[default].number]
        real = points[default].real_rows(whole.inputs, of_default.shape[1])
        rule = rule_of(classifier, whole.inputs, of_default, real)
    else:
        rule = _rule(classifier, points[default], encoded, sight)
    return Survey(
        classifier,
        tuple(texts),
        _computed_in(classifier.module, whole),
        points,
        default,
        rule,
        every,
        sight,
        len(whole.recording.stacks),
        None if geometry is None else all(place.is_told for place in places.values()),
    )


def _try(
    classifier: Classifier,
    texts: Sequence[EncodedExample],
    encoded: Sequence[EncodedExample],
    within: nn.Module | None,
) -> _Trial:
    """The shorter text is the shortest, without its last unit where all are as long as that."""
    whole = observe(classifier, classifier.collate(texts))
    around = map(whole.recording.around, whole.shapes)
    if within is not None and not any(within in modules for modules in around):
        whole = observe(classifier, whole.inputs, Sight(within))
    shortest = min(encoded, key=lambda item: item.n_units)
    shorter, n_positions = classifier.collate([shortest]), whole.inputs.n_positions
    if shorter.n_positions == n_positions and shortest.n_units > 1:
        keep = torch.ones(1, shortest.n_units, dtype=torch.bool, device=classifier.device)
        keep[:, -1] = False
        shorter = classifier.delete([shortest], keep)
    is_shorter = shorter.n_positions != n_positions
    rows = torch.arange(len(whole.inputs), device=whole.inputs.units.device)
    one_more = whole.inputs.take(torch.cat([rows[:1], rows]))
    return _Trial(
        whole,
        observe(classifier, shorter, whole.sight) if is_shorter else None,
        observe(classifier, one_more, whole.sight),
    )


def _computed_in(module: nn.Module, observation: Observation) -> torch.dtype:
    """The coarsest of weights, of what each module returns and of all attention."""
    returned = (call.output for call in observation.recording.calls)
    weights = [seen.weights for seen in observation.attentions.values()]
    computed = tensors_in((*returned, *weights))
    return coarsest_of((*module.parameters(), *computed))


def _rule(
    classifier: Classifier, point: AttentionPoint, encoded: Sequence[EncodedExample], sight: Sight
) -> ReadoutRule:
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


def _tried_axes(classifier: Classifier, geometry: Geometry, trial: _Trial) -> dict[int, Axes]:
    found = {}
    whole, shorter, twin = trial.whole, trial.shorter, trial.twin
    for number, (shape, key) in whole.shapes.items():
        more = twin.shapes.get(number)
        less = None if shorter is None else shorter.shapes.get(number)
        if more is None or more[1] != key or (shorter is not None and less is None):
            continue
        few = None if shorter is None or less is None else (less[0], len(shorter.inputs))
        sizes = (shape, len(whole.inputs)), few, (more[0], len(twin.inputs))
        axes = Axes.tried(key, *sizes)
        if axes is not None:
            found[number] = axes
    return choose_foldings(classifier, geometry, found, Sight(whole.sight.output_of, found, True))


def _is_attention(trial: _Trial, number: int, seen: ObservedAttention) -> bool:
    """Whether a softmax is over the input's tokens or over what they became.

    Judged by what is larger than for a shorter text. More heads: kernels that are mixed (ConvBERT).
    More queries alone: a choice of experts. Nothing, and one row: the labels; several rows: pooled
    tokens.
    """
    if trial.shorter is None:
        return True
    other, has_rows = trial.beside(number), seen.shape[1:3] != (1, 1)
    if other is None:
        return has_rows
    more_heads, more_queries, more_keys = (
        a != b for a, b in zip(seen.shape[1:], other.shape[1:], strict=True)
    )
    return not more_heads and (more_keys or (has_rows and not more_queries))


def _is_of_labels(classifier: Classifier, seen: ObservedAttention, logits: Logits) -> bool:
    """Whether a softmax is the one that makes probabilities of the model's own output."""
    given = classifier.task.probabilities(logits)
    if given.shape[1] == 1:
        given = torch.cat([1 - given, given], dim=1)
    weights = seen.weights.flatten(1)
    return weights.shape == given.shape and torch.allclose(
        weights.to(given), given, atol=MAX_DEVIATION
    )


def _over_input(trial: _Trial, geometry: Geometry | None) -> dict[int, list[KeyOrder]]:
    """Attentions whose keys are positions, and how these may stand to them.

    Their keys grow with the text, one by one. In an encoder-decoder the decoder attends to itself
    as well, causally: its keys are not the input's tokens but what was made of them.
    """
    found: dict[int, list[KeyOrder]] = {}
    attentions, inputs = trial.whole.attentions, trial.whole.inputs
    for number, seen in attentions.items():
        if trial.shorter is not None:
            other = trial.beside(number)
            n_more = inputs.n_positions - trial.shorter.inputs.n_positions
            if other is None or seen.shape[-1] - other.shape[-1] != n_more:
                continue
        possible = _orders(inputs, seen) if geometry is None else _to_try(inputs, seen, geometry)
        if orders := [order for order in possible if _covers(inputs, seen, order)]:
            found[number] = orders
    causal = {n for n in found if attentions[n].is_causal}
    if any(attentions[n].shape[2] > 1 for n in found if n not in causal):
        return {n: orders for n, orders in found.items() if n not in causal}
    return found


def _orders(inputs: ModelInputs, seen: ObservedAttention) -> list[KeyOrder]:
    """How keys may stand to positions: only markers are cut off; one more, the last, is a sink."""
    audited = inputs.units != NOT_AUDITED
    n_cut = inputs.n_positions - seen.shape[-1]
    n_markers = int((inputs.real & ~audited).sum(dim=1).max())
    if n_cut < -1 or n_cut > n_markers:
        return []
    return [KeyOrder(-first) for first in range(max(n_cut, 0) + 1)]


def _to_try(inputs: ModelInputs, seen: ObservedAttention, geometry: Geometry) -> list[KeyOrder]:
    """How keys may stand to positions: in every order that their number admits."""
    n_more = seen.shape[-1] - inputs.n_positions
    fronts = range(min(n_more, 0), max(n_more, 0) + 1)
    said = geometry.n_in_front
    return [
        KeyOrder(front, is_reversed)
        for is_reversed in (False, True)
        for front in (fronts if said is None else (said,))
    ]


def _covers(inputs: ModelInputs, seen: ObservedAttention, order: KeyOrder) -> bool:
    """Whether every unit has keys, and may be attended to at them."""
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


def _point(
    trial: _Trial,
    number: int,
    every: Collection[int],
    order: KeyOrder,
    names: dict[nn.Module, str],
) -> AttentionPoint:
    whole, shorter, twin = trial.whole, trial.shorter, trial.twin
    sight, recording = whole.sight, whole.recording
    _, n_heads, n_queries, n_keys = whole.attentions[number].shape
    n_positions = whole.inputs.n_positions
    rows_are_positions, rows_are_keys = n_queries == n_positions, n_queries == n_keys
    if shorter is not None:
        _, _, n_rows, n_columns = shorter.attentions[number].shape
        rows_are_positions &= n_rows == shorter.inputs.n_positions
        rows_are_keys &= n_rows == n_columns
    script: Script | None = None
    with suppress(UnexpectedCallError, UnknownLayoutError, IndexError):
        n_texts = len(whole.inputs), len(twin.inputs)
        script = write_script(recording, twin.recording, n_texts, n_positions, number)
    # The innermost module around it that is more than the softmax itself.
    inner = [m for m in recording.around(number) if not isinstance(m, nn.Softmax)]
    is_first_on = order == KeyOrder() and n_keys in (n_positions, n_positions + 1)
    return AttentionPoint(
        number=number,
        name=(names[inner[-1]] or type(inner[-1]).__name__) if inner else "",
        n_heads=n_heads,
        order=order,
        rows_are_positions=rows_are_positions,
        rows_are_keys=rows_are_keys,
        is_square=rows_are_positions and is_first_on,
        output_of=sight.output_of,
        axes=sight.axes.get(number),
        n_more_keys=n_keys - n_positions if sight.is_tried and shorter is not None else None,
        script=script,
        follower=recording.followers[number],
        block=find_block(recording, twin.recording, number, every, whole.inputs.units.shape),
    )
