"""Replacement: what becomes of the output where attention is replaced at several sites together?"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt64
from torch import Tensor

from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    effects_of,
    joined_statuses,
    or_none,
    where_kept,
)
from attn_audit.findings import replacement as fields
from attn_audit.findings.example import Status
from attn_audit.models.contract import (
    AuditedModel,
    Batch,
    EncodedExample,
    NewWeights,
    RowChoice,
    RowWeights,
    Rule,
    Site,
)
from attn_audit.randomness import Keys, example_keys, hashes, normals, row_keys

N_SHUFFLES = 20
"""Draws of the shuffled rule. The random one is drawn once: a mean over texts needs no more."""

ROWS_OF_A_HEAD = 2**20
"""Numbers that each head's rows have for themselves."""

BYTES_OF_A_WEIGHT = 64
"""Worked on for each weight of a layer while it is drawn anew."""

Scores = Callable[[Keys, int], np.ndarray]
"""Gets a key for each row, and gives random numbers [row, unit]."""


def cut_off(own: RowWeights) -> NewWeights:
    """Nothing of the text is attended to, and the rest has all of the row."""
    return NewWeights(own.attention, torch.zeros_like(own.mass))


def equal(own: RowWeights) -> NewWeights:
    """The same weight on every unit that a row may attend to."""
    return NewWeights(own.admissible.to(own.attention.dtype))


def shuffled(own: RowWeights, scores: Float[Tensor, "batch row unit"]) -> NewWeights:
    """Each row in the order of its own scores, within the units that it may attend to."""
    drawn = scores.masked_fill(~own.admissible, torch.inf).argsort(dim=-1)
    place = (~own.admissible).int().argsort(dim=-1, stable=True)  # the row's units come first
    weights = torch.zeros_like(own.attention)
    return NewWeights(weights.scatter(-1, place, own.attention.gather(-1, drawn)))


def random(own: RowWeights, scores: Float[Tensor, "batch row unit"]) -> NewWeights:
    """Each row the softmax of its own normal scores, over the units that it may attend to."""
    allowed = scores.masked_fill(~own.admissible, -torch.inf)
    return NewWeights(allowed.softmax(dim=-1).nan_to_num().to(own.attention.dtype))


def _uniform(keys: Keys, n_units: int) -> np.ndarray:
    return (hashes(keys, range(1), n_units)[:, 0] >> np.uint64(11)) * 2.0**-53


def _normal(keys: Keys, n_units: int) -> np.ndarray:
    drawn: np.ndarray = normals(keys, 1, n_units)[:, 0]
    return drawn


@dataclass(frozen=True)
class Replacement:
    """Attention on the audited units, replaced in every row of several layers in one pass.

    Each rule gets the weights that a layer computes in that very pass. Each row and head draws its
    own; a row keeps its mass, and only what it may attend to gets any.
    """

    id: ClassVar[str] = "replacement"

    layers: tuple[int, ...]
    """Indices of those that are replaced."""

    def passes(self, n_units: int) -> int:
        """Whole ones: each shuffle, and once equal, random and cut off."""
        return N_SHUFFLES + 3

    def run(self, audited: AuditedBatch) -> Columns:
        """What each rule does, a median or mean over its draws."""
        model, lengths = audited.model, audited.lengths
        measured = lengths > 1
        decides = measured & audited.has_margin
        single = lengths == 1
        statuses = joined_statuses(
            (single, Status.SINGLE_UNIT), (~single & ~audited.has_margin, Status.NO_MARGIN)
        )
        columns: Columns = {fields.STATUS.name: statuses}
        for found in fields.RULES:
            logits = self.logits(audited, found.rule)
            effects = effects_of(audited, logits)
            first = model.task.predictions(model.task.probabilities(logits[:, 0]))
            columns |= {
                found.distance.name: or_none(np.median(effects.distance, axis=1), measured),
                found.margin.name: or_none(np.median(effects.margin, axis=1), decides),
                found.turned.name: or_none(effects.turned.mean(axis=1), decides),
                found.prediction.name: where_kept(first, measured),
            }
        return columns

    @torch.no_grad()
    def logits(self, audited: AuditedBatch, rule: str) -> Float[Tensor, "batch variant label"]:
        """Of every draw; long texts in smaller batches than the audit's, where all rows count."""
        model, encoded = audited.model, audited.batch.encoded
        size = portion_of(model, encoded, self.layers)
        found = []
        for start in range(0, len(encoded), size):
            some = encoded[start : start + size]
            batch = audited.batch if len(some) == len(encoded) else model.collate(some)
            draws = [model.intervene(batch, r) for r in self.rules(rule, batch, audited)]
            found.append(torch.stack(draws, dim=1))
        return torch.cat(found)

    def rules(self, rule: str, batch: Batch, audited: AuditedBatch) -> Iterator[dict[Site, Rule]]:
        """For each draw what every layer's rows are given."""
        for draw in range(N_SHUFFLES if rule == "shuffled" else 1):
            given: dict[Site, Rule] = {}
            for layer in self.layers:
                ids = [item.example.id for item in batch.encoded]
                name = f"{self.id}/{rule}/{layer}/{draw}"
                drawn = partial(
                    _drawn,
                    keys=example_keys(audited.seed, ids, name),
                    n_heads=audited.model.layers[layer].n_heads,
                )
                given[Site(layer, rows=RowChoice.ALL)] = _RULES[rule](drawn)
            yield given


_Drawn = Callable[[RowWeights, Scores], Tensor]

_RULES: dict[str, Callable[[_Drawn], Rule]] = {
    "shuffled": lambda drawn: lambda own: shuffled(own, drawn(own, _uniform)),
    "equal": lambda drawn: equal,
    "random": lambda drawn: lambda own: random(own, drawn(own, _normal)),
    "cut_off": lambda drawn: cut_off,
}


def _drawn(
    own: RowWeights, scores: Scores, *, keys: Keys, n_heads: int
) -> Float[Tensor, "batch row unit"]:
    """Random numbers of each row, whatever batch it is in."""
    n_batch, n_rows, n_units = own.attention.shape
    numbers = row_numbers(own.row_mask.cpu().numpy(), n_heads)
    of_rows: UInt64[np.ndarray, "batch row"] = row_keys(keys, numbers)
    drawn = scores(of_rows.ravel(), n_units).reshape(n_batch, n_rows, n_units)
    return torch.from_numpy(drawn).to(own.attention.device)


def row_numbers(row_mask: np.ndarray, n_heads: int) -> Int64[np.ndarray, "batch row"]:
    """What each row is called: its head and its place among the head's rows that there are."""
    by_head = row_mask.reshape(len(row_mask), n_heads, -1)
    place = (by_head.cumsum(axis=2) - 1).clip(0)
    heads = np.arange(n_heads)[None, :, None] * ROWS_OF_A_HEAD
    numbers: np.ndarray = (heads + place).reshape(row_mask.shape)
    return numbers


def portion_of(
    model: AuditedModel, encoded: Sequence[EncodedExample], layers: Sequence[int]
) -> int:
    """How many texts all rows of a layer may be replaced in at once."""
    longest = max(item.n_tokens for item in encoded)
    n_heads = max(model.layers[layer].n_heads for layer in layers)
    return model.capacity.in_memory(BYTES_OF_A_WEIGHT * n_heads * longest**2)
