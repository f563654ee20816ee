"""What the checks that move attention among units have in common."""

import numpy as np
from jaxtyping import Bool

from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.columns import join_statuses
from attn_audit.findings.example import Status


def is_measured(audited: AuditedBatch) -> Bool[np.ndarray, " batch"]:
    """Whether moving attention says something: it takes two units to move it between, and mass."""
    measured: np.ndarray = audited.has_mass & audited.can_move
    return measured


def statuses_of_interventions(audited: AuditedBatch) -> list[str]:
    """The status of each example, for a check that moves attention among units."""
    statuses = [str(Status.MEASURED)] * len(audited.batch)
    for i in np.flatnonzero(~is_measured(audited)).tolist():
        reasons = [] if audited.can_move[i] else [Status.SINGLE_UNIT]
        statuses[i] = join_statuses(
            reasons if audited.has_mass[i] else [*reasons, Status.NO_AUDITED_MASS]
        )
    return statuses
