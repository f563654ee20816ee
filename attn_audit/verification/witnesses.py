"""Adversarial witnesses, replayed: does the model say what it is claimed to say?"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from attn_audit.checks.adversarial.restoring import restored
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.replaying import output_distances
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.findings import adversarial
from attn_audit.findings.example import N_UNITS
from attn_audit.findings.tolerance import DISTRIBUTION, DIVERGENCE, MASS, OUTPUT
from attn_audit.results.record import Record
from attn_audit.verification.tally import Tally


class Witnesses:
    """Every stored witness, against the model."""

    def __init__(self, epsilon: float, dtype: str) -> None:
        """Nothing is replayed yet."""
        self._epsilon = epsilon
        self.n_replayed = self.n_not_kept = 0
        output, divergence, mass = OUTPUT.at(dtype), DIVERGENCE.at(dtype), MASS.at(dtype)
        self._is_there = Tally("witnesses", "kept where one was found")
        self._is_distribution = Tally(
            "witnesses", "is a distribution", DISTRIBUTION.limit, DISTRIBUTION.reason
        )
        self._is_within = Tally(
            "witnesses", "output stays within epsilon", output.limit, output.reason
        )
        self._distance = Tally("witnesses", "output distance", output.limit, output.reason)
        self._jsd = Tally("witnesses", "divergence", divergence.limit, divergence.reason)
        self._shown = Tally("witnesses", "rows give what is shown", mass.limit, mass.reason)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What was found so far."""
        return (
            self._is_there, self._is_distribution, self._is_within, self._distance, self._jsd,
            self._shown,
        )  # fmt: skip

    def require_kept(self, record: Record) -> bool:
        """Whether there is something to replay; counts a witness that is claimed and missing."""
        claimed = record[adversarial.MAX_JSD_FIELD] is not None
        is_there = record[adversarial.ATTENTION] is not None
        if claimed or is_there:
            stored = "a divergence" if claimed else "none"
            found = "weights" if is_there else "no weights"
            both = claimed and is_there
            self._is_there.require(record.id, adversarial.ATTENTION.name, stored, found, both)
        return claimed and is_there

    def replay(self, audited: AuditedBatch, records: Sequence[Record]) -> None:
        """Give the model the stored weights, and compare."""
        stored = [record[adversarial.ATTENTION] for record in records]
        shown = [witness or () for witness in stored]
        weights = restored(audited, shown, [record[adversarial.ROWS] for record in records])
        errors = _distribution_errors(audited, weights)
        whole = weights.nan_to_num()
        with torch.no_grad():
            distances = output_distances(audited, whole.unsqueeze(1)).squeeze(1).tolist()
        explained = audited.explain(whole.unsqueeze(1)).squeeze(1)
        jsd = jensen_shannon_divergence(explained, audited.explanation).tolist()
        n_rows = audited.reading.row_mask.sum(dim=-1).tolist()
        for i, record in enumerate(records):
            if n_rows[i] > 1 and record[adversarial.ROWS] is None:
                self._compare_shown_alone(audited, i, record)
                continue
            self.n_replayed += 1
            self._compare(record, errors[i], distances[i], jsd[i])
            if record[adversarial.ROWS] is not None:
                self._compare_rows(record, explained[i].cpu().numpy())

    def _compare(self, record: Record, error: float, distance: float, jsd: float) -> None:
        stored_distance = _number(record[adversarial.DISTANCE_FIELD])
        stored_jsd = _number(record[adversarial.MAX_JSD_FIELD])
        name = adversarial.ATTENTION.name
        found = "weights of other units" if error == np.inf else f"off by {error:.3g}"
        self._is_distribution.compare(record.id, name, "a distribution", found, error)
        if error == np.inf:
            return
        excess = max(0.0, distance - self._epsilon)
        self._is_within.compare(record.id, name, self._epsilon, distance, excess)
        name = adversarial.DISTANCE_FIELD.name
        difference = abs(distance - stored_distance)
        self._distance.compare(record.id, name, stored_distance, distance, difference)
        self._jsd.compare(
            record.id, adversarial.MAX_JSD_FIELD.name, stored_jsd, jsd, abs(jsd - stored_jsd)
        )

    def _compare_rows(self, record: Record, explained: np.ndarray) -> None:
        shown = np.array(record[adversarial.ATTENTION])
        found = explained[: len(shown)]
        if len(found) == len(shown):
            error = float(np.abs(found - shown).max(initial=0.0))
            i = int(np.abs(found - shown).argmax())
            name = f"{adversarial.ATTENTION.name}[{i}]"
            self._shown.compare(record.id, name, float(shown[i]), float(found[i]), error)

    def _compare_shown_alone(self, audited: AuditedBatch, i: int, record: Record) -> None:
        """What can be said without the rows: how far what is shown is from the model's own."""
        self.n_not_kept += 1
        own = audited.explanation[i, : record[N_UNITS]]
        shown = torch.tensor(record[adversarial.ATTENTION], dtype=torch.float64, device=own.device)
        if shown.shape == own.shape:
            jsd = jensen_shannon_divergence(shown, own).item()
            stored = _number(record[adversarial.MAX_JSD_FIELD])
            self._jsd.compare(
                record.id, adversarial.MAX_JSD_FIELD.name, stored, jsd, abs(jsd - stored)
            )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _distribution_errors(audited: AuditedBatch, weights: Tensor) -> list[float]:
    """How far each example's rows are from distributions over what they may attend to.

    Infinite where they are not weights of these units at all.
    """
    reachable = audited.admissible.any(dim=-1) & (audited.row_share > 0)
    sums = ((weights.sum(dim=-1) - 1).abs() * reachable).amax(dim=-1)
    below = (-weights).clamp_min(0).amax(dim=(-1, -2))
    elsewhere = (weights.abs() * ~audited.admissible).amax(dim=(-1, -2))
    errors = torch.stack([sums, below, elsewhere]).amax(dim=0)
    return errors.nan_to_num(nan=torch.inf).tolist()
