"""Other weights in the place of the model's own, at one attention."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.models.interception.mode import Interception
from attn_audit.models.interception.point import Reached
from attn_audit.models.interception.refusal import laid_out_otherwise

Weights = Float[Tensor, "batch variant head query key"]
"""Of the rows that are read; each row sums to 1."""

VariantLogits = Float[Tensor, "batch variant label"]

Way = Callable[[Weights], VariantLogits]


def n_variants(weights: Weights) -> int:
    """How many variants of each example."""
    return weights.shape[1]


def placed(
    own: Float[Tensor, "batch head every_query key"],
    rows: Int[Tensor, "batch query"],
    row_mask: Bool[Tensor, "batch query"],
    new: Float[Tensor, "batch head query key"],
) -> Float[Tensor, "batch head every_query key"]:
    """The model's own weights, but for some rows.

    Args:
        own: Of every row.
        rows: Which have others.
        row_mask: False where there is no such row.
        new: Of these rows.
    """
    index = rows[:, None, :, None].expand(-1, *new.shape[1:2], -1, new.shape[-1])
    kept = own.gather(2, index)
    return own.scatter(2, index, torch.where(row_mask[:, None, :, None], new, kept))


@contextmanager
def imposed(reached: Reached, number: int, weights: Weights) -> Iterator[None]:
    """Within: the attention has these weights, in every row of a batch repeated for the variants.

    Args:
        reached: The attention.
        number: Its number in call order, as the model will be run.
        weights: Of the rows that are read; the others keep the model's own.

    Raises:
        UnsupportedModelError: It was not met, so that nothing was replaced.
    """
    times = n_variants(weights)
    rows = reached.rows.repeat_interleave(times, dim=0)
    mask = reached.row_mask.repeat_interleave(times, dim=0)
    new = weights.flatten(0, 1)

    is_imposed = False

    def visit(seen: int, own: Tensor, scores: Tensor | None) -> Tensor:
        nonlocal is_imposed
        is_imposed = True
        return placed(own, rows, mask, new)

    sight = reached.point.seen_at(number)
    mode = Interception(len(new), visit, wanted=[number], sight=sight)
    with mode.active():
        yield
    if not is_imposed:
        raise laid_out_otherwise(reached.classifier.module, len(new))
