"""Whose attention reaches the logits, found by gradient; whether linearly, found by trial."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.data.example import Example, length_batches
from attn_audit.distances import UnitMask
from attn_audit.models.contract import LinearReadout, Replay
from attn_audit.models.interception.attention_calls import Interception, Sight
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.module_calls import ModelMayFail

N_TOGETHER, MAX_CHARACTERS = 32, 2**13
"""Texts of one backward pass over all attentions, whose weights grow with the square of length."""

ReachingRows = Bool[Tensor, "batch query"]


class ReadoutRule(StrEnum):
    """Which query rows are read out, in words."""

    ONLY = "the only row"
    FIRST = "first token"
    LAST = "last token"
    ALL = "every token"
    ANSWERS = "the tokens that answer what is asked"
    FOUND = "other rows, found for each text"


ONE_ROW = (ReadoutRule.ONLY, ReadoutRule.FIRST, ReadoutRule.LAST)
"""The rules that name one row a text."""


def reaching_rows(
    classifier: Classifier,
    inputs: ModelInputs,
    numbers: Collection[int],
    sight: Sight | None = None,
) -> dict[int, ReachingRows]:
    """For each attention the rows whose weights have a gradient of the logits.

    The weights are leaves that nothing before them is differentiated through, so the backward pass
    covers only what lies behind the first of the attentions.
    """
    leaves: dict[int, Tensor] = {}

    def visit(number: int, weights: Tensor, scores: Tensor | None) -> Tensor:
        leaves[number] = weights.detach().requires_grad_()
        return leaves[number].clone()  # some models edit their weights in place

    mode = Interception(len(inputs), visit, wanted=list(numbers), sight=sight)
    with torch.enable_grad(), mode.active(), differentiable_recurrence(classifier):
        logits = classifier.logits(inputs)
        generator = torch.Generator().manual_seed(0)
        mixture = torch.rand(logits.shape, generator=generator) + 0.5
        score = (logits * mixture.to(logits)).sum()
    gradients: Sequence[Tensor | None] = [None] * len(leaves)
    if score.requires_grad:
        gradients = torch.autograd.grad(score, list(leaves.values()), allow_unused=True)
    return {
        number: (gradient != 0).any(dim=3).any(dim=1)
        if gradient is not None
        else torch.zeros(leaf.shape[0], leaf.shape[2], dtype=torch.bool, device=leaf.device)
        for (number, leaf), gradient in zip(leaves.items(), gradients, strict=True)
    }


def texts_in_reach(
    classifier: Classifier,
    numbers: Collection[int],
    sight: Sight,
    examples: Sequence[Example],
) -> tuple[list[Example], int]:
    """Texts in which attention reaches the logits: those of the first batch that has any.

    A text at which the model fails is passed over: the audit itself will say so.

    Args:
        examples: Texts, in any order: the shortest are tried first.

    Returns:
        The texts, and how many were tried until then; none, and all that were.
    """
    n_tried = 0
    for indices in length_batches([len(e.text) for e in examples], N_TOGETHER, MAX_CHARACTERS):
        batch = [examples[i] for i in indices]
        with ModelMayFail():  # the audit itself will say at which text, and how
            # Each by itself: a module may return the rows of a batch in another order.
            of_all = batch if _reaches(classifier, numbers, sight, batch) else []
            alone = [e for e in of_all if _reaches(classifier, numbers, sight, [e])]
            n_tried += len(batch)
            if alone:
                return alone, n_tried
    return [], n_tried


def _reaches(
    classifier: Classifier,
    numbers: Collection[int],
    sight: Sight,
    examples: Sequence[Example],
) -> bool:
    inputs = classifier.collate(classifier.encode_unlabelled(examples))
    rows = reaching_rows(classifier, inputs, numbers, sight)
    return any(bool(reached.any()) for reached in rows.values())


@contextmanager
def differentiable_recurrence(classifier: Classifier) -> Iterator[None]:
    """Within: recurrent layers can be differentiated in eval mode, which cuDNN refuses."""
    if classifier.device.type != "cuda" or not any(
        isinstance(module, nn.RNNBase) for module in classifier.module.modules()
    ):
        yield
        return
    with torch.backends.cudnn.flags(enabled=False):
        yield


def find_rule(rows: ReachingRows, real: ReachingRows) -> ReadoutRule:
    """The rule by which rows are read out."""
    if rows.shape[1] == 1:
        return ReadoutRule.ONLY
    seen = rows.any(dim=1)  # a saturated output has no gradient anywhere
    for rule in (ReadoutRule.FIRST, ReadoutRule.LAST, ReadoutRule.ALL):
        index, mask = rows_by_rule(rule, real)
        expected = torch.zeros_like(rows).scatter(1, index, mask)
        if bool((expected == rows)[seen].all()):
            return rule
    return ReadoutRule.FOUND


def rows_by_rule(
    rule: ReadoutRule, real: ReachingRows
) -> tuple[Int[Tensor, "batch row"], Bool[Tensor, "batch row"]]:
    """The query rows of each example that a rule names, and where there is one.

    Args:
        rule: Where rows are found for each text, all are named; see `Survey.rows_of_texts`.
    """
    queries = torch.arange(real.shape[1], device=real.device).expand_as(real)
    match rule:
        case ReadoutRule.FIRST | ReadoutRule.ONLY:
            index = real.int().argmax(dim=1, keepdim=True)
        case ReadoutRule.LAST:
            index = torch.where(real, queries, 0).amax(dim=1, keepdim=True)
        case ReadoutRule.ALL | ReadoutRule.ANSWERS | ReadoutRule.FOUND:
            return queries, real
    return index, torch.ones_like(index, dtype=torch.bool)


def rule_of(
    classifier: Classifier, inputs: ModelInputs, rows: ReachingRows, real: ReachingRows
) -> ReadoutRule:
    """The rule by which rows are read out: the classifier's own where the trial confirms it."""
    named = classifier.read_rows(inputs)
    if named is None or named.shape != rows.shape:
        return find_rule(rows, real)
    seen = rows.any(dim=1)
    is_confirmed = bool((named == rows)[seen].all())
    return ReadoutRule.ANSWERS if is_confirmed else ReadoutRule.FOUND


N_MIXTURES = 16
"""Mixtures of two one-unit distributions for each text of the trial: the ends of the simplex, where
a bend behind the pooling (a ReLU, a tanh) shows most."""

MAX_ERROR = 1e-4
"""Of the largest difference between two logits of the trial."""


@torch.no_grad()
def is_linear(replay: Replay, unit_mask: UnitMask) -> bool:
    """Whether logits of mixtures are mixtures of logits.

    Returns:
        False too where attention hardly moves the logits, and nothing can be told.
    """
    n_batch, n_units = unit_mask.shape
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(2, n_batch, N_MIXTURES, n_units, generator=generator).to(unit_mask.device)
    ends = (scores * unit_mask.unsqueeze(1)).argmax(dim=-1)
    first, second = torch.nn.functional.one_hot(ends, n_units).float().unbind()
    share = torch.rand(n_batch, N_MIXTURES, 1, generator=generator).to(unit_mask.device)
    weights = torch.cat([first, second, share * first + (1 - share) * second], dim=1)
    logits = replay(weights.unsqueeze(2)).double()
    one, other, mixed = torch.split(logits, N_MIXTURES, dim=1)
    expected = share * one + (1 - share) * other
    effect = float((one - other).abs().max())
    error = float((mixed - expected).abs().max())
    return effect > 0 and error <= MAX_ERROR * effect


def read_out_units(
    replay: Replay,
    attention: Float[Tensor, "batch unit"],
    mass: Float[Tensor, " batch"],
) -> LinearReadout:
    """The unit logits of a linear readout: its logits, moved to one unit along their gradient.

    One backward pass for each label, in place of a replay for each unit.
    """
    with torch.enable_grad():
        own = attention.detach().clone().requires_grad_()
        logits = replay(own[:, None, None])[:, 0]
        slopes = [
            torch.autograd.grad(of_label.sum(), own, retain_graph=True)[0]
            for of_label in logits.unbind(dim=1)
        ]
    slope = torch.stack(slopes, dim=-1)
    at_own = torch.einsum("bu,bul->bl", attention, slope)
    # logits = offset + mass * v for each unit; as weights sum to 1, all of it may count as v.
    is_finite = logits.detach().isfinite()
    offset = torch.where(is_finite, 0, -torch.inf).to(logits)
    units = torch.where(is_finite, logits.detach() - at_own, 0).unsqueeze(1) + slope
    tiny = torch.finfo(mass.dtype).tiny
    return LinearReadout(offset, units / mass.clamp_min(tiny)[:, None, None].to(units))
