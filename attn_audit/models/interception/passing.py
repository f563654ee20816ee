"""One forward pass that reads attention and keeps what replays start from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.models.base import RowChoice
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.mode import Interception, Visit
from attn_audit.models.interception.observing import admissible_keys
from attn_audit.models.interception.point import AttentionPoint, Reached
from attn_audit.models.interception.readout import ReadoutRule, reaching_rows, rows_by_rule
from attn_audit.models.interception.refusal import laid_out_otherwise
from attn_audit.models.interception.script import CallKey, kept_outputs
from attn_audit.models.interception.survey import Survey
from attn_audit.shapes import Logits

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
        classifier: The model.
        found: What is known of its attentions.
        inputs: A batch.
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
        classifier: The model.
        found: What is known of its attentions.
        inputs: A batch.
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
