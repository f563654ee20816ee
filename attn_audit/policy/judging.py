"""From a number and a limit to a judgement that explains itself."""

from dataclasses import dataclass
from datetime import date

from attn_audit.findings.rule import (
    Direction,
    Outcome,
    examples_that_would_decide,
    outcome_of,
)
from attn_audit.policy.policy import Policy
from attn_audit.results.finding import Found
from attn_audit.results.verdict import Judgement, Level

SIDES = {
    ("min", Outcome.PASS): "reaches",
    ("min", Outcome.FAIL): "lies below",
    ("max", Outcome.PASS): "stays within",
    ("max", Outcome.FAIL): "lies above",
}


@dataclass(frozen=True)
class Asked:
    """What a policy asks of one number."""

    metric: str
    definition: str
    direction: Direction
    limit: float
    level: Level
    look_at: str
    """Where to look if it does not pass."""
    check: str | None = None
    """Whose number it is."""
    why: str | None = None
    """Where the bound comes from."""


def held_against(asked: Asked, found: Found) -> Judgement:
    """Hold a number that was measured against what is asked of it."""
    assert found.estimate is not None, "what was not measured is `left_open`"
    outcome = outcome_of(asked.direction, asked.limit, found.estimate, found.interval)
    what = "It" if found.interval is None else "The whole interval"
    if outcome is Outcome.INCONCLUSIVE:
        reason = f"The interval straddles {asked.limit:g}: these examples cannot decide."
    else:
        reason = f"{what} {SIDES[asked.direction, outcome]} {asked.limit:g}."
    return _judgement(asked, found, outcome, reason, _advice(asked, found, outcome))


def left_open(asked: Asked, found: Found, reason: str, look_at: str | None = None) -> Judgement:
    """Say why a number is not judged."""
    return _judgement(asked, found, Outcome.INCONCLUSIVE, reason, look_at or asked.look_at)


def _judgement(
    asked: Asked, found: Found, outcome: Outcome, reason: str, look_at: str
) -> Judgement:
    return Judgement(
        metric=asked.metric,
        definition=asked.definition,
        direction=asked.direction,
        limit=asked.limit,
        level=asked.level,
        outcome=outcome,
        estimate=found.estimate,
        interval=found.interval,
        n=found.n,
        reason=reason,
        look_at=look_at,
        check=asked.check,
        why=asked.why,
    )


def _advice(asked: Asked, found: Found, outcome: Outcome) -> str:
    if outcome is Outcome.PASS:
        return ""
    if outcome is Outcome.FAIL or found.interval is None or found.n is None:
        return asked.look_at
    assert found.estimate is not None
    needed = examples_that_would_decide(asked.limit, found.estimate, found.interval, found.n)
    if needed is None:
        return f"The number is all but on the limit. {asked.look_at}"
    return f"About {needed:,} examples would decide, if the number stays. {asked.look_at}"


def with_waivers(
    judgements: tuple[Judgement, ...], policy: Policy, today: date
) -> tuple[Judgement, ...]:
    """Apply the waivers in force; of the expired ones say so."""
    waivers = {waiver.metric: waiver for waiver in policy.waivers}

    def waived(judgement: Judgement) -> Judgement:
        waiver = waivers.get(judgement.metric)
        if waiver is None:
            return judgement
        if judgement.outcome is Outcome.PASS:
            return _saying(judgement, "Its waiver is not needed.")
        if today > waiver.expires:
            return _saying(judgement, f"Its waiver expired on {waiver.expires}.")
        return judgement.model_copy(update={"waiver": waiver})

    return tuple(map(waived, judgements))


def _saying(judgement: Judgement, more: str) -> Judgement:
    return judgement.model_copy(update={"reason": f"{judgement.reason} {more}"})
