"""The permutation check in words: how much of the output hangs on where attention lies."""

from attn_audit.formats.numbers import count, counted, mean, mean_percent, percent, points, share
from attn_audit.formats.sentences import mass
from attn_audit.results.report import Settings
from attn_audit.results.summary import PermutationSummary, Share, UniformSummary
from attn_audit.results.thresholds import INFORMATIVE_JSD, MOVED_DISTANCE

NOTHING_MEASURED = "No example could be measured: see the degenerate examples."


def in_short(summary: PermutationSummary) -> tuple[str, ...]:
    """How far outputs move, in short lines.

    Args:
        summary: Of a permutation check that was run.
    """
    if summary.distance.mean is None:
        return ("no example could be measured",)
    first = f"shuffling moves the output by {mean(summary.distance)}"
    second = f"by {MOVED_DISTANCE:g} or more in {share(summary.moved)} of the examples"
    n_even = summary.too_even.count
    even = (f"counted as not moved: {count(n_even)} whose attention is too even",) if n_even else ()
    return (first, second, *even, *mass.in_short(summary.audited_mass))


def uniform_in_short(summary: PermutationSummary) -> tuple[str, ...]:
    """How many predictions stay with equal attention, in a short line.

    Args:
        summary: Of a permutation check that was run; nothing where no example was measured.
    """
    same = summary.uniform.unchanged
    if same.share is None:
        return ()
    return (f"equal attention keeps {share(same)} of the predictions",)


def answer(
    summary: PermutationSummary, settings: Settings, *, is_multilabel: bool = False
) -> tuple[str, ...]:
    """What the check found, in sentences.

    Args:
        summary: Of a permutation check that was run.
        settings: Of the audit.
        is_multilabel: Whether outputs are several labels' probabilities at once.
    """
    a_label = " a label" if is_multilabel else ""
    if summary.distance.mean is None:
        return (NOTHING_MEASURED,)
    first = (
        f"Shuffling an example's attention moves the output by {mean(summary.distance)} on average "
        f"(the median of {count(settings.permutations)} permutations, over "
        f"{counted(summary.distance.n, 'example')}; {MOVED_DISTANCE:g}: "
        f"{100 * MOVED_DISTANCE:.0f} points of probability{a_label})."
    )
    common = (
        f"On average {mean_percent(summary.within_epsilon)} of an example's permutations keep the "
        f"output within {settings.epsilon:g}."
    )
    sentences = (first, _moved(summary), common, *_uniform(summary))
    return (*sentences, mass.sentence(summary.audited_mass))


def _moved(summary: PermutationSummary) -> str:
    moved, n_even = summary.moved, summary.too_even.count
    sentence = f"{share(moved)} of the outputs move by {MOVED_DISTANCE:g} or more."
    if n_even == 0:
        return sentence
    return (
        f"{sentence} Counted as not moved: {counted(n_even, 'example')} whose attention is too "
        f"even for shuffling to show anything (its permutations differ from it by a divergence "
        f"of less than {INFORMATIVE_JSD:g})."
    )


def _uniform(summary: PermutationSummary) -> tuple[str, ...]:
    uniform, same = summary.uniform, summary.uniform.unchanged
    if same.share is None:
        return ()
    kept = f"With equal attention on every unit, {share(same)} of the predictions stay the same"
    moved = f"the output moves by {mean(uniform.distance)}"
    if summary.too_even.count == summary.too_even.n:
        meaning = "Attention was nearly even already, so this says little."
    else:
        meaning = _dependence(same)
    return (f"{kept} and {moved}{_accuracy(uniform)}. {meaning}",)


def _accuracy(uniform: UniformSummary) -> str:
    accuracy, change = uniform.accuracy, uniform.accuracy_change
    if accuracy is None or accuracy.share is None or change is None or change.mean is None:
        return ""
    return f"; accuracy becomes {percent(accuracy.share, 1)}, {points(change)} points"


def _dependence(unchanged: Share) -> str:
    """What one other attention tells: how many decisions hang on attention at least, never most."""
    rest = "a model trained without attention is another question"
    interval = unchanged.interval
    if unchanged.count == unchanged.n:
        others = "some" if interval is None else f"up to {percent(1 - interval.low)}"
        return (
            f"None of these {count(unchanged.n)} decisions changed under this one other attention; "
            f"of other texts {others} may, and under still other attention more. That decisions "
            f"do not depend on where attention lies is not shown; {rest}."
        )
    least = 0.0 if interval is None else 1 - interval.high
    return f"So at least {percent(least)} of the decisions depend on where attention lies; {rest}."
