"""A mix of the attention of all heads, fitted on one half of the texts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from attn_audit.measures.base import measured_in_portions, n_whole_together
from attn_audit.models.contract import AuditedModel, Batch, WholeAttention
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


def of_heads(batch: Batch, whole: WholeAttention) -> Float64[Tensor, "batch unit head"]:
    """The weights of every head in the row that is read out, as the model has them."""
    rows = torch.cat(
        [
            torch.einsum(
                "bq,bhqk->bhk",
                whole.readout,
                weights.double().masked_fill(~whole.real[:, None, :, None], 0),
            )
            for weights in whole.layers
        ],
        dim=1,
    )
    return torch.stack([batch.sum_over_units(row) for row in rows.unbind(dim=1)], dim=2)


def head_mix(
    mixes: Mixes | None, model: AuditedModel, batch: Batch
) -> Float64[Tensor, "batch unit 2"]:
    """By the mix, and by one of those that were fitted to permuted effects.

    Returns:
        NaN where there is no mix, and for a text of the half that fits where texts are judged.
    """
    unknown = batch.unit_mask.double().masked_fill(batch.unit_mask, torch.nan)
    found = torch.stack([unknown, unknown], dim=2)
    rows = scored(mixes, batch)
    if mixes is not None and rows:
        part = model.collate([batch.encoded[i] for i in rows])
        size = n_whole_together(model, part)
        scores = measured_in_portions(partial(_mixed, mixes), model, part, size)
        found[rows] = 0
        found[rows, : scores.shape[1]] = scores
    return found


def scored(mixes: Mixes | None, batch: Batch) -> list[int]:
    """The texts of a batch that have scores."""
    if mixes is None:
        return []
    if not mixes.permuted:
        return list(range(len(batch.encoded)))
    is_judging = is_of_judging_half([item.example.id for item in batch.encoded])
    found: list[int] = np.flatnonzero(is_judging).tolist()
    return found


def _mixed(mixes: Mixes, model: AuditedModel, batch: Batch) -> Float64[Tensor, "batch unit 2"]:
    heads = of_heads(batch, model.read_whole(batch))
    permuted = mixes.permuted or ((math.nan,) * len(mixes.own),)
    keys = example_keys(0, [item.example.id for item in batch.encoded], "head_mix/which")
    which = (keys % np.uint64(len(permuted))).tolist()
    weights = torch.tensor(
        [[mixes.own, permuted[i]] for i in which], dtype=torch.float64, device=heads.device
    )
    return torch.einsum("buh,bmh->bum", heads, weights)


def why_not(model: AuditedModel) -> str | None:
    """It takes several heads, and all of them seen."""
    if sum(layer.n_heads for layer in model.layers) == 1:
        return "it has one attention, which is the audited one"
    return model.not_whole_because
