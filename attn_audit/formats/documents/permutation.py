"""The permutation check: how much of the output hangs on where attention lies."""

from attn_audit.findings import permutation as metrics
from attn_audit.findings.thresholds import (
    ALL_MASS,
    INFORMATIVE_JSD,
    MOST,
    MOVED_DISTANCE,
    NEARLY_ALL,
)
from attn_audit.formats.document import (
    Bullets,
    Card,
    Figure,
    Histograms,
    Panel,
    Paragraph,
    Section,
    Shape,
    Tone,
    Violins,
)
from attn_audit.formats.documents import claims
from attn_audit.formats.documents.groups import NOT_MEASURED, folded, group_table
from attn_audit.formats.numbers import (
    count,
    counted,
    mean,
    mean_percent,
    number,
    percent,
    points,
    share,
)
from attn_audit.results.report import Report
from attn_audit.results.summary import Distribution, Group, Share
from attn_audit.results.verdict import Outcome

QUESTION = "Does the prediction change when attention is shuffled?"

LIMITS = (0.0, 1.0)
TICKS = tuple(i / 4 for i in range(5))


def section(report: Report) -> Section:
    """Question, answer, figures, and the numbers in tables."""
    table = group_table("output moves by", report[metrics.DISTANCE], LIMITS)
    return Section(
        "permutation",
        "Permutation",
        (
            Paragraph(QUESTION, Tone.QUESTION),
            Bullets.of(answer(report)),
            *figures(report),
            *([folded(report, table)] if report[metrics.DISTANCE].n else []),
        ),
    )


def card(report: Report) -> Card:
    """The same at a glance."""
    return Card(
        id="permutation",
        name="Permutation",
        question=QUESTION,
        verdict=verdict(report),
        lines=(*in_short(report), *uniform_in_short(report)),
        picture=Shape(report[metrics.DISTANCE], ("0: unmoved", "1"), "change of the output"),
    )


def verdict(report: Report) -> str:
    """Whether outputs depend on where attention lies."""
    moved = report[metrics.MOVED]
    if moved.share is None:
        return NOT_MEASURED
    covered = claims.is_covered("permutation", report)
    match claims.held("min", MOST, moved, is_covered=covered):
        case Outcome.PASS:
            return "In most examples: where attention lies matters to the output."
        case Outcome.FAIL:
            return _hardly_moves(report)
        case Outcome.INCONCLUSIVE:
            return claims.left_open("permutation", report, moved.n, claims.share_between(moved))


def _hardly_moves(report: Report) -> str:
    """Why most outputs stay, as far as that is known."""
    if claims.held("min", MOST, report[metrics.TOO_EVEN]) is Outcome.PASS:
        return "In most examples it does not: attention is too even there for shuffling to matter."
    if claims.held("min", NEARLY_ALL, report[metrics.UNIFORM_UNCHANGED]) is Outcome.FAIL:
        return "In part: most outputs move little, but equal attention changes many predictions."
    return "In most examples it hardly does: where attention lies matters little."


def in_short(report: Report) -> tuple[str, ...]:
    """How far outputs move, in short lines."""
    if report[metrics.DISTANCE].mean is None:
        return ("no example could be measured",)
    first = f"shuffling moves the output by {mean(report[metrics.DISTANCE])}"
    second = f"by {MOVED_DISTANCE:g} or more in {share(report[metrics.MOVED])} of the examples"
    n_even = report[metrics.TOO_EVEN].count
    even = (f"counted as not moved: {count(n_even)} whose attention is too even",) if n_even else ()
    return (first, second, *even, *mass_in_short(report[metrics.MASS]))


def uniform_in_short(report: Report) -> tuple[str, ...]:
    """How many predictions stay with equal attention, in a short line; none without examples."""
    same = report[metrics.UNIFORM_UNCHANGED]
    if same.share is None:
        return ()
    return (f"equal attention keeps {share(same)} of the predictions",)


def answer(report: Report) -> tuple[str, ...]:
    """What the check found, in sentences."""
    settings, distance = report.settings, report[metrics.DISTANCE]
    a_label = " a label" if report.model.task == "multilabel" else ""
    if distance.mean is None:
        return ("No example could be measured: see the degenerate examples.",)
    first = (
        f"Shuffling an example's attention moves the output by {mean(distance)} on average "
        f"(the median of {count(settings.permutations)} permutations, over "
        f"{counted(distance.n, 'example')}; {MOVED_DISTANCE:g}: "
        f"{100 * MOVED_DISTANCE:.0f} points of probability{a_label})."
    )
    within = mean_percent(report[metrics.WITHIN_EPSILON])
    common = (
        f"On average {within} of an example's permutations keep the output within "
        f"{settings.epsilon:g}."
    )
    sentences = (first, _moved(report), common, *_uniform(report))
    return (*sentences, mass(report[metrics.MASS]))


def _moved(report: Report) -> str:
    moved, n_even = report[metrics.MOVED], report[metrics.TOO_EVEN].count
    sentence = f"{share(moved)} of the outputs move by {MOVED_DISTANCE:g} or more."
    if n_even == 0:
        return sentence
    return (
        f"{sentence} Counted as not moved: {counted(n_even, 'example')} whose attention is too "
        f"even for shuffling to show anything (its permutations differ from it by a divergence "
        f"of less than {INFORMATIVE_JSD:g})."
    )


def _uniform(report: Report) -> tuple[str, ...]:
    same, too_even = report[metrics.UNIFORM_UNCHANGED], report[metrics.TOO_EVEN]
    if same.share is None:
        return ()
    kept = f"With equal attention on every unit, {share(same)} of the predictions stay the same"
    moved = f"the output moves by {mean(report[metrics.UNIFORM_DISTANCE])}"
    if too_even.count == too_even.n:
        meaning = "Attention was nearly even already, so this says little."
    else:
        meaning = _dependence(same)
    return (f"{kept} and {moved}{_accuracy(report)}. {meaning}",)


def _accuracy(report: Report) -> str:
    accuracy = report.get(metrics.UNIFORM_ACCURACY)
    change = report.get(metrics.UNIFORM_ACCURACY_CHANGE)
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


def mass_in_short(audited: Distribution) -> tuple[str, ...]:
    """How much attention could be moved at all, in a short line; none where it is all."""
    if audited.minimum is None or audited.minimum >= ALL_MASS:
        return ()
    return (f"only {mean_percent(audited)} of the attention could be moved",)


def mass(audited: Distribution) -> str:
    """How much of the attention lies on the audited units; very short where it is all."""
    if audited.mean is None or audited.minimum is None:
        return "The share of attention on the audited units is not known."
    if audited.minimum >= ALL_MASS:
        return "All attention lies on the audited units."
    return (
        f"Only attention on the audited units was moved: {mean(audited)} of it on average, "
        f"{number(audited.minimum)} at least. The less there is, the less any output can move."
    )


def figures(report: Report) -> tuple[Figure, ...]:
    """How far outputs move: over all examples, and by the largest weight."""
    if not report[metrics.DISTANCE].n:
        return ()
    groups = [part for part in report[metrics.DISTANCE].by_max_attention if part.distribution.n]
    of_all = Histograms(
        name="output_moves",
        title="How far shuffling moves outputs",
        reading="How many examples move by how much: 0 is an output that stays; dashed: the mean.",
        panels=(Panel("All examples", report[metrics.DISTANCE]),),
        axis="median change of the output",
        counted="output moves by",
        ticks=TICKS,
    )
    by_weight = Violins(
        name="output_change",
        title="Change of the output against the largest weight",
        reading=(
            "One shape for each range of an example's largest attention weight: the thicker, the "
            "more of its examples move by that much; the bar is the middle half, the dot the "
            "median. Where peaked attention matters, the lower shapes lie further to the right; a "
            "lower shape that clings to 0 shows outputs that did not depend on where the peak was."
        ),
        panels=tuple(Panel(_name(part), part.distribution) for part in groups),
        axis="median change of the output",
        counted="output moves by",
    )
    return (of_all, by_weight) if groups else (of_all,)


def _name(group: Group) -> str:
    return f"Largest weight {group.name} ({counted(group.distribution.n, 'example')})"
