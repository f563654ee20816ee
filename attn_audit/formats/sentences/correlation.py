"""The correlation check in words: tau always beside its yardstick."""

from attn_audit.formats.numbers import counted, digits, mean, number
from attn_audit.formats.sentences.claims import held
from attn_audit.results.summary import CorrelationSummary, Distribution, TauSummary
from attn_audit.results.thresholds import ALIKE
from attn_audit.results.verdict import Outcome

CAVEAT = "Agreement with these measures is not by itself faithfulness to the model."


def in_short(summary: CorrelationSummary) -> tuple[str, ...]:
    """Attention's taus and the yardstick, in short lines.

    Args:
        summary: Of a correlation check that was run.
    """
    pairs = (
        ("gradients", summary.attention_gradient),
        ("leave-one-out", summary.attention_leave_one_out),
    )
    decimals = digits(*(tau for _, tau in pairs), summary.gradient_leave_one_out)
    known = [
        f"attention with {name}: tau {mean(tau, decimals)}" for name, tau in pairs if tau and tau.n
    ]
    if not known:
        return ("no example could be measured",)
    yardstick = summary.gradient_leave_one_out
    if yardstick is None or not yardstick.n:
        return tuple(known)
    return (
        *known,
        f"these two with each other, the yardstick: tau {mean(yardstick, decimals)}",
    )


def answer(summary: CorrelationSummary) -> tuple[str, ...]:
    """What the check found, in sentences.

    Args:
        summary: Of a correlation check that was run.
    """
    taus = (
        ("gradients", summary.attention_gradient),
        ("leave-one-out", summary.attention_leave_one_out),
    )
    known = [(name, tau) for name, tau in taus if tau is not None and tau.n]
    if not known:
        return ("No example has a tau: see the degenerate examples.",)
    decimals = digits(*(tau for _, tau in known))
    agreed = " and ".join(f"{mean(tau, decimals)} with {name}" for name, tau in known)
    first = (
        f"Attention ranks an example's units with a mean tau of {agreed} "
        f"(1: the same order, 0: unrelated, -1: reversed; {_how_many(known)})."
    )
    return (first, *_yardstick(summary), CAVEAT)


def _how_many(known: list[tuple[str, TauSummary]]) -> str:
    sizes = {tau.n for _, tau in known}
    if len(sizes) == 1:
        return counted(sizes.pop(), "example")
    return " and ".join(f"{counted(tau.n, 'example')} for {name}" for name, tau in known)


def _yardstick(summary: CorrelationSummary) -> tuple[str, ...]:
    yardstick = summary.gradient_leave_one_out
    if yardstick is None or yardstick.mean is None:
        return ("There is no yardstick: it takes both measures, gradients and leave-one-out.",)
    sentence = f"The yardstick: the two measures agree with each other at tau {mean(yardstick)}."
    return (f"{sentence}{_weakness(yardstick)}", *_gaps(summary))


def _weakness(yardstick: TauSummary) -> str:
    match held("min", ALIKE, yardstick):
        case Outcome.PASS:
            return ""
        case Outcome.FAIL:
            return (
                f" That is low, less than {ALIKE:g}: where the measures themselves disagree, a low "
                "tau says little about attention."
            )
        case Outcome.INCONCLUSIVE:
            return f" Whether that is enough to judge attention by, {ALIKE:g}, is open."


def _gaps(summary: CorrelationSummary) -> tuple[str, ...]:
    if summary.gap is None:
        return ()
    parts = (
        ("gradients", "leave-one-out does", summary.gap.attention_gradient),
        ("leave-one-out", "gradients do", summary.gap.attention_leave_one_out),
    )
    phrases = [_gap(name, other, gap) for name, other, gap in parts if gap is not None and gap.n]
    if not phrases:
        return ()
    return (f"Example by example, attention agrees {'; '.join(phrases)}.",)


def _gap(measure: str, other: str, gap: Distribution) -> str:
    assert gap.mean is not None
    if gap.interval is None or gap.interval.low <= 0 <= gap.interval.high:
        return f"with {measure} not measurably less or more than {other} (less by {mean(gap)})"
    direction = "less" if gap.mean > 0 else "more"
    return f"with {measure} {direction} than {other}, by {_size(gap)}"


def _size(gap: Distribution) -> str:
    """The gap without its sign, which the word before it tells."""
    assert gap.mean is not None
    assert gap.interval is not None
    decimals, size = digits(gap), abs(gap.mean)
    low, high = sorted((abs(gap.interval.low), abs(gap.interval.high)))
    return f"{number(size, decimals)} [{number(low, decimals)}, {number(high, decimals)}]"
