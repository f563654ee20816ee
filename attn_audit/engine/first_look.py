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

PART, MOMENT = 0.02, 0.05
"""Nothing more is tried once that part of the audit's time is spent, and so many seconds, which
nobody notices."""

TRIALS = ((1, 0.5), (1, 0.5), (4, 0.8), (16, 0.4), (64, 0.6))
"""Batches that are tried: how many examples, and how far from the shortest to the longest they are.
As in the audit each is of similar lengths, without much padding."""

FEWEST, PART_OF_EXAMPLES = 2, 0.04
"""The larger of them hold as many as that part of all, but not fewer."""

MIN_EXAMPLES = 20
"""Of fewer, those that are tried would be too large a part."""

STEPS = (5, 45)
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
    start = time.perf_counter()
    tried = []
    for batch in batches:
        found, seconds = _try(model, plan, batch)
        tried += found
        outlook.expect(batch, seconds)
        left = outlook.progress().seconds_left
        if left is None or time.perf_counter() - start > max(MOMENT, PART * left):
            break
    return tried


def _batches(shard: Sequence[Encoded]) -> Iterator[list[Encoded]]:
    by_length = sorted(shard, key=lambda item: item.n_tokens)
    largest = max(FEWEST, round(PART_OF_EXAMPLES * len(by_length)))
    for size, place in TRIALS:
        start = round((len(by_length) - size) * place)
        yield by_length[start : start + min(size, largest)]


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
