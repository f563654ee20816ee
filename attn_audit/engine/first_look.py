"""Trying a few examples before the first batch, to say at once what all will take."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeGuard

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import Check
from attn_audit.engine.batch import Finding, audit_batch
from attn_audit.engine.outlook import ROWS, Outlook
from attn_audit.engine.plan import Plan
from attn_audit.engine.search_steps import N_SEARCHED, STEPS, has_searched, seconds_of_steps
from attn_audit.engine.stopwatch import Stage, Stopwatch
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

PART_SEARCHED = 0.16
"""The part of all that the examples may be on which the gradient adversary is tried."""

SEARCHED, OTHERS_OF_SLOW, OTHERS_OF_QUICK = (N_SEARCHED, 0.8), (6, 0.2), (256, 0.5)
"""Batches on which it is tried: how many examples, and how far from the shortest they are. A second
batch follows: of a slow search fewer and shorter ones, which show whether it takes its time by the
token (as where the readout pools) or by the example (as where a transformer resumes at one row); of
a quick one more, since a few cost next to nothing beside the call of each step."""

SLOW = 2.0
"""Seconds of a search on the first of these batches."""


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
        found, _ = _timed(model, _with_steps(plan, plan.checks, STEPS[0]), next(batches))
        searches = [check for check in plan.checks if _is_search(check, found)]
        for check in searches:
            _learn_of_search(model, plan, shard, outlook, check)
        return found + _learn(model, plan, batches, outlook, {check.id for check in searches})
    except Exception:
        return []


def _learn_of_search(
    model: AuditedModel, plan: Plan, shard: Sequence[Encoded], outlook: Outlook, check: Adversarial
) -> None:
    def learn(n_examples: int, place: float) -> float:
        some = _searched(shard, plan, n_examples, place)
        seconds = _seconds_of_search(model, plan, check, some)
        outlook.expect(some, seconds)
        return sum(seconds.values())

    is_slow = learn(*SEARCHED) > SLOW
    learn(*(OTHERS_OF_SLOW if is_slow else OTHERS_OF_QUICK))


def _learn(
    model: AuditedModel,
    plan: Plan,
    batches: Iterator[list[Encoded]],
    outlook: Outlook,
    known: set[str],
) -> list[Finding]:
    start = time.perf_counter()
    tried = []
    for batch in batches:
        found, seconds = _timed(model, _with_steps(plan, plan.checks, STEPS[0]), batch)
        tried += found
        outlook.expect(batch, {stage: s for stage, s in seconds.items() if stage.name not in known})
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


def _searched(shard: Sequence[Encoded], plan: Plan, n: int, place: float) -> list[Encoded]:
    """At most so many examples of that place, and about as many as a batch may hold."""
    by_length = sorted(shard, key=lambda item: item.n_tokens)
    allowed = (
        n,
        round(PART_SEARCHED * len(shard)),
        plan.limits.n_examples,
        plan.limits.n_tokens // by_length[int(place * len(by_length))].n_tokens,
    )
    size = max(1, min(allowed))
    start = round(place * (len(by_length) - size))
    return by_length[start : start + size]


def _seconds_of_search(
    model: AuditedModel, plan: Plan, check: Adversarial, batch: Sequence[Encoded]
) -> dict[Stage, float]:
    """What all steps would take at each site; the first call of a shape is not counted."""
    _, few, more = (_timed(model, _with_steps(plan, (check,), n), batch)[1] for n in (1, *STEPS))
    return {
        stage: seconds_of_steps(few[stage], more[stage], check.n_iterations)
        for stage in few
        if stage.name == check.id
    }


def _is_search(check: Check, found: Sequence[Finding]) -> TypeGuard[Adversarial]:
    return isinstance(check, Adversarial) and check.n_iterations > STEPS[1] and has_searched(found)


def _timed(
    model: AuditedModel, plan: Plan, batch: Sequence[Encoded]
) -> tuple[list[Finding], dict[Stage, float]]:
    stopwatch, start = Stopwatch(), time.perf_counter()
    found = audit_batch(model, batch, plan, stopwatch)
    whole = time.perf_counter() - start
    return found, stopwatch.by_stage | {ROWS: max(0.0, whole - sum(stopwatch.by_stage.values()))}


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
