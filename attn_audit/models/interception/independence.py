"""Units that know nothing of each other: one pass over the whole text tells of every shorter one.

Where each unit's score and logits are its own, and the readout is linear, a text without unit i has
the logits (z - a_i h_i) / (1 - a_i), and so on for any units that are left out.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.models.base import Reading
from attn_audit.models.interception.batch import InterceptedBatch
from attn_audit.models.interception.classifier import Classifier

MIN_SHARE = 1e-3
"""Of attention on the units that are left. What they weigh among themselves is not told by so
little, and a pass is run."""

MIN_UNITS = 3
"""Of a text that can tell whether its units know each other."""

N_LEFT_OUT, N_HALVES = 12, 4
"""Of each text of the trial: units that are left out alone, and random halves that are."""

ROUNDING = 100
"""Spacings of the dtype that are rounding."""


def pooled_again(
    reading: Reading, kept: Bool[Tensor, "batch variant unit"]
) -> tuple[Float[Tensor, "batch variant label"], Bool[Tensor, "batch variant"]]:
    """Logits of the units that are kept, and where enough attention lies on them to tell.

    Sums run over what is kept: nothing is subtracted, however much lies on what is not.

    Args:
        reading: Of the whole texts, of a linear readout.
        kept: The units that stay.
    """
    readout = reading.linear_readout
    assert readout is not None
    attention = reading.attention[:, 0].double().unsqueeze(-1)
    summed = kept.double() @ torch.cat([attention, attention * readout.unit_logits], dim=-1)
    share = summed[..., :1]
    logits = readout.offset.unsqueeze(1) + summed[..., 1:] / share.clamp_min(MIN_SHARE)
    return logits.to(reading.logits.dtype), share[..., 0] >= MIN_SHARE


@torch.no_grad()
def are_independent(
    classifier: Classifier, batch: InterceptedBatch, read: Callable[[InterceptedBatch], Reading]
) -> bool:
    """Whether units have the scores and logits that they have among others, by a trial.

    Every unit is left out by itself, and random halves of each text are: then each unit that stays
    has other neighbours, other places and a text of another length.

    Args:
        classifier: The model.
        batch: A few texts.
        read: The one row of a linear readout.

    Returns:
        False too where the texts are too short to tell, and where attention lies on anything else.
    """
    whole = read(batch)
    spacing = ROUNDING * torch.finfo(whole.logits.dtype).eps
    rows, kept = _shorter_texts(batch.unit_mask)
    if len(rows) == 0 or bool((whole.rest > spacing).any()):
        return False
    encoded = tuple(batch.encoded[i] for i in rows.tolist())
    shorter = read(
        replace(
            batch,
            encoded=encoded,
            unit_mask=kept,
            inputs=classifier.delete(encoded, kept),
            allowed=None,
            readout_units=batch.readout_units[rows],
        )
    )
    own, found = whole.linear_readout, shorter.linear_readout
    if own is None or found is None:
        return False
    weights = whole.attention[rows, 0].double() * kept
    weights /= weights.sum(dim=-1, keepdim=True).clamp_min(MIN_SHARE)
    gap = (shorter.attention[:, 0] - weights).abs() > spacing * weights.clamp_min(spacing)
    moved = (found.unit_logits - own.unit_logits[rows]).abs().amax(dim=-1)
    is_moved = moved > spacing * own.unit_logits.abs().max()
    return not bool(((gap | is_moved) & kept).any())


def _shorter_texts(
    unit_mask: Bool[Tensor, "batch unit"],
) -> tuple[Int[Tensor, " row"], Bool[Tensor, "row unit"]]:
    """Which texts, and which of their units stay."""
    generator = torch.Generator().manual_seed(0)
    rows, kept = [], []
    for row, mask in enumerate(unit_mask.cpu()):
        n_units = int(mask.sum())
        if n_units < MIN_UNITS:
            continue
        variants = [mask & (torch.arange(len(mask)) != i) for i in range(min(n_units, N_LEFT_OUT))]
        for _ in range(N_HALVES):
            order = torch.rand(len(mask), generator=generator).masked_fill(~mask, 2).argsort()
            variants.append(torch.zeros_like(mask).index_fill(0, order[: n_units // 2], True))
        rows += [row] * len(variants)
        kept += variants
    device = unit_mask.device
    stacked = torch.stack(kept) if kept else unit_mask[:0].cpu()
    return torch.tensor(rows, dtype=torch.long, device=device), stacked.to(device)
