"""From settings to checks."""

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.base import Check
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.config import AuditSettings
from attn_audit.models.base import AuditedModel

EPSILON_SINGLE, EPSILON_PAIR = 0.01, 0.05
"""Defaults for single texts and for pairs: Jain & Wallace (2019), section 4.2.2."""


def make_checks(settings: AuditSettings, model: AuditedModel) -> tuple[Check, ...]:
    """The checks that the settings ask for, in the order in which they are reported.

    Args:
        settings: Checked settings.
        model: Decides the default of epsilon.
    """
    epsilon = epsilon_for(settings, model)
    every: tuple[Check, ...] = (
        Correlation(settings.measures),
        Permutation(epsilon, settings.permutations),
        Adversarial(epsilon, Method(settings.method), settings.iterations, settings.restarts),
    )
    return tuple(check for check in every if check.id in settings.checks)


def epsilon_for(settings: AuditSettings, model: AuditedModel) -> float:
    """Epsilon as set, or the paper's default for single texts or pairs."""
    if settings.epsilon is not None:
        return settings.epsilon
    return EPSILON_PAIR if model.describe().takes_pairs else EPSILON_SINGLE
