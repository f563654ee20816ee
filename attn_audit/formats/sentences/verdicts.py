"""What was found, one sentence a check, for someone with a minute: direction first, no numbers.

The numbers stand beside it, in the checks' short lines. A verdict says no more than its interval:
where that leaves a direction open, so does the sentence.
"""

from attn_audit.formats.sentences.correlation import WEAK_YARDSTICK
from attn_audit.formats.sentences.performance import beats_majority
from attn_audit.results.summary import (
    AdversarialSummary,
    CorrelationSummary,
    Distribution,
    Performance,
    PermutationSummary,
)

MOST, NEARLY_ALL = 0.5, 0.9
"""Of the examples."""

SMALL_GAP = 0.15
"""Of taus: by how much attention may fall short of the yardstick and still be called alike."""

ENTIRELY, LARGELY = 0.9, 0.5
"""Shares of the largest divergence that an example's attention allows."""

NOT_MEASURED = "Not known: no example could be measured."


def works(performance: Performance | None) -> str:
    """Whether the model does what it is for.

    Args:
        performance: None where the data has no labels.
    """
    if performance is None or performance.accuracy.share is None:
        return "Not known: the data has no labels."
    if beats_majority(performance):
        return "Yes: it is right more often than the most frequent answer alone would be."
    return "Not measurably: the most frequent answer alone would do as well."


def agrees(summary: CorrelationSummary) -> str:
    """Whether attention agrees with the measures as these do with each other.

    Args:
        summary: Of a correlation check that was run.
    """
    yardstick, gap = summary.gradient_leave_one_out, summary.gap
    if yardstick is None or gap is None:
        return "Open: without both measures there is no yardstick to hold attention against."
    if yardstick.mean is None:
        return NOT_MEASURED
    if yardstick.mean < WEAK_YARDSTICK:
        return "Open: the two measures themselves hardly agree on this model."
    sizes = {
        name: _size(found)
        for name, found in (
            ("gradients", gap.attention_gradient),
            ("leave-one-out", gap.attention_leave_one_out),
        )
        if found is not None
    }
    if set(sizes.values()) == {"less"}:
        return "No: it agrees with them clearly less than they agree with each other."
    if set(sizes.values()) == {"alike"}:
        return "Yes: it agrees with them about as much as they agree with each other."
    if set(sizes.values()) == {"alike", "less"}:
        (alike,), (less,) = ([n for n in sizes if sizes[n] == size] for size in ("alike", "less"))
        return f"In part: about as much with {alike}, clearly less with {less}."
    return "Open: it agrees with them somewhat less than they agree with each other."


def _size(gap: Distribution) -> str:
    """Where the interval of a gap lies: above what is small, not above, or on both sides."""
    if gap.interval is None:
        return "open"
    if gap.interval.low > SMALL_GAP:
        return "less"
    return "alike" if gap.interval.high <= SMALL_GAP else "open"


def moves(summary: PermutationSummary) -> str:
    """Whether outputs depend on where attention lies.

    Args:
        summary: Of a permutation check that was run.
    """
    if summary.distance.mean is None:
        return NOT_MEASURED
    interval = summary.moved.interval
    if interval is None:
        return "Open: attention is too even for shuffling to show anything."
    if interval.low >= MOST:
        return "In most examples: where attention lies matters to the output."
    unchanged = summary.uniform.unchanged.interval
    if interval.high < MOST and unchanged is not None and unchanged.high < NEARLY_ALL:
        return "In part: most outputs move little, but equal attention changes many predictions."
    if interval.high < MOST:
        return "In most examples it hardly does: where attention lies matters little."
    return "In about half of the examples."


def differs(summary: AdversarialSummary) -> str:
    """Whether the output singles the model's attention out.

    Args:
        summary: Of an adversarial check that was run.
    """
    relative = summary.relative_jsd
    if relative.mean is None:
        return NOT_MEASURED
    low = relative.mean if relative.interval is None else relative.interval.low
    if low >= ENTIRELY:
        return "Yes: almost entirely different attention gives the same output."
    if low >= LARGELY:
        return "Largely: very different attention gives the same output."
    if summary.n_gradient:
        return "Not by much, as far as a search could find."
    return "Not by much: the output ties attention down."
