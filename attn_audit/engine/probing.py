"""Trying a few batches to see what all will take."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import Check
from attn_audit.engine.batch import READING, Finding, audit_batch
from attn_audit.engine.cost import Shape, fit_cost
from attn_audit.engine.memory import restart_peak, used_memory
from attn_audit.engine.plan import Plan
from attn_audit.engine.search_steps import N_SEARCHED, STEPS, has_searched, seconds_of_steps
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.models.base import AuditedModel, Encoded

PATIENCE = 0.7
"""Seconds that one check may be tried on one batch: fewer examples where it would take longer."""

FEW_EXAMPLES = 4


@dataclass
class Trials:
    """What was measured of one check, or of reading."""

    shapes: list[Shape] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    n_bytes: list[int] = field(default_factory=list)
    """Memory that each needed beside the model."""

    def add(self, batch: Sequence[Encoded], seconds: float, n_bytes: int) -> None:
        """Note a trial.

        Args:
            batch: That was tried.
            seconds: What it took.
            n_bytes: Memory that it needed beside the model.
        """
        shape = Shape.of(item.n_tokens for item in batch)
        self.shapes.append(shape)
        self.seconds.append(seconds)
        self.n_bytes.append(n_bytes)

    def extend(self, other: "Trials") -> None:
        """Add what was measured elsewhere."""
        self.shapes += other.shapes
        self.seconds += other.seconds
        self.n_bytes += other.n_bytes

    def forecast(self, shape: Shape) -> float:
        """Seconds that other batches will take."""
        return fit_cost(self.shapes, self.seconds).seconds(shape)

    def memory(self, largest: Shape) -> int:
        """Bytes that the largest batch will need beside the model."""
        needed = [max(1.0, float(n)) for n in self.n_bytes]
        return round(max(fit_cost(self.shapes, needed).seconds(largest), *needed))


def probe(
    model: AuditedModel, plan: Plan, batches: Sequence[Sequence[Encoded]]
) -> tuple[dict[str, Trials], list[Finding]]:
    """Try every check on some batches.

    Args:
        model: The model.
        plan: With the checks to try.
        batches: A few, of all lengths.

    Returns:
        What was measured, by check; under READING of reading attention. And what was found
        for a few examples of each batch.
    """
    trials = _no_trials(plan)
    for check in plan.checks:
        _try(model, plan, check, batches[-1][-1:], _no_trials(plan))  # what only happens once
        for batch in batches:
            few = _some(batch, N_SEARCHED if isinstance(check, Adversarial) else FEW_EXAMPLES)
            found = _no_trials(plan)
            seconds = _try(model, plan, check, few, found)
            n_fitting = int(PATIENCE / max(seconds, 1e-6)) * len(few)
            if len(batch) > len(few) and n_fitting >= 2 * len(few):
                # As many as in the audit, if they may: of a few, each takes longer.
                found = _no_trials(plan)
                _try(model, plan, check, _some(batch, n_fitting), found)
            for name, others in found.items():
                trials[name].extend(others)
    brief = tuple(
        replace(check, n_iterations=1) if isinstance(check, Adversarial) else check
        for check in plan.checks
    )
    brief_plan = replace(plan, checks=brief)
    parts = [_some(batch, FEW_EXAMPLES) for batch in batches]
    tried = [found for part in parts for found in audit_batch(model, part, brief_plan, Stopwatch())]
    return trials, tried


def _some(batch: Sequence[Encoded], n: int) -> list[Encoded]:
    """So many examples, from the shortest to the longest."""
    if n >= len(batch):
        return list(batch)
    return [batch[round(i * (len(batch) - 1) / (n - 1))] for i in range(n)]


def _no_trials(plan: Plan) -> dict[str, Trials]:
    return {name: Trials() for name in (READING, *(check.id for check in plan.checks))}


def _try(
    model: AuditedModel,
    plan: Plan,
    check: Check,
    batch: Sequence[Encoded],
    trials: dict[str, Trials],
) -> float:
    """Note what a check takes for some examples; the seconds that it took to try it."""
    if not isinstance(check, Adversarial) or check.n_iterations <= STEPS[1]:
        found = _measure(model, plan, check, batch)
        seconds, spent = found.seconds, found.reading + found.seconds
    else:
        found = _measure(model, plan, replace(check, n_iterations=STEPS[0]), batch)
        seconds, spent = found.seconds, found.reading + found.seconds
        if found.has_searched:
            again = _measure(model, plan, replace(check, n_iterations=STEPS[0]), batch)
            other = _measure(model, plan, replace(check, n_iterations=STEPS[1]), batch)
            spent += again.reading + again.seconds + other.reading + other.seconds
            seconds = seconds_of_steps(again.seconds, other.seconds, check.n_iterations)
    trials[check.id].add(batch, seconds, found.n_bytes)
    trials[READING].add(batch, found.reading, 0)
    return spent


@dataclass(frozen=True)
class _Measured:
    seconds: float
    reading: float
    n_bytes: int
    has_searched: bool


def _measure(model: AuditedModel, plan: Plan, check: Check, batch: Sequence[Encoded]) -> _Measured:
    device, stopwatch = model.device.type, Stopwatch()
    before = used_memory(device) or 0
    restart_peak(device)
    found = audit_batch(model, batch, replace(plan, checks=(check,)), stopwatch)
    peak = used_memory(device, peak=True) or 0
    return _Measured(
        seconds=stopwatch.seconds[check.id],
        reading=stopwatch.seconds[READING],
        n_bytes=max(0, peak - before),
        has_searched=has_searched(found),
    )
