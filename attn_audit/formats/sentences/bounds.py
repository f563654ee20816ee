"""A bound of a policy in words: what it is on, what is asked for, and what was found."""

from attn_audit.formats.numbers import bracket, count, number
from attn_audit.results.verdict import Judgement

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
