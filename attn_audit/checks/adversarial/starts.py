"""Where the gradient adversary's search starts."""

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64

from attn_audit.checks.base import AuditedBatch
from attn_audit.randomness import Keys, example_keys, normals

START_SPREAD = 3.0
"""Standard deviation of the starting scores. Source: the paper's released code."""

PADDING_SCORE = -60.0
"""A score whose weight (1e-26) adds nothing to any sum: padding needs no masks."""


def starting_scores(
    audited: AuditedBatch, n_restarts: int
) -> Float32[torch.Tensor, "batch variant row unit"]:
    """Log-uniform scores plus normal noise, drawn from seed, example, row, restart and position.

    Args:
        audited: A batch.
        n_restarts: How many variants start.

    Returns:
        One distribution for each row, before the softmax; units that a row may not attend to have
        `PADDING_SCORE`.
    """
    keys = example_keys(audited.seed, audited.ids, "adversarial")
    # Among its example's own rows: other texts of the batch may have more, and padding for them.
    ordinal = (audited.reading.row_mask.cumsum(dim=1) - 1).clamp_min(0).cpu().numpy()
    n_units = audited.attention.shape[-1]
    step = audited.model.capacity.in_memory(256 * n_restarts * ordinal.shape[1] * n_units)
    parts = []
    for start in range(0, len(keys), step):
        rows = slice(start, start + step)
        noise = START_SPREAD * _noise(keys[rows], ordinal[rows], n_restarts, n_units)
        lengths = np.maximum(audited.lengths[rows], 1)[:, None, None, None]
        parts.append(torch.from_numpy(noise - np.log(lengths)).float())
    scores = torch.cat(parts).to(audited.attention.device)
    return scores.masked_fill(~audited.admissible.unsqueeze(1), PADDING_SCORE).contiguous()


def _noise(
    keys: Keys, ordinal: Int64[np.ndarray, "batch row"], n_restarts: int, n_units: int
) -> Float64[np.ndarray, "batch variant row unit"]:
    n_rows = int(ordinal.max()) + 1
    drawn = normals(keys, n_rows * n_restarts, n_units)
    by_row = drawn.reshape(len(keys), n_rows, n_restarts, n_units)
    of_rows: np.ndarray = np.take_along_axis(by_row, ordinal[:, :, None, None], axis=1)
    return of_rows.swapaxes(1, 2)
