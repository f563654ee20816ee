"""Beginnings of texts, computed once for all that share them, where no token sees a later one."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.capacity import full_batches, in_order
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.readout_pass import are_equal
from attn_audit.models.interception.removal.base import UnitRemoval, Variants, removed_positions
from attn_audit.models.interception.removal.proof import Proof
from attn_audit.progress import portions

PART_OF_KEPT = 8
"""Positions of a prefix that take the memory of one that is computed, keys and values alone."""


class Prefixes:
    """Texts without units from their first change on, behind what was kept of the whole texts.

    Whether that gives what passes give is found by trial, for each way to leave units out.
    """

    def __init__(self) -> None:
        self._proofs: dict[type[UnitRemoval], Proof[bool]] = {}

    def are_worth_it(
        self, removal: UnitRemoval, batch: InterceptedBatch, variants: Variants
    ) -> bool:
        """Whether fewer positions are computed, and the logits are those of passes."""
        if not removal.classifier.can_continue or not removal.is_of_tokens:
            return False
        n_positions = removal.n_positions(batch, variants)
        n_computed = (n_positions - _n_kept(removal, batch, variants)).sum()
        n_whole = batch.inputs.real[torch.unique(variants.example)].sum()
        if not bool(n_computed + n_whole < n_positions.sum()):
            return False
        if type(removal) not in self._proofs:
            self._proofs[type(removal)] = Proof([True], partial(self._holds, removal))
        return bool(self._proofs[type(removal)].found(batch))

    def logits(
        self, removal: UnitRemoval, batch: InterceptedBatch, variants: Variants, n_tokens: int
    ) -> Logits:
        """Of variants, in their order.

        Args:
            n_tokens: Of a pass, at most.
        """
        parts = []
        chunks = list(_of_some_texts(batch, variants, n_tokens))
        for texts, rows in portions(chunks, [len(rows) for _, rows in chunks]):
            some = variants.take(rows)
            n_kept = _n_kept(removal, batch, some)
            n_left = removal.n_positions(batch, some) - n_kept
            batches = list(full_batches(n_left + n_kept // PART_OF_KEPT, n_tokens))
            beginnings = _Beginnings.of(removal, batch, texts)
            found = [beginnings.logits(part) for part in map(some.take, portions(batches))]
            parts.append(in_order(found, batches))
        return in_order(parts, [rows for _, rows in chunks])

    def _holds(
        self, removal: UnitRemoval, batch: InterceptedBatch, variants: Variants, _: bool
    ) -> bool:
        try:
            found = _Beginnings.of(removal, batch, torch.unique(variants.example)).logits(variants)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:  # a model may fail in any way where it is given keys and values
            return False
        return are_equal(found, removal.runner(batch)(variants))


@dataclass(frozen=True)
class _Beginnings:
    """What was kept of some texts of a batch."""

    removal: UnitRemoval
    batch: InterceptedBatch
    kept: Any
    place: Int[Tensor, " batch"]
    """Of each text among those whose beginnings are kept."""

    @staticmethod
    def of(
        removal: UnitRemoval, batch: InterceptedBatch, texts: Int[Tensor, " text"]
    ) -> "_Beginnings":
        place = torch.zeros(len(batch.encoded), dtype=torch.long, device=texts.device)
        place[texts] = torch.arange(len(texts), device=texts.device)
        kept = removal.classifier.kept_prefixes(batch.inputs.take(texts).trim())
        return _Beginnings(removal, batch, kept, place)

    def logits(self, variants: Variants) -> Logits:
        """All in one pass."""
        n_kept = _n_kept(self.removal, self.batch, variants)
        inputs, rows = self.removal.inputs(self.batch, variants), self.place[variants.example]
        return self.removal.classifier.continued(self.kept, rows, n_kept, inputs)


def _of_some_texts(
    batch: InterceptedBatch, variants: Variants, n_tokens: int
) -> Iterator[tuple[Int[Tensor, " text"], Int[Tensor, " row"]]]:
    """Texts whose keys and values are kept together, and the variants of them."""
    examples = torch.unique(variants.example)
    lengths = batch.inputs.real[examples].sum(dim=1)
    for chosen in full_batches(lengths, n_tokens):
        texts = examples[chosen]
        (rows,) = torch.nonzero(torch.isin(variants.example, texts), as_tuple=True)
        yield texts, rows


def _n_kept(
    removal: UnitRemoval, batch: InterceptedBatch, variants: Variants
) -> Int[Tensor, " row"]:
    """Positions before the first change, and before the first that is read."""
    units, real = batch.inputs.units[variants.example], batch.inputs.real[variants.example]
    gone = removed_positions(units, variants.keep)
    first = torch.where(gone.any(dim=1), gone.int().argmax(dim=1), real.sum(dim=1))
    n_positions = removal.n_positions(batch, variants)
    return torch.minimum(first, n_positions - _n_read(removal, batch)[variants.example])


def _n_read(removal: UnitRemoval, batch: InterceptedBatch) -> Int[Tensor, " batch"]:
    """Positions from the first that the output is read at, to the end of each text."""
    real, read = batch.inputs.real, removal.classifier.read_rows(batch.inputs)
    if read is None:
        return torch.ones_like(real[:, 0], dtype=torch.long)
    return (real & (read.cumsum(dim=1) > 0)).sum(dim=1)
