"""A policy's verdict, as the first screen's table."""

from dataclasses import dataclass

from attn_audit.formats.numbers import count
from attn_audit.formats.sentences.bounds import found, name, wanted
from attn_audit.formats.sentences.provenance import short
from attn_audit.results.verdict import Judgement, Level, Outcome, Verdict

MARKS = {Outcome.FAIL: "✗", Outcome.INCONCLUSIVE: "?", Outcome.PASS: "✓"}
"""Beside the word: told apart without colour. In the order in which they are shown."""


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
    decisive: tuple[Line, ...]
    """What did not pass and counts, failures first."""
    forgiven: tuple[Line, ...]
    """What did not pass and does not count: warnings, and what is waived."""
    passed: tuple[Line, ...]


def gate(verdict: Verdict) -> Gate:
    """What the template shows.

    Args:
        verdict: Of any policy.
    """
    by_outcome = sorted(verdict.judgements, key=lambda judged: list(MARKS).index(judged.outcome))
    broken = [judged for judged in by_outcome if judged.outcome is not Outcome.PASS]
    return Gate(
        outcome=verdict.outcome.value,
        mark=MARKS[verdict.outcome],
        policy=f"{verdict.policy} (sha256 {short(verdict.policy_sha256)})",
        decisive=tuple(_line(judged) for judged in broken if judged.counts is not Outcome.PASS),
        forgiven=tuple(_line(judged) for judged in broken if judged.counts is Outcome.PASS),
        passed=tuple(_line(judged) for judged in by_outcome if judged.outcome is Outcome.PASS),
    )


def _line(judgement: Judgement) -> Line:
    return Line(
        metric=name(judgement),
        definition=judgement.definition,
        bound=wanted(judgement),
        found=_found(judgement),
        outcome=judgement.outcome.value,
        mark=MARKS[judgement.outcome],
        note=" ".join(filter(None, (judgement.reason, judgement.look_at, _forgiven(judgement)))),
    )


def _found(judgement: Judgement) -> str:
    n = judgement.n
    counted = "" if n is None or judgement.estimate is None else f", n {count(n)}"
    return f"{found(judgement)}{counted}"


def _forgiven(judgement: Judgement) -> str:
    if judgement.outcome is Outcome.PASS:
        return ""
    if judgement.waiver is not None:
        waiver = judgement.waiver
        return f"Waived until {waiver.expires.isoformat()}: {waiver.reason}."
    return "A warning: it changes nothing." if judgement.level is Level.WARN else ""
