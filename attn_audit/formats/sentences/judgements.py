"""What a policy says of a report, in words."""

from collections import Counter
from enum import StrEnum

from attn_audit.formats.numbers import bracket, count, counted, number
from attn_audit.results.verdict import Judgement, Level, Outcome, Verdict


class Standing(StrEnum):
    """What became of a bound, its level and any waiver taken together; the worst first."""

    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    WARNING = "warning"
    """It did not pass, and only warns."""
    WAIVED = "waived"
    """It did not pass, and there is leave not to."""
    PASSED = "passed"


def standing(judgement: Judgement) -> Standing:
    """What became of a bound.

    Args:
        judgement: Of any policy.
    """
    if judgement.outcome is Outcome.PASS:
        return Standing.PASSED
    if judgement.waiver is not None:
        return Standing.WAIVED
    if judgement.level is Level.WARN:
        return Standing.WARNING
    return Standing.FAILED if judgement.outcome is Outcome.FAIL else Standing.INCONCLUSIVE


def in_short(verdict: Verdict) -> str:
    """How a policy came out, and how many of its bounds became what.

    Args:
        verdict: Of any policy.
    """
    found = Counter(standing(judgement) for judgement in verdict.judgements)
    parts = [f"{count(found[kind])} {kind}" for kind in Standing if found[kind]]
    bounds = counted(len(verdict.judgements), "bound")
    return f"{bounds}: {', '.join(parts)}" if parts else "no bounds"


def wanted(judgement: Judgement) -> str:
    """What was asked for: `at most 0.15`.

    Args:
        judgement: Of any policy.
    """
    return f"at {'least' if judgement.direction == 'min' else 'most'} {judgement.limit:g}"


def found(judgement: Judgement) -> str:
    """What was found: `0.263 [0.251, 0.276]`.

    Args:
        judgement: Of any policy.
    """
    estimate = judgement.estimate
    if estimate is None:
        return "not measured"
    if judgement.interval is None and estimate == int(estimate):
        return count(int(estimate))
    return f"{number(estimate, 3)} {bracket(judgement.interval, 3)}".rstrip()


def explained(judgement: Judgement) -> str:
    """Why a bound came out so, what to look at, and by whose leave it may be broken.

    Args:
        judgement: Of any policy.
    """
    waiver = judgement.waiver
    leave = "" if waiver is None else f"Waived until {waiver.expires}: {waiver.reason}"
    return " ".join(filter(None, (judgement.reason, judgement.look_at, leave)))


def listed(verdict: Verdict) -> tuple[str, ...]:
    """The whole verdict, a line for itself and for each bound.

    Args:
        verdict: Of any policy.
    """
    lines = (
        f"  {standing(judgement)}: {judgement.metric} {found(judgement)}, asked for "
        f"{wanted(judgement)}. {explained(judgement)}"
        for judgement in verdict.judgements
    )
    return (f"Policy {verdict.policy}: {verdict.outcome} ({in_short(verdict)})", *lines)
