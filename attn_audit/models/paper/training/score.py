"""How good a model is on the examples held back for early stopping."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.data.batching import length_batches
from attn_audit.errors import DataError
from attn_audit.models.paper.network import AttentionPoolingNetwork
from attn_audit.models.paper.training.corpus import Corpus
from attn_audit.models.paper.training.loss import Loss
from attn_audit.models.task import Task, TaskKind
from attn_audit.statistics.performance import macro_roc_auc

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

    Args:
        network: With finite weights.
        dev: Examples that it is not trained on.
        task: Kind and order of the labels.
        loss: What training minimises.

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

    Args:
        logits: A model's, finite but for answers that an example does not allow.
        gold: Which labels each example has, two columns in a binary task.
        task: Kind and order of the labels.

    Raises:
        DataError: There is no ROC curve, because all examples are of one class.
    """
    if task.is_softmax:
        right = logits.argmax(dim=-1) == gold.int().argmax(dim=-1)
        return float(right.double().mean())
    gold = gold[:, 1:] if task.kind is TaskKind.BINARY else gold
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
    order = torch.tensor([i for batch in batches for i in batch], device=corpus.gold.device)
    parts = torch.split(order, [len(batch) for batch in batches])
    logits = torch.cat([corpus.logits(network, rows) for rows in parts])
    in_order = torch.empty_like(logits)
    in_order[order] = logits
    return in_order
