"""A mix of the attention of all heads, fitted on one half of the texts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from attn_audit.measures.readout import attention_of_heads
from attn_audit.models.contract import AuditedModel, Batch
from attn_audit.randomness import example_keys, hashes, is_of_judging_half
from attn_audit.statistics.ridge import ridge_within

N_SUBSETS = 32
"""Random halves of its units that a text is left without."""

N_PERMUTED = 256
"""Mixes that are fitted to permuted effects: each ranks well or badly by chance, so that hardly two
texts share one."""


@dataclass(frozen=True)
class Mixes:
    """What the weights of each head count for, layer by layer from the first."""

    n_texts: int
    """That they are fitted to."""
    own: tuple[float, ...]
    permuted: tuple[tuple[float, ...], ...] = ()
    """The same, fitted to effects that belong to other subsets of their text; empty: none is judged
    by the mix, and texts of either half have scores."""

    @staticmethod
    def of(
        seed: int,
        ids: Sequence[str],
        sums: Sequence[Float64[np.ndarray, "_subset head"]],
        effects: Sequence[Float64[np.ndarray, " _subset"]],
    ) -> "Mixes":
        r"""Fitted to what is lost without some units, from the sums of their weights.

        .. math:: \Delta(S) - \bar\Delta \approx \sum_h w_h \sum_{u \in S} (a_{hu} - \bar a_h)

        Both are held against their own mean in the text. Else weights would have to explain that
        something is lost at all, and a mix fitted to noise would be a mean over heads.

        Args:
            ids: Of the texts, whose order changes nothing.
            sums: Of each text, over the units of each of its subsets.
            effects: On the margin.

        Source:
            Cohen-Wang et al. (2025), "Learning to attribute with attention" (AT2).
        """
        order = sorted(range(len(ids)), key=lambda i: ids[i])
        keys = example_keys(seed, [ids[i] for i in order], "head_mix/permuted")
        draws = hashes(keys, range(N_PERMUTED), N_SUBSETS).argsort(axis=2)
        targets = [
            np.column_stack([effects[i], effects[i][draw].T])
            for i, draw in zip(order, draws, strict=True)
        ]
        own, *permuted = ridge_within([sums[i] for i in order], targets).T.tolist()
        return Mixes(len(ids), tuple(own), tuple(map(tuple, permuted)))


def subsets(seed: int, example_id: str, n_units: int) -> Int64[np.ndarray, "subset unit"]:
    """Random halves of a text's units, of an odd number the smaller ones."""
    draws = hashes(example_keys(seed, [example_id], "head_mix"), range(N_SUBSETS), n_units)[0]
    found: np.ndarray = draws.argsort(axis=1)[:, : n_units // 2]
    return found


def head_mix(
    mixes: Mixes | None, model: AuditedModel, batch: Batch
) -> Float64[Tensor, "batch unit 2"]:
    """By the mix, and by one of those that were fitted to permuted effects.

    Returns:
        NaN where there is no mix, and for a text of the half that fits where texts are judged.
    """
    unknown = batch.unit_mask.double().masked_fill(batch.unit_mask, torch.nan)
    if mixes is None:
        return torch.stack([unknown, unknown], dim=2)
    heads = attention_of_heads(model, batch)
    ids = [item.example.id for item in batch.encoded]
    permuted = mixes.permuted or ((math.nan,) * len(mixes.own),)
    which = (example_keys(0, ids, "head_mix/which") % np.uint64(len(permuted))).tolist()
    weights = torch.tensor(
        [[mixes.own, permuted[i]] for i in which], dtype=torch.float64, device=heads.device
    )
    is_scored = torch.from_numpy(is_of_judging_half(ids)).to(heads.device) | (not mixes.permuted)
    scores = torch.einsum("buh,bmh->bum", heads, weights)
    return torch.where(is_scored[:, None, None], scores, unknown.unsqueeze(2))
