"""The self-check: before anything is measured, that what is audited is the model itself."""

from collections.abc import Sequence

import torch

from attn_audit.errors import SelfCheckError
from attn_audit.models.base import AuditedModel, Encoded, Site
from attn_audit.models.requirements import REQUIREMENTS, Trial
from attn_audit.models.validity import require_numbers
from attn_audit.results.report import SelfCheck

N_EXAMPLES = 4
"""How many are tried: of the lengths at hand from the shortest to the longest."""


def self_check(
    model: AuditedModel, encoded: Sequence[Encoded], site: Site
) -> tuple[SelfCheck, ...]:
    """Try out what every number of an audit rests on.

    Args:
        model: About to be audited.
        encoded: Some of the examples.
        site: About to be audited.

    Returns:
        What was found, all of it as it must be; nothing where there are no examples.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
        SelfCheckError: Something is not as it must be.
    """
    if not encoded:
        return ()
    texts = _of_all_lengths(encoded)
    with torch.no_grad():
        trials = [
            _trial(model, site, together)
            for together in ([texts] if model.batches_texts else [[text] for text in texts])
        ]
        found = tuple(
            requirement.check(trials)
            for requirement in REQUIREMENTS
            if model.batches_texts or not requirement.is_of_batches
        )
    _raise_failures(found)
    return found + _of_places(model)


def _trial(model: AuditedModel, site: Site, encoded: Sequence[Encoded]) -> Trial:
    batch = model.collate(encoded)
    (reading,) = model.read(batch, [site])
    require_numbers(batch, reading)
    return Trial(model, site, batch, reading)


def _of_places(model: AuditedModel) -> tuple[SelfCheck, ...]:
    """Whether a trial showed whose column is whose, where one was made."""
    findings = model.describe().findings
    match None if findings is None else findings.places_are_told:
        case None:
            return ()
        case True:
            name = "changing a token moves its own weight most"
        case False:
            name = "no trial could tell whose weight is whose (taken in the text's order)"
    return (SelfCheck(name=name, error=0, tolerance=0, passed=True),)


def _of_all_lengths(encoded: Sequence[Encoded]) -> list[Encoded]:
    """A few examples from the shortest to the longest, so that most of them get padding."""
    ordered = sorted(encoded, key=lambda item: item.n_units)
    n = min(N_EXAMPLES, len(ordered))
    return [ordered[round(i * (len(ordered) - 1) / max(1, n - 1))] for i in range(n)]


def _raise_failures(found: Sequence[SelfCheck]) -> None:
    failed = [check for check in found if not check.passed]
    if failed:
        advice = {requirement.name: requirement.advice for requirement in REQUIREMENTS}
        raise SelfCheckError(
            (f"{c.name} (found {c.error:.3g}, allowed {c.tolerance:.3g})" for c in failed),
            (advice[check.name] for check in failed),
        )
