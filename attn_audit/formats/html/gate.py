"""A policy's verdict, as the first screen's table."""

from dataclasses import dataclass

from attn_audit.formats.numbers import count, number
from attn_audit.formats.sentences.provenance import short
from attn_audit.results.verdict import Judgement, Level, Outcome, Verdict

MARKS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.INCONCLUSIVE: "?"}
"""Beside the word: told apart without colour."""


@dataclass(frozen=True)
class Line:
    """One bound, held against the report."""

    metric: str
    definition: str
    bound: str
    found: str
    outcome: str
    mark: str
    note: str
    """Why, what to look at, and whether it counts."""


@dataclass(frozen=True)
class Gate:
    """The whole verdict."""

    outcome: str
    mark: str
    policy: str
    noted: tuple[Line, ...]
    """What did not pass, failures first, waived ones and warnings among them."""
    passed: tuple[Line, ...]


def gate(verdict: Verdict) -> Gate:
    """What the template shows.

    Args:
        verdict: Of any policy.
    """
    found = {outcome: [j for j in verdict.judgements if j.outcome is outcome] for outcome in MARKS}
    return Gate(
        outcome=verdict.outcome.value,
        mark=MARKS[verdict.outcome],
        policy=f"{verdict.policy} (sha256 {short(verdict.policy_sha256)})",
        noted=tuple(map(_line, (*found[Outcome.FAIL], *found[Outcome.INCONCLUSIVE]))),
        passed=tuple(map(_line, found[Outcome.PASS])),
    )


def _line(judgement: Judgement) -> Line:
    return Line(
        metric=judgement.metric,
        definition=judgement.definition,
        bound=f"{'at least' if judgement.direction == 'min' else 'at most'} {judgement.limit:g}",
        found=_found(judgement),
        outcome=judgement.outcome.value,
        mark=MARKS[judgement.outcome],
        note=" ".join(filter(None, (judgement.reason, judgement.look_at, _forgiven(judgement)))),
    )


def _found(judgement: Judgement) -> str:
    if judgement.estimate is None:
        return "not measured"
    interval = judgement.interval
    ends = "" if interval is None else f" [{number(interval.low, 3)}, {number(interval.high, 3)}]"
    n = "" if judgement.n is None else f", n {count(judgement.n)}"
    return f"{number(judgement.estimate, 3)}{ends}{n}"


def _forgiven(judgement: Judgement) -> str:
    if judgement.outcome is Outcome.PASS:
        return ""
    if judgement.waiver is not None:
        waiver = judgement.waiver
        return f"Waived until {waiver.expires.isoformat()}: {waiver.reason}."
    return "A warning: it changes nothing." if judgement.level is Level.WARN else ""
