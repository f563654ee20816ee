"""A model's attentions over its input: which there are, and which of them is audited by default."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.base import Encoded
from attn_audit.models.interception.classifier import NOT_AUDITED, Classifier, ModelInputs
from attn_audit.models.interception.layout import UnknownLayoutError
from attn_audit.models.interception.observing import Observation, Observed, observe
from attn_audit.models.interception.point import AttentionPoint
from attn_audit.models.interception.readout import ReadoutRule, find_rule, reaching_rows
from attn_audit.models.interception.refusal import nothing_seen
from attn_audit.models.interception.script import Script, UnexpectedCallError, write_script


@dataclass(frozen=True)
class Survey:
    """What trial passes found of a model's attentions."""

    points: tuple[AttentionPoint, ...]
    """Attentions whose keys are the input's positions, in call order."""
    default: int
    """Index of the last of them that reaches the logits."""
    rule: ReadoutRule
    """The query rows that are read out there."""
    numbers: tuple[int, ...]
    """All attentions in call order, whatever their keys: what is held constant for a gradient."""


def survey(
    classifier: Classifier, encoded: Sequence[Encoded], within: nn.Module | None = None
) -> Survey:
    """Try a model out on a few texts.

    Args:
        classifier: The model.
        encoded: Texts, of different lengths if possible.
        within: The module to look in; where it computes no softmax, its output is attention.

    Raises:
        UnsupportedModelError: No attention over the input is seen, or none reaches the logits.
    """
    observation, output_of = _observe(classifier, classifier.collate(encoded), within)
    shorter = _shorter(classifier, encoded, observation, output_of)
    found = _over_input(observation, shorter)
    if within is not None:
        found = {n: s for n, s in found.items() if _is_within(observation, n, within)}
    if not found:
        raise nothing_seen(classifier.module, observation, within)
    _require_one_place(classifier.module, observation, found)
    twin = observe(classifier, _one_more_row(observation.inputs), output_of)
    names = {module: name for name, module in classifier.module.named_modules()}
    points = tuple(
        _point(observation, twin, number, firsts[0], output_of, names)
        for number, firsts in found.items()
    )
    rows = reaching_rows(classifier, observation.inputs, list(found), output_of)
    reaching = [i for i, number in enumerate(found) if bool(rows[number].any())]
    if not reaching:
        raise UnsupportedModelError(
            "no attention over the input reaches the model's output",
            hint="In a module of your own, look for detach() or torch.no_grad() behind it.",
        )
    default = reaching[-1]
    return Survey(
        points,
        default,
        find_rule(rows[points[default].number], observation.inputs),
        _attentions(observation, shorter),
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
) -> tuple[Observation, nn.Module | None]:
    observation = observe(classifier, inputs)
    if within is None or any(_is_within(observation, n, within) for n in observation.attentions):
        return observation, None
    return observe(classifier, inputs, within), within


def _is_within(observation: Observation, number: int, module: nn.Module) -> bool:
    stack = observation.recording.stacks[number]
    return any(observation.recording.calls[i].module is module for i in stack)


def _shorter(
    classifier: Classifier,
    encoded: Sequence[Encoded],
    observation: Observation,
    output_of: nn.Module | None,
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
    return observe(classifier, inputs, output_of)


def _over_input(observation: Observation, shorter: Observation | None) -> dict[int, list[int]]:
    """Attentions whose keys are positions, and which position the first key may be.

    Their keys grow with the text, one by one. In an encoder-decoder the decoder attends to itself
    as well, causally: its keys are not the input's tokens but what was made of them.
    """
    found: dict[int, list[int]] = {}
    for number, seen in observation.attentions.items():
        other = None if shorter is None else shorter.attentions.get(number)
        if shorter is not None and not _grows(observation, seen, shorter, other):
            continue
        firsts = _first_positions(observation.inputs, seen)
        if firsts:
            found[number] = firsts
    causal = {n for n in found if observation.attentions[n].is_causal}
    others = {n for n in found if n not in causal and observation.attentions[n].shape[2] > 1}
    return {n: firsts for n, firsts in found.items() if not (others and n in causal)}


def _grows(
    longer: Observation, seen: Observed, shorter: Observation, other: Observed | None
) -> bool:
    if other is None:
        return False
    n_more = longer.inputs.n_positions - shorter.inputs.n_positions
    return seen.shape[-1] - other.shape[-1] == n_more


def _first_positions(inputs: ModelInputs, seen: Observed) -> list[int]:
    """The positions that the first key may stand for, so that every unit has keys it may be given.

    Only markers are cut off, in front or behind; one more key, the last, is a sink.
    """
    audited = inputs.units != NOT_AUDITED
    n_cut = inputs.n_positions - seen.shape[-1]
    n_markers = int((inputs.real & ~audited).sum(dim=1).max())
    if n_cut < -1 or n_cut > n_markers:
        return []
    return [first for first in range(max(n_cut, 0) + 1) if _covers(audited, seen, first)]


def _covers(audited: Tensor, seen: Observed, first: int) -> bool:
    keys = audited[:, first : first + seen.shape[-1]]
    if int(keys.sum()) < int(audited.sum()):
        return False
    if seen.admissible is None:
        return True
    usable = seen.admissible.any(dim=1).any(dim=1)[:, : keys.shape[1]]
    return bool((usable | ~keys).all())


def _require_one_place(
    module: nn.Module, observation: Observation, found: dict[int, list[int]]
) -> None:
    """Attention that is shown one token beside its own would be worse than none."""
    for number, firsts in found.items():
        if len(firsts) > 1:
            n_keys = observation.attentions[number].shape[-1]
            raise UnsupportedModelError(
                f"{type(module).__name__} attends to {n_keys} of "
                f"{observation.inputs.n_positions} positions, and it cannot be told which",
                hint="Attend to all positions, with the markers masked, or to the tokens alone.",
            )


def _one_more_row(inputs: ModelInputs) -> ModelInputs:
    rows = torch.arange(len(inputs), device=inputs.units.device)
    return inputs.take(torch.cat([rows[:1], rows]))


def _point(
    observation: Observation,
    twin: Observation,
    number: int,
    first_position: int,
    output_of: nn.Module | None,
    names: dict[nn.Module, str],
) -> AttentionPoint:
    seen, recording = observation.attentions[number], observation.recording
    n_queries, n_keys = seen.shape[2:]
    n_positions = observation.inputs.n_positions
    return AttentionPoint(
        number=number,
        name=_name(observation, number, names),
        n_heads=seen.shape[1],
        first_position=first_position,
        is_square=n_queries == n_positions and n_keys in (n_positions, n_positions + 1),
        has_scores=seen.admissible is not None,
        output_of=output_of,
        script=_script(observation, twin, number),
        follower=recording.followers[number],
    )


def _script(observation: Observation, twin: Observation, number: int) -> Script | None:
    n_rows = len(observation.inputs), len(twin.inputs)
    try:
        return write_script(observation.recording, twin.recording, n_rows, number)
    except (UnexpectedCallError, UnknownLayoutError, IndexError):
        return None


def _name(observation: Observation, number: int, names: dict[nn.Module, str]) -> str:
    """The innermost module around the attention that is more than the softmax itself."""
    recording = observation.recording
    modules = [recording.calls[i].module for i in recording.stacks[number]]
    inner = [module for module in modules if not isinstance(module, nn.Softmax)]
    return (names[inner[-1]] or type(inner[-1]).__name__) if inner else ""
