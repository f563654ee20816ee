"""The self-check: before anything is measured, that what is audited is the model itself.

None of it is about a kind of model: all goes through the contract, and is as true of one that a
user wrote as of the paper's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.errors import SelfCheckError
from attn_audit.models.contract import (
    AuditedModel,
    Batch,
    EncodedExample,
    Reading,
    Site,
    require_numbers,
)
from attn_audit.results.report import SelfCheck

TOLERANCES = {
    torch.float64: 1e-6,  # normalisation and softmax stay in float32 in some architectures
    torch.float32: 1e-4,  # kernels that add in another order: at most 1e-5 on 74 architectures
    torch.float16: 2e-2,  # 20 times the spacing of numbers: a dozen layers of single roundings
    torch.bfloat16: 1e-1,  # the same of a spacing that is 8 times as wide
}
"""Largest deviation that is rounding, of probabilities and of logits relative to their size."""


@dataclass(frozen=True)
class Trial:
    """A few examples, read once."""

    model: AuditedModel
    site: Site
    batch: Batch
    reading: Reading

    def deviation(self, logits: Logits) -> float:
        """How far logits are from those that were read: in probability, or for their size."""
        task, own = self.model.task, self.reading.logits
        distance = task.distance(task.probabilities(logits), task.probabilities(own))
        change, size = (logits.double() - own.double()).abs(), own.double().abs()
        if self.batch.allowed is not None:
            change, size = (x.masked_fill(~self.batch.allowed, 0) for x in (change, size))
        size = size.amax(dim=-1).clamp_min(1)
        return float(torch.maximum(distance, change.amax(dim=-1) / size).max())


@dataclass(frozen=True)
class Requirement:
    """One thing that must hold, and how far a model is from it."""

    name: str
    advice: str
    """What to do where it does not hold."""
    error: Callable[[Trial], float]
    tolerance: Callable[[AuditedModel], float]
    is_of_batches: bool = False
    """Whether it says nothing of a model whose texts stand alone."""
    is_of_attention: bool = False
    """Whether it says nothing of a model of which no attention is seen."""

    def check(self, trials: Sequence[Trial]) -> SelfCheck:
        """The worst that was found on trials of one model."""
        error = max(self.error(trial) for trial in trials)
        tolerance = self.tolerance(trials[0].model)
        return SelfCheck(
            name=self.name, error=error, tolerance=tolerance, passed=error <= tolerance
        )


def rounding(model: AuditedModel) -> float:
    """What the coarsest of the model's parameters allows for."""
    return TOLERANCES[model.dtype]


def _rounding_of_repeats(model: AuditedModel) -> float:
    """None where the same pass gives the same bits."""
    return 0.0 if model.repeats_exactly else rounding(model)


def _n_training(trial: Trial) -> float:
    return float(sum(module.training for module in trial.model.module.modules()))


def _of_repetition(trial: Trial) -> float:
    (again,) = trial.model.read(trial.batch, [trial.site])
    return trial.deviation(again.logits)


def _of_padding(trial: Trial) -> float:
    alone = [
        trial.model.read(trial.model.collate([item]), [trial.site])[0].logits
        for item in trial.batch.encoded
    ]
    return trial.deviation(torch.cat(alone))


def _of_row_sums(trial: Trial) -> float:
    reading = trial.reading
    audited: Float[Tensor, "batch row"] = reading.mass.double() * reading.attention.double().sum(-1)
    deviation = (audited + reading.rest.double() - 1).abs()
    return float(deviation.masked_fill(~reading.row_mask, 0).max())


def _of_own_attention(trial: Trial) -> float:
    reading = trial.reading
    return trial.deviation(reading.replay(reading.attention.unsqueeze(1)).squeeze(1))


REQUIREMENTS = (
    Requirement(
        "evaluation mode",
        "Call eval() on the model: some of its modules are in training mode.",
        _n_training,
        lambda model: 0.0,
    ),
    Requirement(
        "two passes agree",
        "Its output is random: look for dropout or noise that evaluation mode does not turn off.",
        _of_repetition,
        _rounding_of_repeats,
    ),
    Requirement(
        "padding changes nothing",
        "It sees padding: pass it the attention mask or the lengths of the texts, and use them.",
        _of_padding,
        rounding,
        is_of_batches=True,
    ),
    Requirement(
        "rows sum to 1",
        "What was read is no distribution over tokens: it cannot be audited as attention.",
        _of_row_sums,
        rounding,
        is_of_attention=True,
    ),
    Requirement(
        "own attention reproduces the output",
        "What was read is not the attention that the output is made with: choose another layer, "
        "or name the module that computes it.",
        _of_own_attention,
        rounding,
        is_of_attention=True,
    ),
)
"""In this order: what fails first explains what fails after it."""

N_EXAMPLES = 4
"""How many are tried: of the lengths at hand from the shortest to the longest."""


def self_check(
    model: AuditedModel, encoded: Sequence[EncodedExample], site: Site
) -> tuple[SelfCheck, ...]:
    """Try out what every number of an audit rests on.

    Returns:
        What was found, all of it as it must be; nothing where there are no examples.

    Raises:
        InvalidOutputError: A logit or weight is not a number.
        SelfCheckError: Something is not as it must be.
    """
    if not encoded:
        return ()
    texts = _of_all_lengths(encoded)
    are_padded = model.batches_texts and model.pads_texts
    with torch.no_grad():
        trials = [
            _trial(model, site, together)
            for together in ([texts] if are_padded else [[text] for text in texts])
        ]
        found = tuple(
            requirement.check(trials)
            for requirement in REQUIREMENTS
            if are_padded or not requirement.is_of_batches
            if model.layers or not requirement.is_of_attention
        )
    failed = [check for check in found if not check.passed]
    if failed:
        advice = {requirement.name: requirement.advice for requirement in REQUIREMENTS}
        raise SelfCheckError(
            (f"{c.name} (found {c.error:.3g}, allowed {c.tolerance:.3g})" for c in failed),
            (advice[check.name] for check in failed),
        )
    return found + _of_places(model)


def _trial(model: AuditedModel, site: Site, encoded: Sequence[EncodedExample]) -> Trial:
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


def _of_all_lengths(encoded: Sequence[EncodedExample]) -> list[EncodedExample]:
    """A few examples from the shortest to the longest, so that most of them get padding."""
    ordered = sorted(encoded, key=lambda item: item.n_units)
    n = min(N_EXAMPLES, len(ordered))
    return [ordered[round(i * (len(ordered) - 1) / max(1, n - 1))] for i in range(n)]
