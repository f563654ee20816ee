"""What was found, one sentence a check, for someone with a minute: direction first.

The numbers stand beside it, in the checks' short lines. A verdict claims what the whole interval
says, by the thresholds that the default policy has; where that leaves a direction open, so does the
sentence, and says the number.
"""

from attn_audit.formats.sentences import claims
from attn_audit.formats.sentences.performance import beats_majority
from attn_audit.results.report import Report
from attn_audit.results.summary import (
    AdversarialSummary,
    CorrelationSummary,
    Distribution,
    Performance,
    PermutationSummary,
)
from attn_audit.results.thresholds import (
    ALIKE,
    ENTIRELY,
    LARGELY,
    MOST,
    NEARLY_ALL,
    SMALL_GAP,
    WORKS,
)
from attn_audit.results.verdict import Outcome

NOT_MEASURED = "Not known: no example could be measured."

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


def works(report: Report) -> str:
    """Whether the model does what it is for.

    Args:
        report: Any report.
    """
    found = report.performance
    if found is None or found.accuracy.share is None:
        return "Not known: the data has no labels."
    if found.roc_auc is None:
        return "Open: no label has both texts with it and texts without it, to tell them apart."
    area, interval = found.roc_auc, found.roc_auc_interval
    match claims.held_number("min", WORKS, area, interval, found.n):
        case Outcome.PASS:
            return _beats(found)
        case Outcome.FAIL:
            return "No: it hardly tells the labels apart."
        case Outcome.INCONCLUSIVE:
            said = f"ROC AUC {claims.between(area, interval)}"
            return claims.left_open("performance", report, found.n, said)


def _beats(found: Performance) -> str:
    if beats_majority(found):
        return (
            "Yes: it tells the labels apart, and is right more often than the most frequent answer "
            "alone would be."
        )
    return (
        "In part: it tells the labels apart, but is not measurably right more often than the most "
        "frequent answer alone would be."
    )


def agrees(report: Report, summary: CorrelationSummary) -> str:
    """Whether attention agrees with the measures as these do with each other.

    Args:
        report: Any report.
        summary: Of its correlation check.
    """
    yardstick, gap = summary.gradient_leave_one_out, summary.gap
    if yardstick is None or gap is None:
        return "Open: without both measures there is no yardstick to hold attention against."
    if yardstick.mean is None:
        return NOT_MEASURED
    tau = claims.between(yardstick.mean, yardstick.interval)
    gaps = {"gradients": gap.attention_gradient, "leave-one-out": gap.attention_leave_one_out}
    match claims.held("min", ALIKE, yardstick):
        case Outcome.PASS:
            return _less(report, {name: found for name, found in gaps.items() if found is not None})
        case Outcome.FAIL:
            return f"Open: the two measures themselves hardly agree on this model (tau {tau})."
        case Outcome.INCONCLUSIVE:
            said = f"the measures agree with each other at tau {tau}, and {ALIKE:g} is asked for"
            return claims.left_open("correlation", report, yardstick.n, said)


def _less(report: Report, gaps: dict[str, Distribution]) -> str:
    """By where the interval of each gap lies: within what is small, beyond it, or on both sides."""
    covered = claims.is_covered("correlation", report)
    outcomes = {
        name: claims.held("max", SMALL_GAP, gap, is_covered=covered) for name, gap in gaps.items()
    }
    found = set(outcomes.values())
    if found == {PASS}:
        return "Yes: it agrees with them about as much as they agree with each other."
    if found == {FAIL}:
        return "No: it agrees with them clearly less than they agree with each other."
    names = {kind: [name for name, of in outcomes.items() if of is kind] for kind in Outcome}
    if found == {PASS, FAIL}:
        return f"In part: about as much with {names[PASS][0]}, clearly less with {names[FAIL][0]}."
    numbers = [f"less by {_number(gaps[name])} with {name}" for name in names[INCONCLUSIVE]]
    n = min(gaps[name].n for name in names[INCONCLUSIVE])
    said = claims.left_open("correlation", report, n, *numbers)
    if found == {INCONCLUSIVE}:
        return said
    (decided,) = (name for name, of in outcomes.items() if of is not INCONCLUSIVE)
    how = "about as much" if outcomes[decided] is PASS else "clearly less"
    return f"In part: {how} with {decided}. {said}"


def _number(gap: Distribution) -> str:
    return "-" if gap.mean is None else claims.between(gap.mean, gap.interval)


def moves(report: Report, summary: PermutationSummary) -> str:
    """Whether outputs depend on where attention lies.

    Args:
        report: Any report.
        summary: Of its permutation check.
    """
    moved = summary.moved
    if moved.share is None:
        return NOT_MEASURED
    covered = claims.is_covered("permutation", report)
    match claims.held("min", MOST, moved, is_covered=covered):
        case Outcome.PASS:
            return "In most examples: where attention lies matters to the output."
        case Outcome.FAIL:
            return _hardly_moves(summary)
        case Outcome.INCONCLUSIVE:
            return claims.left_open("permutation", report, moved.n, claims.share_between(moved))


def _hardly_moves(summary: PermutationSummary) -> str:
    """Why most outputs stay, as far as that is known."""
    if claims.held("min", MOST, summary.too_even) is PASS:
        return "In most examples it does not: attention is too even there for shuffling to matter."
    if claims.held("min", NEARLY_ALL, summary.uniform.unchanged) is FAIL:
        return "In part: most outputs move little, but equal attention changes many predictions."
    return "In most examples it hardly does: where attention lies matters little."


def differs(report: Report, summary: AdversarialSummary) -> str:
    """Whether the output singles the model's attention out.

    Args:
        report: Any report.
        summary: Of its adversarial check.
    """
    relative = summary.relative_jsd
    if relative.mean is None:
        return NOT_MEASURED
    covered = claims.is_covered("adversarial", report)
    if claims.held("min", ENTIRELY, relative, is_covered=covered) is PASS:
        return "Yes: almost entirely different attention gives the same output."
    match claims.held("min", LARGELY, relative, is_covered=covered):
        case Outcome.PASS:
            return "Largely: very different attention gives the same output."
        case Outcome.FAIL if summary.n_gradient:
            return "Not by much, as far as a search could find."
        case Outcome.FAIL:
            return "Not by much: the output ties attention down."
        case Outcome.INCONCLUSIVE:
            said = claims.percent_between(relative.mean, relative.interval)
            return claims.left_open("adversarial", report, relative.n, f"{said} different")
