"""A verdict in words: what was found, what was wanted, and what it means."""

from collections import Counter
from collections.abc import Iterator

from attn_audit.formats.numbers import bracket, count, counted, number
from attn_audit.results.verdict import Judgement, Level, Outcome, Verdict

MOST_DECIMALS = 6


def name(judgement: Judgement) -> str:
    """The metric or requirement; coverage is of a check.

    Args:
        judgement: Any judgement.
    """
    is_of_check = judgement.metric == "min_coverage"
    return f"{judgement.metric} ({judgement.check})" if is_of_check else judgement.metric


def found(judgement: Judgement) -> str:
    """The number and its interval, in as many digits as show on which side of the limit they lie.

    Args:
        judgement: Any judgement.
    """
    estimate, interval = judgement.estimate, judgement.interval
    if estimate is None:
        return "not measured"
    if _is_count(judgement):
        return count(round(estimate))
    decimals = _decimals(judgement)
    return f"{number(estimate, decimals)} {bracket(interval, decimals)}".rstrip()


def wanted(judgement: Judgement, least: str = "at least", most: str = "at most") -> str:
    """The limit and its side.

    Args:
        judgement: Any judgement.
        least: How the one side is written.
        most: How the other.
    """
    side = least if judgement.direction == "min" else most
    limit = count(round(judgement.limit)) if _is_count(judgement) else f"{judgement.limit:g}"
    return f"{side} {limit}"


def _is_count(judgement: Judgement) -> bool:
    return judgement.metric == "min_examples" or ".n_" in judgement.metric


def _decimals(judgement: Judgement) -> int:
    """As few as keep number and interval on their side of the limit, and of 1: most is not all."""
    interval, limit = judgement.interval, judgement.limit
    values = [judgement.estimate, *((interval.low, interval.high) if interval else ())]
    known = [value for value in values if value is not None]
    for decimals in range(2, MOST_DECIMALS):
        if all(
            _side(value, border) == _side(round(value, decimals), border)
            for value in known
            for border in (limit, 1.0)
        ):
            return decimals
    return MOST_DECIMALS


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


def standing(judgement: Judgement) -> str:
    """The outcome, and what is made of it: `fail`, `fail (warning)`, `inconclusive (waived)`.

    Args:
        judgement: Any judgement.
    """
    if judgement.outcome is Outcome.PASS:
        return judgement.outcome
    if judgement.waiver is not None:
        return f"{judgement.outcome} (waived)"
    is_warning = judgement.level is Level.WARN
    return f"{judgement.outcome} (warning)" if is_warning else judgement.outcome


def details(judgement: Judgement) -> Iterator[tuple[str, str]]:
    """What there is to say of a bound that did not pass: headings and sentences.

    Args:
        judgement: That did not pass.
    """
    yield "is", judgement.definition
    yield "found", judgement.reason
    if judgement.waiver is not None:
        yield "waived", f"until {judgement.waiver.expires}: {judgement.waiver.reason}"
    if judgement.look_at:
        yield "look at", judgement.look_at
    if judgement.why:
        yield "why", judgement.why


MEANING = {
    Outcome.PASS: "The gate passed",
    Outcome.FAIL: "The gate failed",
    Outcome.INCONCLUSIVE: "The gate is inconclusive",
}


def in_short(verdict: Verdict) -> str:
    """The whole in one sentence.

    Args:
        verdict: Any verdict.
    """
    counts: Counter[str] = Counter(_tally(verdict))
    order = ("failed", "inconclusive", "waived", "warned", "passed")
    parts = [f"{count(counts[kind])} {kind}" for kind in order if counts[kind]]
    whole = counted(len(verdict.judgements), "bound")
    return f"{MEANING[verdict.outcome]}: of {whole} {', '.join(parts)}."


def _tally(verdict: Verdict) -> Iterator[str]:
    words = {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.INCONCLUSIVE: "inconclusive"}
    for judgement in verdict.judgements:
        if judgement.outcome is Outcome.PASS or judgement.counts is not Outcome.PASS:
            yield words[judgement.outcome]
        else:
            yield "waived" if judgement.waiver is not None else "warned"
