"""Whose attention reaches the logits: found by gradient, not assumed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from attn_audit.data.batching import length_batches
from attn_audit.data.example import Example
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.mode import Interception, Sight

N_TOGETHER, MAX_CHARACTERS = 32, 2**13
"""Texts of one backward pass over all attentions, whose weights grow with the square of length."""

ReachingRows = Bool[Tensor, "batch query"]


class ReadoutRule(StrEnum):
    """Which query rows are read out, in words."""

    ONLY = "the only row"
    FIRST = "first token"
    LAST = "last token"
    ALL = "every token"
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

    Args:
        classifier: The model.
        inputs: A batch.
        numbers: Of the attentions, in call order.
        sight: How they are seen.
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
        classifier: The model.
        numbers: Of the attentions, in call order.
        sight: How they are seen.
        examples: Texts, in any order: the shortest are tried first.

    Returns:
        The texts, and how many were tried until then; none, and all that were.
    """
    n_tried = 0
    for indices in length_batches([len(e.text) for e in examples], N_TOGETHER, MAX_CHARACTERS):
        batch = [examples[i] for i in indices]
        try:
            if _reaches(classifier, numbers, sight, batch):
                # Each by itself: a module may return the rows of a batch in another order.
                alone = [e for e in batch if _reaches(classifier, numbers, sight, [e])]
                if alone:
                    return alone, n_tried + len(batch)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:  # the audit itself will say at which text the model fails, and how
            continue
        n_tried += len(batch)
    return [], n_tried


def _reaches(
    classifier: Classifier,
    numbers: Collection[int],
    sight: Sight,
    examples: Sequence[Example],
) -> bool:
    unlabelled = [replace(example, labels=None, candidates=None) for example in examples]
    inputs = classifier.collate(classifier.encode(unlabelled))
    rows = reaching_rows(classifier, inputs, numbers, sight)
    return any(bool(reached.any()) for reached in rows.values())


@contextmanager
def differentiable_recurrence(classifier: Classifier) -> Iterator[None]:
    """Within: recurrent layers can be differentiated in eval mode, which cuDNN refuses.

    Args:
        classifier: The model.
    """
    if classifier.device.type != "cuda" or not any(
        isinstance(module, nn.RNNBase) for module in classifier.module.modules()
    ):
        yield
        return
    with torch.backends.cudnn.flags(enabled=False):
        yield


def find_rule(rows: ReachingRows, real: ReachingRows) -> ReadoutRule:
    """The rule by which rows are read out.

    Args:
        rows: From `reaching_rows`.
        real: Of the same texts, the rows that there are.
    """
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
        rule: Where rows are found for each text, all are named.
        real: The rows that there are.
    """
    queries = torch.arange(real.shape[1], device=real.device).expand_as(real)
    match rule:
        case ReadoutRule.FIRST | ReadoutRule.ONLY:
            index = real.int().argmax(dim=1, keepdim=True)
        case ReadoutRule.LAST:
            index = torch.where(real, queries, 0).amax(dim=1, keepdim=True)
        case ReadoutRule.ALL | ReadoutRule.FOUND:
            return queries, real
    return index, torch.ones_like(index, dtype=torch.bool)
