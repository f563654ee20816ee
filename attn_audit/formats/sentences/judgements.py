"""What becomes of the bounds of a policy, in words: each by itself, and all together."""

from collections import Counter
from collections.abc import Iterator
from enum import StrEnum

from attn_audit.formats.numbers import count, counted
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


MEANING = {
    Outcome.PASS: "The gate passed",
    Outcome.FAIL: "The gate failed",
    Outcome.INCONCLUSIVE: "The gate is inconclusive",
}


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


def came_out(judgement: Judgement) -> str:
    """The outcome, and what is made of it: `fail`, `fail (warning)`, `inconclusive (waived)`.

    Args:
        judgement: Of any policy.
    """
    kind = standing(judgement)
    is_forgiven = kind in (Standing.WARNING, Standing.WAIVED)
    return f"{judgement.outcome} ({kind})" if is_forgiven else judgement.outcome


def in_short(verdict: Verdict) -> str:
    """How many bounds there are, and how many of them became what.

    Args:
        verdict: Of any policy.
    """
    found = Counter(standing(judgement) for judgement in verdict.judgements)
    parts = [_counted(found[kind], kind) for kind in Standing if found[kind]]
    bounds = counted(len(verdict.judgements), "bound")
    return f"{bounds}: {', '.join(parts)}" if parts else "no bounds"


def whole(verdict: Verdict) -> str:
    """The outcome and what it comes from, in one sentence.

    Args:
        verdict: Of any policy.
    """
    return f"{MEANING[verdict.outcome]} ({in_short(verdict)})."


def _counted(n: int, kind: Standing) -> str:
    return counted(n, kind) if kind is Standing.WARNING else f"{count(n)} {kind}"


def explained(judgement: Judgement) -> str:
    """Why a bound came out so, what to look at, and by whose leave it may be broken.

    Args:
        judgement: Of any policy.
    """
    leave = "" if judgement.waiver is None else f"Waived {_leave(judgement)}"
    return " ".join(filter(None, (judgement.reason, judgement.look_at, leave)))


def details(judgement: Judgement) -> Iterator[tuple[str, str]]:
    """The same, and where the bound comes from, part by part: headings and sentences.

    Args:
        judgement: That did not pass.
    """
    yield "is", judgement.definition
    yield "found", judgement.reason
    if judgement.waiver is not None:
        yield "waived", _leave(judgement)
    if judgement.look_at:
        yield "look at", judgement.look_at
    if judgement.why:
        yield "why", judgement.why


def _leave(judgement: Judgement) -> str:
    waiver = judgement.waiver
    return "" if waiver is None else f"until {waiver.expires}: {waiver.reason}"
