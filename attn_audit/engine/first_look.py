"""Trying a few examples before the first batch, to say at once what all will take."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import Check
from attn_audit.engine.batch import Finding, audit_batch
from attn_audit.engine.outlook import ROWS, Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.models.base import AuditedModel, Encoded

PART = 0.02
"""Of the audit's time that trying may take; the first example is tried without knowing it."""

MOMENT = 0.05
"""Seconds that trying may take in any case, since nobody notices them."""

TRIALS = ((1, 0.5), (1, 0.5), (1, 0.9), (4, 0.8), (16, 0.4), (64, 0.6))
"""Batches that are tried, if there is time: how many examples, and how far from the shortest to the
longest they are. As in the audit each is of similar lengths, without much padding."""

MIN_EXAMPLES = 20
"""Of fewer, those that are tried would be too large a part."""

STEPS = (5, 15)
"""Of the gradient adversary, which is tried twice: its other steps take as long each."""


def first_look(
    model: AuditedModel, plan: Plan, shard: Sequence[Encoded], outlook: Outlook
) -> list[Finding]:
    """Let an outlook learn from a few examples of the first shard.

    The first trial is not learnt from, since much happens only once.

    Args:
        model: The model.
        plan: Of the audit.
        shard: Encoded.
        outlook: Learns; it was told of the shard.

    Returns:
        What was found for them; nothing where there are too few, or where one fails: the audit
        itself will say so.
    """
    if len(shard) < MIN_EXAMPLES:
        return []
    batches = _batches(shard)
    try:
        found, _ = _try(model, plan, next(batches))
        return found + _learn(model, plan, batches, outlook)
    except Exception:
        return []


def _learn(
    model: AuditedModel, plan: Plan, batches: Iterator[list[Encoded]], outlook: Outlook
) -> list[Finding]:
    start = before = time.perf_counter()
    tried = []
    for batch in batches:
        found, seconds = _try(model, plan, batch)
        tried += found
        outlook.expect(batch, seconds)
        now, left = time.perf_counter(), outlook.progress().seconds_left
        if left is None or now - start + (now - before) > max(MOMENT, PART * left):
            break
        before = now
    return tried


def _batches(shard: Sequence[Encoded]) -> Iterator[list[Encoded]]:
    by_length = sorted(shard, key=lambda item: item.n_tokens)
    for size, place in TRIALS:
        if size <= max(1, PART * len(by_length)):
            start = round((len(by_length) - size) * place)
            yield by_length[start : start + size]


def _try(
    model: AuditedModel, plan: Plan, batch: Sequence[Encoded]
) -> tuple[list[Finding], dict[str, float]]:
    """What is found, and the seconds of every stage as all steps of a search would take them."""
    found, seconds = _timed(model, _with_steps(plan, plan.checks, STEPS[0]), batch)
    for check in plan.checks:
        if isinstance(check, Adversarial) and check.n_iterations > STEPS[1] and _searched(found):
            _, more = _timed(model, _with_steps(plan, (check,), STEPS[1]), batch)
            per_step = max(0.0, more[check.id] - seconds[check.id]) / (STEPS[1] - STEPS[0])
            seconds[check.id] += per_step * (check.n_iterations - STEPS[0])
    return found, seconds


def _timed(
    model: AuditedModel, plan: Plan, batch: Sequence[Encoded]
) -> tuple[list[Finding], dict[str, float]]:
    stopwatch, start = Stopwatch(), time.perf_counter()
    found = audit_batch(model, batch, plan, stopwatch)
    whole = time.perf_counter() - start
    return found, stopwatch.seconds | {ROWS: max(0.0, whole - sum(stopwatch.seconds.values()))}


def _with_steps(plan: Plan, checks: Sequence[Check], n_steps: int) -> Plan:
    return replace(
        plan,
        checks=tuple(
            replace(check, n_iterations=min(n_steps, check.n_iterations))
            if isinstance(check, Adversarial)
            else check
            for check in checks
        ),
    )


def _searched(found: Sequence[Finding]) -> bool:
    return any(item.record.adversarial_method == "gradient" for item in found)
