"""What a model gives must be numbers, before anything is made of it."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.errors import InvalidOutputError
from attn_audit.models.base import Batch, Reading


def require_numbers(batch: Batch, reading: Reading) -> None:
    """Refuse logits and weights that are NaN or infinite, and name the first such example.

    Args:
        batch: What was read.
        reading: What was seen.

    Raises:
        InvalidOutputError: A logit of an answer that is allowed, or a weight, is no finite number.
    """
    require_finite(batch, reading.logits.masked_fill(~allowed_answers(batch, reading), 0), "output")
    require_finite(batch, reading.attention.flatten(1), "attention")


def allowed_answers(batch: Batch, reading: Reading) -> Bool[Tensor, "batch label"]:
    """Where an example may be given an answer; elsewhere its logit is -inf.

    Args:
        batch: What was read.
        reading: What was seen.
    """
    n_labels = reading.logits.shape[1]
    allowed = [item.candidates or (True,) * n_labels for item in batch.encoded]
    return torch.tensor(allowed, device=reading.logits.device)


def require_finite(batch: Batch, values: Float[Tensor, "batch any"], what: str) -> None:
    """Refuse values that are NaN or infinite, and name the first example that has one.

    Args:
        batch: What was read.
        values: Of each example.
        what: What messages call them.

    Raises:
        InvalidOutputError: A value is no finite number.
    """
    wrong = ~values.isfinite().all(dim=-1)
    if bool(wrong.any()):
        first = int(wrong.int().argmax())
        raise InvalidOutputError(batch.encoded[first].example.id, what)
