"""What training minimises."""

from collections.abc import Callable

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from attn_audit.models.task import Task, TaskKind
from attn_audit.shapes import Logits

Gold = Bool[Tensor, "batch _"]
"""Which labels each example has, two columns in a binary task."""
Loss = Callable[[Logits, Gold], Float[Tensor, ""]]


def loss_of(task: Task, gold: Gold) -> Loss:
    """The cross-entropy of a batch: summed over examples, the mean over labels if multilabel.

    A sum, because Adam's steps do not depend on the scale of the loss but weight decay, which is
    added to the gradient, does: against a mean, words of few examples would fade.

    Args:
        task: The kind of labels.
        gold: Of all training examples. In a binary task the second label's examples get the weight
            that makes both labels count the same in total.

    Source: the released code of Jain & Wallace (2019), `Trainers/`, which takes the mean for pairs.
    """
    match task.kind:
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
