"""One pass of a model in which attention is read at some places, or replaced there."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.distances import Logits
from attn_audit.models.contract import RowChoice, Rule, Site
from attn_audit.models.interception.attention_point import Reached, placed
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.mode import Interception
from attn_audit.models.interception.module_calls import CallKey, kept_outputs
from attn_audit.models.interception.observation import admissible_keys, laid_out_otherwise
from attn_audit.models.interception.readout import ReadoutRule, rows_by_rule, rows_of_texts
from attn_audit.models.interception.rows import Rows
from attn_audit.models.interception.survey import Survey

PlaceKey = tuple[int, RowChoice]
"""Layer, and which of its rows."""

Change = Callable[[Mapping[PlaceKey, Reached], Tensor], Tensor]
"""Gets the places at one attention and all its weights, and returns those that are used."""


@dataclass(frozen=True)
class Pass:
    """What one pass over a batch showed."""

    logits: Logits
    reached: dict[PlaceKey, Reached]


@torch.no_grad()
def run_pass(
    classifier: Classifier,
    found: Survey,
    inputs: ModelInputs,
    places: Sequence[PlaceKey],
    change: Change | None = None,
) -> Pass:
    """Run the model once, and read its attention at some places.

    Args:
        change: Makes other weights of them, in this very pass; then nothing is kept for a replay.

    Raises:
        UnsupportedModelError: In this batch the attention is not what it was in the trial.
    """
    reached: dict[PlaceKey, Reached] = {}
    calls: dict[CallKey, nn.Module] = {}
    if change is None:
        points = {layer: found.points[layer] for layer, _ in places}
        points |= {layer + 1: found.points[layer + 1] for layer in points if layer < found.default}
        for point in points.values():
            calls |= {} if point.script is None else point.script.finished
    reaching = None
    if places:
        last = found.points[found.default].number
        reaching = rows_of_texts(classifier, inputs, found.rule, last, found.sight)

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> Tensor | None:
        here = {
            key: _reached(classifier, found, inputs, key, weights, scores, reaching, outputs)
            for key in places
            if found.points[key[0]].number == number
        }
        reached.update(here)
        return None if change is None else change(here, weights)

    numbers = [found.points[layer].number for layer, _ in places]
    mode = Interception(len(inputs), visit, wanted=numbers, sight=found.sight)
    with kept_outputs(calls) as outputs, mode.active():
        logits = classifier.logits(inputs)
    is_as_tried = not found.sight.is_tried or mode.n_seen == found.n_softmaxes
    if set(reached) != set(places) or not is_as_tried:
        raise laid_out_otherwise(classifier.module, len(inputs))
    return Pass(logits, reached)


def _reached(
    classifier: Classifier,
    found: Survey,
    inputs: ModelInputs,
    place: PlaceKey,
    weights: Tensor,
    scores: Tensor | None,
    reaching: Tensor | None,
    outputs: Mapping[CallKey, Any],
) -> Reached:
    """A place's rows among all weights of its attention."""
    layer, choice = place
    point, n_keys = found.points[layer], weights.shape[3]
    if point.n_more_keys not in (None, n_keys - inputs.n_positions):
        raise laid_out_otherwise(classifier.module, len(inputs))
    rule = ReadoutRule.ALL if choice is RowChoice.ALL else found.rule
    rows, mask = rows_by_rule(rule, point.real_rows(inputs, weights.shape[2]))
    if rule is found.rule and reaching is not None and reaching.shape == mask.shape:
        mask = reaching
    index = rows[:, None, :, None].expand(-1, weights.shape[1], -1, n_keys)
    own = weights.gather(2, index)
    if scores is None:
        admissible = point.are_real(inputs, n_keys)[:, None, None].expand_as(own)
    else:
        admissible = admissible_keys(scores.gather(2, index))
    is_before = layer < found.default
    following, last = found.points[layer + 1] if is_before else None, found.points[found.default]
    return Reached(classifier, point, inputs, rows, mask, own, admissible, outputs, following, last)


@dataclass(frozen=True)
class Intervened:
    """What one pass gave in which some sites used other weights."""

    logits: Logits
    weights: dict[int, Tensor]
    """Those of each attention that has such a site, by its number."""


def intervened(
    classifier: Classifier,
    found: Survey,
    inputs: ModelInputs,
    n_units: int,
    rules: Mapping[Site, Rule],
) -> Intervened:
    """Run the model once, each rule behind what the sites before it were made to use.

    Raises:
        UnsupportedModelError: In this batch the attention is not what it was in the trial.
    """
    used: dict[int, Tensor] = {}

    def change(reached: Mapping[PlaceKey, Reached], own: Tensor) -> Tensor:
        weights = own.clone()
        for site, rule in rules.items():
            here = reached.get((site.layer, site.rows))
            if here is None:
                continue
            new = _replaced(Rows.of(here, site.head, n_units), rule)
            head = slice(None) if site.head is None else slice(site.head, site.head + 1)
            weights[:, head] = placed(weights[:, head], here.rows, here.row_mask, new[:, head])
            used[here.point.number] = weights
        return weights

    places = list({(site.layer, site.rows) for site in rules})
    logits = run_pass(classifier, found, inputs, places, change).logits
    return Intervened(logits, used)


def _replaced(rows: Rows, rule: Rule) -> Tensor:
    """What the rule says, of what each row may attend to alone, over all heads and keys."""
    own = rows.as_units()
    attention, mass = rule(own)
    attention = attention * own.admissible
    total = attention.sum(dim=-1)
    is_cut_off = total <= 0
    if bool((is_cut_off & own.row_mask).any()):
        mass = (own.mass if mass is None else mass).masked_fill(is_cut_off, 0)
    attention = attention / total.masked_fill(is_cut_off, 1).unsqueeze(-1)
    return rows.of_all_heads(attention.unsqueeze(1), mass)[:, 0]
