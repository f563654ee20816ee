"""Which values tie: attention's by their own size, a measure's by its noise floor."""

import numpy as np
import torch
from jaxtyping import Float64, Int

from attn_audit.findings.measure import measure
from attn_audit.models.contract import coarseness
from attn_audit.statistics.kendall import dense_ranks

N_ORDERS = 5
"""In which units that tie are drawn; what is said of an order is the mean over them."""

ATTENTION_NOISE = 1e-5
"""Attention weights that differ by less than this part of themselves are ties.

A softmax weight of 1e-9 is as exact, for its size, as one of 0.9: what rounds are the scores. On a
BiLSTM trained on SST, float32 weights are within 4e-6 of themselves of float64's.
"""

HALF_PRECISION_NOISE = 10.0
"""The same of coarser numbers, in spacings of theirs: half precision is added up in float32, so
that its weights are off by few roundings. MiniLM's on SST, in bfloat16, are within 2.3 of them of
float64's."""

SMALLEST_WEIGHT = 1e-38
"""Weights below are float32's underflow: ties."""


def ranks_of(
    name: str,
    table: Float64[np.ndarray, "batch unit"],
    lengths: Int[np.ndarray, " batch"],
    dtype: torch.dtype,
    noise: Float64[np.ndarray, " batch"] | None = None,
) -> Int[np.ndarray, "batch unit"]:
    """Dense ranks, with values closer than the measure's noise floor tied.

    Args:
        name: `attention`, of anything that is as exact as its size, or a measure's.
        table: Values; padding is 0.
        noise: Up to which two values of a text are equal; None: as the measure's row says.
    """
    coarser, eps = coarseness(dtype), torch.finfo(dtype).eps
    if name == "attention":
        underflow = torch.finfo(dtype).tiny / torch.finfo(torch.float32).tiny
        smallest = SMALLEST_WEIGHT * underflow
        size = np.log(np.maximum(np.abs(table), smallest))
        table = np.where(table < 0, 2 * np.log(smallest) - 1 - size, size)  # below every weight
        floor = HALF_PRECISION_NOISE * eps if coarser > 1 else ATTENTION_NOISE * coarser
        return dense_ranks(table, lengths, np.full(len(table), floor))
    if noise is not None:
        return dense_ranks(table, lengths, noise)
    of = measure(name)
    largest = np.abs(table).max(axis=1) if of.is_noise_of_largest else np.ones(len(table))
    return dense_ranks(table, lengths, of.noise * coarser * largest)
