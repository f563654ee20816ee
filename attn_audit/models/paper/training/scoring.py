"""What training minimises, what it is judged by, and when it stops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from attn_audit.data.example import length_batches
from attn_audit.distances import Logits
from attn_audit.errors import DataError
from attn_audit.models.capacity import in_order
from attn_audit.models.paper.network import AttentionPoolingNetwork
from attn_audit.models.paper.training.corpus import Corpus
from attn_audit.models.task import Task, TaskKind
from attn_audit.statistics.performance import macro_roc_auc

Gold = Bool[Tensor, "batch _"]
"""Which labels each example has, two columns in a binary task."""
Loss = Callable[[Logits, Gold], Float[Tensor, ""]]


def loss_of(task: Task, gold: Gold) -> Loss:
    """The cross-entropy of a batch: summed over examples, the mean over labels if multilabel.

    A sum, because Adam's steps do not depend on the scale of the loss but weight decay, which is
    added to the gradient, does: against a mean, words of few examples would fade.

    Args:
        gold: Of all training examples. In a binary task the second label's examples get the weight
            that makes both labels count the same in total.

    Source: the released code of Jain & Wallace (2019), `Trainers/`, which takes the mean for pairs.
    """
    match TaskKind(task.name):
        case TaskKind.BINARY:
            weight = gold[:, 0].sum() / gold[:, 1].sum()
            return lambda logits, own: F.binary_cross_entropy_with_logits(
                logits, own[:, 1:].to(logits.dtype), pos_weight=weight, reduction="sum"
            )
        case TaskKind.MULTILABEL:
            return lambda logits, own: (
                F.binary_cross_entropy_with_logits(logits, own.to(logits.dtype), reduction="sum")
                / logits.shape[-1]
            )
        case TaskKind.MULTICLASS | TaskKind.CANDIDATES:
            return lambda logits, own: F.cross_entropy(
                logits, own.int().argmax(dim=-1), reduction="sum"
            )


MAX_EXAMPLES = 512
MAX_TOKENS = 16384

SCORE_NAMES = {
    TaskKind.BINARY: "ROC AUC",
    TaskKind.MULTICLASS: "accuracy",
    TaskKind.MULTILABEL: "macro ROC AUC",
    TaskKind.CANDIDATES: "accuracy",
}
"""What the score of a task is called."""


@torch.no_grad()
def dev_loss_and_score(
    network: AttentionPoolingNetwork, dev: Corpus, task: Task, loss: Loss
) -> tuple[float, float]:
    """Mean loss, and score from 0 to 1: what early stopping goes by.

    Raises:
        DataError: There is no ROC curve, because all examples are of one class.
    """
    logits = corpus_logits(network, dev)
    return float(loss(logits, dev.gold)) / len(dev), score_of(logits, dev.gold, task)


def score_of(
    logits: Float[Tensor, "example label"], gold: Bool[Tensor, "example _"], task: Task
) -> float:
    """How well logits tell the labels apart, 0 to 1.

    Accuracy where the labels compete; else ROC AUC, the mean over labels if multilabel.

    Raises:
        DataError: There is no ROC curve, because all examples are of one class.
    """
    if task.is_softmax:
        right = logits.argmax(dim=-1) == gold.int().argmax(dim=-1)
        return float(right.double().mean())
    gold = gold[:, 1:] if task.name == TaskKind.BINARY else gold
    score = macro_roc_auc(gold.cpu().numpy(), logits.double().cpu().numpy()).mean
    if score is None:
        raise DataError(
            "all examples for early stopping are of one class: their ROC AUC is undefined",
            hint="Give a dev split in which both classes occur.",
        )
    return score


@torch.no_grad()
def corpus_logits(
    network: AttentionPoolingNetwork, corpus: Corpus
) -> Float[Tensor, "example label"]:
    """Logits of all examples, in their order, computed in batches of similar length."""
    network.eval()
    batches = length_batches(corpus.texts.lengths.tolist(), MAX_EXAMPLES, MAX_TOKENS)
    rows = [torch.tensor(batch, device=corpus.gold.device) for batch in batches]
    return in_order([corpus.logits(network, some) for some in rows], rows)


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One pass over the training examples, and how good the model was after it."""

    epoch: int
    """From 1."""
    loss: float
    """Mean over the training examples, each seen once while the model changed."""
    dev_loss: float
    """Mean over the examples held back for early stopping, after the epoch."""
    dev_score: float
    score_name: str
    """What the dev score is: `ROC AUC`, `accuracy`."""
    is_best: bool
    """Better than every epoch before."""


PERFECT = 1.0


def should_stop(epochs: Sequence[EpochResult], patience: int) -> bool:
    """Whether neither dev score nor dev loss has been better than ever before for too long.

    The score decides which epoch is kept. The loss says whether something is still being learnt:
    on question answering it falls for many epochs before the first answers are right.

    Or whether the score cannot get better.
    """
    if not epochs:
        return False
    scores = [epoch.dev_score for epoch in epochs]
    losses = [epoch.dev_loss for epoch in epochs]
    last_progress = max(scores.index(max(scores)), losses.index(min(losses)))
    return max(scores) >= PERFECT or len(epochs) - 1 - last_progress >= patience
