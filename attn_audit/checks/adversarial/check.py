"""Adversarial: could the model have shown entirely different attention for the same prediction?"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from attn_audit.checks.adversarial.exact import exact_adversary, is_exact, own_interval, upper_bound
from attn_audit.checks.adversarial.gradient import Search, gradient_adversary
from attn_audit.checks.adversarial.witness import Witness, row_by_row
from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    effects_of,
    is_measured,
    or_none,
    output_distances,
    replayed,
    rows_of,
    statuses_of_interventions,
    where_kept,
)
from attn_audit.distances import attainable_jsd
from attn_audit.errors import ConfigurationError
from attn_audit.findings import adversarial as fields
from attn_audit.models.contract import LinearReadout

REPLAY_TOLERANCE = 1e-4
"""Largest difference between a replayed output and its linear form that is rounding."""

_Found = tuple[Witness, Bool[Tensor, " batch"]]
"""An adversary, and whether none can be better."""


class Method(StrEnum):
    """How the adversary is found."""

    AUTO = "auto"
    """`exact` where the model allows it, else `gradient`."""
    EXACT = "exact"
    GRADIENT = "gradient"


@dataclass(frozen=True)
class Adversarial:
    """The epsilon-max JSD: how far attention can go while the output stays within epsilon.

    Source: Jain & Wallace (2019), section 4.2.2; its `exact` form is this project's.
    """

    id: ClassVar[str] = "adversarial"

    epsilon: float
    """Largest output distance that counts as the same prediction."""
    method: Method = Method.AUTO
    n_iterations: int = 500
    n_restarts: int = 5

    def passes(self, n_units: int) -> int:
        """Of a search."""
        return self.n_iterations * self.n_restarts

    def run(self, audited: AuditedBatch) -> Columns:
        """The best adversary of every example, its witness, and how good any could be."""
        find = self._exact if self._is_exact(audited) else self._searched
        return self._columns(audited, *find(audited))

    def _is_exact(self, audited: AuditedBatch) -> bool:
        possible = is_exact(audited)
        if self.method is Method.EXACT and not possible:
            raise ConfigurationError(
                "--method exact: this model's output is not one number that is linear in its "
                "attention weights, so the exact adversary does not apply",
                hint="Use --method auto or --method gradient.",
            )
        return possible and self.method is not Method.GRADIENT

    def _exact(self, audited: AuditedBatch) -> _Found:
        """The global optimum; by search where the replayed output is not what was promised."""
        unit_logits, interval = own_interval(audited, self.epsilon)
        witness = exact_adversary(
            audited.explanation, unit_logits, interval, audited.admissible[:, 0]
        )
        with torch.no_grad():
            distance = output_distances(audited, witness.attention.unsqueeze(1)).squeeze(1)
        holds = (distance <= self.epsilon + REPLAY_TOLERANCE) & (
            _own_mismatch(audited) <= REPLAY_TOLERANCE
        )
        if bool(holds.all()):
            return witness, holds
        found, _ = self._searched(audited)
        return witness.where(holds, found), holds

    def _searched(self, audited: AuditedBatch) -> _Found:
        """The best that a search finds: nothing is certain."""
        search = Search(self.epsilon, self.n_iterations, self.n_restarts)
        witness = gradient_adversary(audited, search, _trusted_readout(audited))
        return witness, torch.zeros_like(witness.jsd, dtype=torch.bool)

    def _columns(
        self, audited: AuditedBatch, witness: Witness, certain: Bool[Tensor, " batch"]
    ) -> Columns:
        measured = is_measured(audited)
        decides = measured & audited.has_margin
        with torch.no_grad():
            effects = effects_of(audited, replayed(audited, witness.attention.unsqueeze(1)))
        attainable = attainable_jsd(_least(audited))
        jsd = torch.minimum(witness.jsd, attainable)
        relative = jsd / torch.where(attainable > 0, attainable, 1)
        bound = self._bound(audited, jsd, certain, attainable)
        shown = audited.explain(witness.attention.unsqueeze(1)).squeeze(1)
        return {
            fields.MAX_JSD_FIELD.name: or_none(jsd.cpu().numpy(), measured),
            fields.RELATIVE_JSD_FIELD.name: or_none(relative.cpu().numpy(), measured),
            fields.UPPER_BOUND_FIELD.name: or_none(bound, measured & np.isfinite(bound)),
            fields.DISTANCE_FIELD.name: or_none(effects.distance[:, 0], measured),
            fields.MARGIN_FIELD.name: or_none(effects.margin[:, 0], decides),
            fields.TURNED_FIELD.name: or_none(effects.turned[:, 0], decides),
            fields.METHOD.name: where_kept(
                ("exact" if sure else "gradient" for sure in certain.tolist()), measured
            ),
            fields.STATUS.name: statuses_of_interventions(audited),
            fields.ATTENTION.name: where_kept(rows_of(shown, audited.lengths), measured),
            fields.ROWS.name: where_kept(row_by_row(audited, witness), measured),
        }

    def _bound(
        self,
        audited: AuditedBatch,
        jsd: Float64[Tensor, " batch"],
        certain: Bool[Tensor, " batch"],
        attainable: Float64[Tensor, " batch"],
    ) -> Float64[np.ndarray, " batch"]:
        """What no adversary can exceed; infinite where nothing below the attainable is known."""
        readout = audited.reading.linear_readout
        if readout is None or bool(certain.all()):
            return torch.where(certain, jsd, torch.inf).cpu().numpy()
        bound = upper_bound(audited, self.epsilon, readout)
        is_true = _own_mismatch(audited) <= REPLAY_TOLERANCE
        bound = torch.where((bound < attainable) & is_true, torch.maximum(bound, jsd), torch.inf)
        return torch.where(certain, jsd, bound).cpu().numpy()


def _least(audited: AuditedBatch) -> Float64[Tensor, " batch"]:
    """The smallest weight among the units that attention could lie on."""
    reachable = audited.admissible.any(dim=1)
    return audited.explanation.masked_fill(~reachable, torch.inf).amin(dim=-1)


def _trusted_readout(audited: AuditedBatch) -> LinearReadout | None:
    """The linear readout, where there is one and it gives the model's own outputs."""
    readout = audited.reading.linear_readout
    if readout is None or bool((_own_mismatch(audited) > REPLAY_TOLERANCE).any()):
        return None
    return readout


def _own_mismatch(audited: AuditedBatch) -> Float64[Tensor, " batch"]:
    """How far the linear form of the model's own output is from the output itself."""
    readout = audited.reading.linear_readout
    assert readout is not None, "only called where the readout is linear"
    pooled = torch.einsum("bu,bul->bl", audited.explanation, readout.unit_logits.double())
    logits = readout.offset.double() + audited.mass[:, None] * pooled
    task = audited.model.task
    return task.distance(task.probabilities(logits), audited.probabilities)
