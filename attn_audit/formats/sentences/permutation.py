"""The permutation check in words: how much of the output hangs on where attention lies."""

from attn_audit.formats.numbers import count, counted, mean, mean_percent, percent, points, share
from attn_audit.formats.sentences import mass
from attn_audit.results.report import Settings
from attn_audit.results.summary import PermutationSummary, UniformSummary

NOTHING_MEASURED = "No example could be measured: see the degenerate examples."


def in_short(summary: PermutationSummary) -> tuple[str, ...]:
    """How far outputs move, in short lines.

    Args:
        summary: Of a permutation check that was run.
    """
    if summary.distance.mean is None:
        return ("no example could be measured",)
    first = f"shuffling moves the output by {mean(summary.distance)}"
    if summary.moved.share is None:
        second = "attention is too even for shuffling to show anything"
    else:
        second = f"by 0.1 or more in {share(summary.moved)} of those that can show it"
    return (first, second, *mass.in_short(summary.audited_mass))


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
        f"{counted(summary.distance.n, 'example')}; 0.1: ten points of probability{a_label})."
    )
    common = (
        f"On average {mean_percent(summary.within_epsilon)} of an example's permutations keep the "
        f"output within {settings.epsilon:g}."
    )
    sentences = (first, _moved(summary), common, *_uniform(summary))
    return (*sentences, mass.sentence(summary.audited_mass))


def _moved(summary: PermutationSummary) -> str:
    moved = summary.moved
    if moved.share is None:
        return (
            "No example's attention is uneven enough for shuffling to make a difference "
            "(a divergence of 0.1 or more), so this says nothing about where attention lies."
        )
    return (
        f"Of the {counted(moved.n, 'example')} whose attention is uneven enough for shuffling to "
        f"make a difference (a divergence of 0.1 or more), {share(moved)} move by 0.1 or more. "
        "An output that does not move did not depend on where attention was peaked."
    )


def _uniform(summary: PermutationSummary) -> tuple[str, ...]:
    uniform, same = summary.uniform, summary.uniform.unchanged
    if same.share is None:
        return ()
    kept = f"With equal attention on every unit, {share(same)} of the predictions stay the same"
    moved = f"the output moves by {mean(uniform.distance)}"
    if summary.moved.share is None:
        meaning = "Attention was nearly even already, so this changed little."
    else:
        meaning = _dependence(same.share)
    return (f"{kept} and {moved}{_accuracy(uniform)}. {meaning}",)


def _accuracy(uniform: UniformSummary) -> str:
    accuracy, change = uniform.accuracy, uniform.accuracy_change
    if accuracy is None or accuracy.share is None or change is None or change.mean is None:
        return ""
    return f"; accuracy becomes {percent(accuracy.share, 1)}, {points(change)} points"


def _dependence(unchanged: float) -> str:
    if unchanged == 1:
        depends = "On these examples this model's decisions do not depend on where attention lies"
    else:
        changed = percent(1 - unchanged)
        depends = f"So at least {changed} of the decisions depend on where attention lies"
    return f"{depends}; a model trained without attention is another question."
