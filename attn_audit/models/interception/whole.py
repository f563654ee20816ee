"""Attention of every token to every token, layer by layer, and the states that it ends in."""

from functools import partial

import torch
from jaxtyping import Bool, Float, Float64, TypeCheckError
from torch import Tensor

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.contract import ReadoutStates, WholeAttention
from attn_audit.models.interception.attention_point import BlockCall
from attn_audit.models.interception.classifier import InterceptedBatch, ModelInputs
from attn_audit.models.interception.embedding import EmbeddingLookUp
from attn_audit.models.interception.mode import Interception
from attn_audit.models.interception.observation import laid_out_otherwise
from attn_audit.models.interception.readout import differentiable_recurrence, rows_by_rule
from attn_audit.models.interception.survey import Survey
from attn_audit.models.task import mask_candidates

NO_LAYER = (
    "no layer around its last attention gives a state for each token, and all that is read out"
)

ELSEWHERE = "it attends to something else than the text's tokens, too, such as a decoder's"

POOLED = "its attention has no row for each token: tokens are pooled"

MAX_ERROR = 1e-4
"""Of the largest state: a layer that is run again gives what it gave, but for rounding."""

SPACINGS = 8
"""Of the dtype that are rounding, where they are wider: fused attention rounds elsewhere."""


def why_not_whole(found: Survey, trial: InterceptedBatch) -> str | None:
    """Why attention is not one stream of layers from tokens to the same tokens; None: it is."""
    points = found.points[: found.default + 1]
    if _attends_elsewhere(found):
        return ELSEWHERE
    if not all(point.is_square for point in points):
        return POOLED
    try:
        whole_attention(found, trial)
    except UnsupportedModelError:
        return "it attends to something beside the text's tokens, such as a sink"
    return None


def _attends_elsewhere(found: Survey) -> bool:
    return bool(set(found.numbers) - {point.number for point in found.points})


def whole_attention(
    found: Survey,
    batch: InterceptedBatch,
    *,
    differentiable: bool = False,
) -> WholeAttention:
    """One pass in which all weights are computed in the open.

    Raises:
        UnsupportedModelError: In this batch the attention is not what it was in the trial.
    """
    inputs, layers = batch.inputs, dict[int, Tensor]()

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> Tensor | None:
        if not differentiable:
            layers[number] = weights
            return None
        # Of the first layer nothing before the weights is differentiated.
        leaf = weights if weights.requires_grad else weights.detach().requires_grad_()
        layers[number] = leaf
        return leaf.clone()  # some models edit their weights in place

    numbers = [point.number for point in found.points[: found.default + 1]]
    mode = Interception(len(inputs), visit, wanted=numbers, sight=found.sight)
    with (
        torch.set_grad_enabled(differentiable),
        mode.active(),
        differentiable_recurrence(found.classifier),
    ):
        outputs = found.classifier.outputs(inputs)
    square = (inputs.n_positions, inputs.n_positions)
    if list(layers) != numbers or any(of.shape[2:] != square for of in layers.values()):
        raise laid_out_otherwise(found.classifier.module, len(inputs))
    return WholeAttention(
        logits=mask_candidates(found.classifier.task.from_outputs(outputs), batch.allowed),
        outputs=outputs,
        layers=tuple(layers.values()),
        readout=_readout(found, inputs),
        real=inputs.real,
    )


def _readout(found: Survey, inputs: ModelInputs) -> Float64[Tensor, "batch position"]:
    rows, mask = rows_by_rule(found.rule, inputs.real)
    of_texts = found.rows_of_texts(inputs)
    mask = mask if of_texts is None else of_texts
    parts = torch.zeros(inputs.real.shape, dtype=torch.float64, device=mask.device)
    parts.scatter_(1, rows, mask.double())
    return parts / parts.sum(dim=1, keepdim=True).clamp_min(1)


@torch.no_grad()
def readout_states(found: Survey, inputs: ModelInputs) -> ReadoutStates:
    """One pass, and behind it as many of the last layer alone as are asked for.

    Its own states come from such a one, too: what differs is what is left out alone.

    Raises:
        UnsupportedModelError: In this batch the layer is not what it was in the trial.
    """
    call = _called(found, inputs)
    without = partial(_again, found, inputs, call)
    own = without(torch.zeros_like(inputs.real))
    return ReadoutStates(own=own, readout=_readout(found, inputs), without=without)


def _called(found: Survey, inputs: ModelInputs) -> BlockCall:
    block = found.last.block
    assert block is not None
    mode = Interception(len(inputs), lambda *seen: None, wanted=(), sight=found.sight)
    with block.kept() as call, mode.active():
        found.classifier.logits(inputs)
    if call.states is None or call.states.shape[:2] != inputs.units.shape:
        raise laid_out_otherwise(found.classifier.module, len(inputs))
    return call


@torch.no_grad()
def _again(
    found: Survey, inputs: ModelInputs, call: BlockCall, hidden: Bool[Tensor, "batch token"]
) -> Float[Tensor, "batch token state"]:
    """The last layer alone, with no weight on some of its keys."""
    point = found.last
    assert point.block is not None
    is_seen = False

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> Tensor:
        nonlocal is_seen
        is_seen = weights.shape[3] == hidden.shape[1]
        return weights.masked_fill(hidden[:, None, None], 0) if is_seen else weights

    number = point.block.number
    mode = Interception(len(inputs), visit, wanted=[number], sight=point.seen_at(number))
    with mode.active():
        states = call.again()
    if not is_seen or states is None or call.states is None or states.shape != call.states.shape:
        raise laid_out_otherwise(found.classifier.module, len(inputs))
    return states


def why_no_states(found: Survey, inputs: ModelInputs, look_up: EmbeddingLookUp) -> str | None:
    """Why the last layer's states are not all that is read out, and cannot be had again.

    Returns:
        None where they are: run again by itself, the layer gives what it gave.
    """
    point = found.last
    if _attends_elsewhere(found):
        return ELSEWHERE
    if not point.is_square:
        return POOLED
    if point.block is None:
        return NO_LAYER
    embeddings = look_up.embed(inputs).requires_grad_()
    with torch.enable_grad(), point.block.cut_off(), differentiable_recurrence(found.classifier):
        logits = look_up.logits(inputs, embeddings, where=inputs.real)
    if logits.requires_grad:  # a residual, or another path, goes past it
        return NO_LAYER
    try:
        call = _called(found, inputs)
        again = _again(found, inputs, call, torch.zeros_like(inputs.real))
    except (TypeCheckError, MemoryError, torch.OutOfMemoryError):
        raise  # no fault of the model's
    except Exception:  # a part of a model may fail in any way outside of it
        return "its last layer cannot be run by itself"
    assert call.states is not None
    gap = (again - call.states)[inputs.real].abs().max()
    rounding = max(MAX_ERROR, SPACINGS * torch.finfo(again.dtype).eps)
    if not float(gap) <= rounding * float(again[inputs.real].abs().max()):
        return "its last layer, run by itself, gives other states"
    return None
