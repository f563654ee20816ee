"""What a model makes of texts without sets of their units: each set is asked for once."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from attn_audit.models.contract import AuditedModel, Encoded, coarseness, require_finite
from attn_audit.models.margin import Margin
from attn_audit.progress import in_portions

BYTES_OF_A_UNIT = 64
"""Worked on for each unit of each set while texts are made without them."""

Gone = int
"""The units that are left out, as a bitset: bit i is unit i."""


@dataclass
class _Known:
    """Of one text."""

    places: dict[Gone, int] = field(default_factory=dict)
    gains: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)


class Outcomes:
    """Gains and lost margins of sets of units, by one way of leaving out.

    Every pass holds as many sets, of any of the texts, as there is room for (`AuditedModel.erase`
    packs them by length), beside each text itself, from which its gains are taken.
    """

    def __init__(
        self, model: AuditedModel, encoded: Sequence[Encoded], operator: str | None
    ) -> None:
        """Nothing is known yet.

        Args:
            operator: One of the model's removals; None: its own.
        """
        self._model, self._encoded, self._operator = model, encoded, operator
        self._known = [_Known() for _ in encoded]

    @property
    def n_sets(self) -> int:
        """How many were asked for."""
        return sum(len(known.places) for known in self._known)

    def measure(self, asked: Sequence[Collection[Gone]]) -> None:
        """Find out what is not known yet.

        Args:
            asked: Of each text.

        Raises:
            InvalidOutputError: An output is no finite number.
        """
        missing = [
            sorted(set(sets) - known.places.keys())
            for sets, known in zip(asked, self._known, strict=True)
        ]
        rows = [i for i, sets in enumerate(missing) if sets]
        if not rows:
            return
        n_units = max(self._encoded[i].n_units for i in rows)
        most = max(len(missing[i]) for i in rows)
        texts = self._model.capacity.in_memory(BYTES_OF_A_UNIT * n_units * (most + 1))
        for portion in in_portions(len(rows), texts):
            self._measure(rows[portion], missing)

    def _measure(self, rows: Sequence[int], missing: Sequence[Sequence[Gone]]) -> None:
        batch = self._model.collate([self._encoded[i] for i in rows])
        n_units, most = batch.unit_mask.shape[1], max(len(missing[i]) for i in rows)
        size = self._model.capacity.in_memory(BYTES_OF_A_UNIT * n_units * len(rows))
        for portion in in_portions(most, size):
            asked = [missing[i][portion] for i in rows]
            gone = _masks(asked, n_units).to(batch.unit_mask.device)
            keep = batch.unit_mask.unsqueeze(1) & ~gone
            logits = self._model.erase(batch, keep, self._operator)
            gains, lost = self._effects(logits)
            # Of a text without any unit a model need not make a number: then nothing is lost.
            is_told = keep.any(dim=2)[:, 1:] | gains.isfinite()
            gains, lost = torch.where(is_told, gains, 0), torch.where(is_told, lost, 0)
            require_finite(batch, gains, "output without some of its units")
            self._keep(rows, asked, gains.cpu().numpy(), lost.cpu().numpy())

    def _effects(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Against the first variant, which is the text itself."""
        model = self._model
        limits = model.logit_limits
        margin = Margin.of(model.task, logits[:, 0], coarseness(model.dtype), limits)
        likely = margin.probability(model.task.probabilities(logits))
        return likely[:, :1] - likely[:, 1:], margin.lost(logits[:, 1:])

    def _keep(
        self,
        rows: Sequence[int],
        asked: Sequence[Sequence[Gone]],
        gains: Float64[np.ndarray, "text set"],
        lost: Float64[np.ndarray, "text set"],
    ) -> None:
        for i, sets, of_text, lost_of_text in zip(rows, asked, gains, lost, strict=True):
            known = self._known[i]
            known.places |= {gone: len(known.places) + n for n, gone in enumerate(sets)}
            known.gains += of_text[: len(sets)].tolist()
            known.lost += lost_of_text[: len(sets)].tolist()

    def gains(self, text: int, sets: Iterable[Gone]) -> Float64[np.ndarray, " set"]:
        """By how much what is predicted becomes less probable without each of some sets."""
        known = self._known[text]
        return np.array([known.gains[known.places[gone]] for gone in sets])

    def lost(self, text: int, sets: Iterable[Gone]) -> Float64[np.ndarray, " set"]:
        """Shares of the margin that are lost; NaN where the model is undecided."""
        known = self._known[text]
        return np.array([known.lost[known.places[gone]] for gone in sets])


def _masks(asked: Sequence[Sequence[Gone]], n_units: int) -> Bool[Tensor, "text set unit"]:
    """Which units are gone: in the first set of each text, and behind its last, none."""
    n_bytes = -(-n_units // 8)
    most = max(map(len, asked))
    masks = np.zeros((len(asked), most + 1, n_bytes), dtype=np.uint8)
    for i, sets in enumerate(asked):
        packed = b"".join(gone.to_bytes(n_bytes, "little") for gone in sets)
        masks[i, 1 : len(sets) + 1] = np.frombuffer(packed, np.uint8).reshape(-1, n_bytes)
    bits = np.unpackbits(masks, axis=2, count=n_units, bitorder="little")
    return torch.from_numpy(bits.astype(bool))
