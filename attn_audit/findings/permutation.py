"""Permutation: does the prediction depend on which units attention points at?"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attn_audit.document import Figure, Histograms, Panel, Sketch, Table, Violins
from attn_audit.findings import tolerance
from attn_audit.findings.check import (
    NOT_MEASURED,
    CheckFindings,
    Record,
    SiteNumber,
    TellingCriterion,
    classes_of,
    confidence_table,
    group_table,
)
from attn_audit.findings.example import AUDITED_MASS, NOT_RUN, Label, status_field
from attn_audit.findings.field import NATS, OUTPUT_DISTANCE, SAME, SHARE, Field, Kind, Place, Range
from attn_audit.findings.metric import (
    DISTANCE_EDGES,
    GROUPINGS,
    JSD_EDGES,
    UNIT_EDGES,
    MeanMetric,
    Metric,
    ShareMetric,
)
from attn_audit.findings.performance import ACCURACY
from attn_audit.findings.rule import Outcome, held, is_covered, left_open
from attn_audit.findings.thresholds import (
    ALL_MASS,
    HALF_MARGIN,
    INFORMATIVE_JSD,
    LEAST_REACH,
    MOST,
    MOVED_DISTANCE,
    NEARLY_ALL,
)
from attn_audit.numbers import count, counted, mean, mean_percent, number, percent, points, share
from attn_audit.statistics.summary import Distribution, Share

if TYPE_CHECKING:
    from attn_audit.results.report import Report
    from attn_audit.results.table import Examples, Members, Values

NOT_MOVABLE = f"{NOT_RUN}, or attention cannot be moved"
NOT_DECIDING = f"{NOT_MOVABLE}, or the model is undecided"
NOT_AT_HEADS = "or the site is a single head beside the audited one"
MOVED_MARGIN = Range("share of the margin")


def _distance(
    name: str, how: str, *, null: str = NOT_MOVABLE, claim: str, page: str = "", formerly: str = ""
) -> Field[float | None]:
    return Field(
        f"permutation.{name}", f"Change of an example's output {how}", place=Place.EVERYWHERE,
        range=OUTPUT_DISTANCE, null=null, page=page, claim=f"{claim}: output distance",
        tolerance=tolerance.OUTPUT, formerly=formerly,
    )  # fmt: skip


def _margin(
    name: str, how: str, *, null: str = NOT_DECIDING, claim: str, page: str = ""
) -> Field[float | None]:
    return Field(
        f"permutation.{name}", f"By which share of itself an example's margin moves {how}",
        place=Place.EVERYWHERE, range=MOVED_MARGIN, null=null, has_mean=False, page=page,
        claim=f"{claim}: margin", tolerance=tolerance.MARGIN,
    )  # fmt: skip


_SHUFFLED = "when its attention is shuffled, median over permutations"
_EQUAL = "with equal attention on every unit"
_CUT_OFF = "when nothing of the text is attended to at the site"

DISTANCE_FIELD = _distance(
    "distance", _SHUFFLED, claim="permutations", page="output change when shuffled",
    formerly="median_permutation_distance",
)  # fmt: skip
JSD_FIELD = Field[float | None](
    "permutation.jsd",
    "Jensen-Shannon divergence between attention and its permutations, median over these",
    place=Place.EVERYWHERE, range=NATS, null=NOT_MOVABLE, page="divergence when shuffled",
    claim="permutations: divergence", tolerance=tolerance.DIVERGENCE,
    formerly="median_permutation_jsd",
)  # fmt: skip
WITHIN_EPSILON_FIELD = Field[float | None](
    "permutation.within_epsilon",
    "Share of an example's permutations that keep its output within epsilon",
    place=Place.EVERYWHERE, range=SHARE, null=NOT_MOVABLE, page="share of shuffles within epsilon",
    claim="permutations within epsilon", tolerance=tolerance.SHARE,
    formerly="share_permutations_within_epsilon",
)  # fmt: skip
UNIFORM_DISTANCE_FIELD = _distance(
    "uniform.distance", _EQUAL, claim="uniform", page="output change with equal attention",
    formerly="uniform_distance",
)  # fmt: skip
UNIFORM_PREDICTION = Field[Label | None](
    "permutation.uniform.prediction", f"The model's prediction {_EQUAL}",
    kind=Kind.LABEL, null=NOT_MOVABLE, claim=SAME, formerly="uniform_prediction",
)  # fmt: skip
MARGIN_FIELD = _margin(
    "margin", _SHUFFLED, claim="permutations", page="share of the margin moved when shuffled"
)
TURNED_FIELD = Field[float | None](
    "permutation.turned", "Share of an example's permutations that turn the decision",
    place=Place.EVERYWHERE, range=SHARE, null=NOT_DECIDING, page="share of shuffles that turn it",
    claim="permutations that turn the decision", tolerance=tolerance.SHARE,
)  # fmt: skip
UNIFORM_MARGIN_FIELD = _margin("uniform.margin", _EQUAL, claim="uniform")
REACH_DISTANCE_FIELD = _distance(
    "reach.distance", "with all attention on the one unit that changes it most", claim="reach",
    null=f"{NOT_MOVABLE}, {NOT_AT_HEADS}",
)  # fmt: skip
REACH_FIELD = _margin(
    "reach", "with all attention on the one unit that moves it most", claim="reach",
    null=f"{NOT_DECIDING}, {NOT_AT_HEADS}", page="share of the margin within reach of attention",
)  # fmt: skip
REACH_TURNS_FIELD = Field[float | None](
    "permutation.reach.turns",
    "Whether all attention on some one unit turns the decision: 1 or 0, of several labels the "
    "largest share that any unit turns",
    place=Place.EVERYWHERE, range=SHARE, null=f"{NOT_DECIDING}, {NOT_AT_HEADS}",
)  # fmt: skip
REACH_FIELDS = (REACH_DISTANCE_FIELD, REACH_FIELD, REACH_TURNS_FIELD)
LEVERAGE_DISTANCE_FIELD = _distance("leverage.distance", _CUT_OFF, claim="leverage")
LEVERAGE_FIELD = _margin("leverage", _CUT_OFF, claim="leverage")
STATUS = status_field("permutation")

FIELDS: tuple[Field[object], ...] = (
    DISTANCE_FIELD, JSD_FIELD, WITHIN_EPSILON_FIELD, MARGIN_FIELD, TURNED_FIELD,
    UNIFORM_DISTANCE_FIELD, UNIFORM_MARGIN_FIELD, UNIFORM_PREDICTION, *REACH_FIELDS,
    LEVERAGE_DISTANCE_FIELD, LEVERAGE_FIELD, STATUS,
)  # fmt: skip


def _is_measured(examples: "Examples") -> "Members":
    return examples.is_known(DISTANCE_FIELD)


def _is_too_even(examples: "Examples") -> "Values":
    return examples.where(_is_measured(examples), examples.numbers(JSD_FIELD) < INFORMATIVE_JSD)


def _is_moved(examples: "Examples") -> "Values":
    moves = examples.numbers(DISTANCE_FIELD) >= MOVED_DISTANCE
    return examples.where(_is_measured(examples), moves & (_is_too_even(examples) == 0))


def _moves_half(examples: "Examples") -> "Values":
    moves = examples.numbers(MARGIN_FIELD) >= HALF_MARGIN
    return examples.where(examples.is_known(MARGIN_FIELD), moves & (_is_too_even(examples) == 0))


def _is_within_reach(examples: "Examples") -> "Values":
    moves = examples.numbers(REACH_FIELD) >= HALF_MARGIN
    turns = examples.numbers(REACH_TURNS_FIELD) >= HALF_MARGIN
    return examples.where(examples.is_known(REACH_FIELD), moves | turns)


def _is_unchanged(examples: "Examples") -> "Values":
    return examples.where(_is_measured(examples), examples.is_predicted(UNIFORM_PREDICTION))


def _is_right_with_equal_attention(examples: "Examples") -> "Values":
    is_counted = _is_measured(examples) & examples.is_labelled
    return examples.where(is_counted, examples.is_right(UNIFORM_PREDICTION))


def _accuracy_change(examples: "Examples") -> "Values":
    change: Values = _is_right_with_equal_attention(examples) - ACCURACY.of(examples)
    return change


def mass_of(check: str, measured: Field[float | None]) -> MeanMetric:
    """Of the examples that a check could measure."""

    def values(examples: "Examples") -> "Values":
        return examples.where(examples.is_known(measured), examples.numbers(AUDITED_MASS))

    return MeanMetric(
        f"{check}.audited_mass",
        "Share of the attention that lies on the audited units; no intervention moves the rest",
        values=values,
    )


DISTANCE = MeanMetric.over(
    DISTANCE_FIELD, UNIT_EDGES, is_coverage=True,
    groups=dict.fromkeys(GROUPINGS) | {"max_attention": DISTANCE_EDGES, "prediction": UNIT_EDGES},
)  # fmt: skip
JSD = MeanMetric.over(JSD_FIELD, JSD_EDGES)
WITHIN_EPSILON = MeanMetric.over(WITHIN_EPSILON_FIELD, UNIT_EDGES)
MOVED = ShareMetric(
    "permutation.moved",
    f"Outputs that shuffling moves by {MOVED_DISTANCE:g} or more; where attention is too even for "
    "shuffling to show anything, an output counts as not moved",
    values=_is_moved,
)
TOO_EVEN = ShareMetric(
    "permutation.too_even",
    "Examples whose attention is too even for shuffling to show anything: its permutations differ "
    f"from it by a divergence of less than {INFORMATIVE_JSD:g}",
    values=_is_too_even,
)
TURNED = MeanMetric.over(TURNED_FIELD, UNIT_EDGES)
HALF = ShareMetric(
    "permutation.half_margin",
    "Examples whose median permutation moves the margin by half of itself or more; where attention "
    "is too even for shuffling to show anything, a margin counts as not moved",
    values=_moves_half,
    is_by_confidence=True,
)
REACH = ShareMetric(
    "permutation.within_reach",
    "Examples in which attention on some one unit turns the decision or moves the margin by half "
    "of itself: elsewhere the site hardly matters",
    values=_is_within_reach,
    is_by_confidence=True,
)
MARGIN = MeanMetric.over(MARGIN_FIELD)
UNIFORM_MARGIN = MeanMetric.over(UNIFORM_MARGIN_FIELD)
REACH_MARGIN, REACH_DISTANCE = map(MeanMetric.over, (REACH_FIELD, REACH_DISTANCE_FIELD))
LEVERAGE, LEVERAGE_DISTANCE = map(MeanMetric.over, (LEVERAGE_FIELD, LEVERAGE_DISTANCE_FIELD))
UNIFORM_DISTANCE = MeanMetric.over(UNIFORM_DISTANCE_FIELD, UNIT_EDGES)
UNIFORM_UNCHANGED = ShareMetric(
    "permutation.uniform.unchanged",
    "Predictions that stay the same with equal attention on every unit",
    values=_is_unchanged,
)
UNIFORM_ACCURACY = ShareMetric(
    "permutation.uniform.accuracy", "Accuracy with equal attention on every unit",
    values=_is_right_with_equal_attention, needs_labels=True, is_optional=True,
)  # fmt: skip
UNIFORM_ACCURACY_CHANGE = MeanMetric(
    "permutation.uniform.accuracy_change",
    "Change of accuracy with equal attention on every unit (below 0: accuracy is lost), paired",
    range=Range("share", -1.0, 1.0), values=_accuracy_change, needs_labels=True, is_optional=True,
)  # fmt: skip
MASS = mass_of("permutation", DISTANCE_FIELD)

METRICS: tuple[Metric, ...] = (
    DISTANCE, JSD, WITHIN_EPSILON, MOVED, TOO_EVEN, MARGIN, TURNED, HALF, UNIFORM_DISTANCE,
    UNIFORM_MARGIN, UNIFORM_UNCHANGED, UNIFORM_ACCURACY, UNIFORM_ACCURACY_CHANGE, REACH,
    REACH_MARGIN, REACH_DISTANCE, LEVERAGE, LEVERAGE_DISTANCE, MASS,
)  # fmt: skip

TICKS = tuple(i / 4 for i in range(5))


def _tables(report: "Report") -> tuple[Table, ...]:
    return (
        group_table("output moves by", report[DISTANCE], (0.0, 1.0)),
        confidence_table(report, margin_moved_by_half=HALF, within_reach=REACH),
    )


def _verdict(report: "Report") -> str:
    """Whether outputs depend on where attention lies."""
    moved = report[MOVED]
    if moved.share is None:
        return NOT_MEASURED
    covered = is_covered("permutation", report)
    match held("min", MOST, moved, is_covered=covered):
        case Outcome.PASS:
            return "In most examples: where attention lies matters to the output."
        case Outcome.FAIL:
            return _hardly_moves(report)
        case Outcome.INCONCLUSIVE:
            return left_open("permutation", report, moved.n, share(moved))


def _hardly_moves(report: "Report") -> str:
    """Why most outputs stay, as far as that is known."""
    if held("min", MOST, report[TOO_EVEN]) is Outcome.PASS:
        return "In most examples it does not: attention is too even there for shuffling to matter."
    if held("min", NEARLY_ALL, report[UNIFORM_UNCHANGED]) is Outcome.FAIL:
        return "In part: most outputs move little, but equal attention changes many predictions."
    return "In most examples it hardly does: where attention lies matters little."


def _in_short(report: "Report") -> tuple[str, ...]:
    first = f"shuffling moves the output by {mean(report[DISTANCE])}"
    second = f"by {MOVED_DISTANCE:g} or more in {share(report[MOVED])} of the examples"
    n_even = report[TOO_EVEN].count
    even = (f"counted as not moved: {count(n_even)} whose attention is too even",) if n_even else ()
    kept = f"equal attention keeps {share(report[UNIFORM_UNCHANGED])} of the predictions"
    return (first, second, *even, *mass_in_short(report[MASS]), *_within_reach(report), kept)


def _within_reach(report: "Report") -> Iterator[str]:
    """That attention can matter all the same, which is what a rule asks."""
    found = report.get(REACH)
    if found is not None and held("min", LEAST_REACH, found) is Outcome.PASS:
        does = "turns the decision or moves half of the margin"
        yield f"all attention on some one word {does} in {share(found)}: it can matter"


def _line(record: Record) -> str | None:
    moved, jsd = record.get(DISTANCE_FIELD.name), record.get(JSD_FIELD.name)
    if moved is None:
        return None
    differs = None if jsd is None else number(jsd)
    return f"shuffled: output moved by {number(moved, 3)}, divergence {differs}"


def _answer(report: "Report") -> tuple[str, ...]:
    settings, distance = report.settings, report[DISTANCE]
    a_label = " a label" if report.model.task == "multilabel" else ""
    return (
        f"Shuffling an example's attention moves the output by {mean(distance)} on average "
        f"(the median of {count(settings.permutations)} permutations, over "
        f"{counted(distance.n, 'example')}; {MOVED_DISTANCE:g}: "
        f"{100 * MOVED_DISTANCE:.0f} points of probability{a_label}).",
        _moved(report),
        f"On average {mean_percent(report[WITHIN_EPSILON])} of an example's permutations keep the "
        f"output within {settings.epsilon:g}.",
        _uniform(report),
        mass(report[MASS]),
    )


def _moved(report: "Report") -> str:
    moved, n_even = report[MOVED], report[TOO_EVEN].count
    sentence = f"{share(moved)} of the outputs move by {MOVED_DISTANCE:g} or more."
    if n_even == 0:
        return sentence
    return (
        f"{sentence} Counted as not moved: {counted(n_even, 'example')} whose attention is too "
        "even for shuffling to show anything (its permutations differ from it by a divergence of "
        f"less than {INFORMATIVE_JSD:g})."
    )


def _uniform(report: "Report") -> str:
    same, too_even = report[UNIFORM_UNCHANGED], report[TOO_EVEN]
    nothing_said = "Attention was nearly even already, so this says little."
    meaning = nothing_said if too_even.count == too_even.n else _dependence(same)
    return (
        f"With equal attention on every unit, {share(same)} of the predictions stay the same and "
        f"the output moves by {mean(report[UNIFORM_DISTANCE])}{_accuracy(report)}. {meaning}"
    )


def _accuracy(report: "Report") -> str:
    accuracy = report.get(UNIFORM_ACCURACY)
    change = report.get(UNIFORM_ACCURACY_CHANGE)
    if accuracy is None or accuracy.share is None or change is None or change.mean is None:
        return ""
    own = accuracy.count - round(change.mean * change.n)
    return (
        f"; right are {count(accuracy.count)} of {count(accuracy.n)} instead of {count(own)} "
        f"({points(change)} points)"
    )


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
    return (
        f"So {count(unchanged.n - unchanged.count)} of these {count(unchanged.n)} decisions depend "
        f"on where attention lies, and of other texts at least {percent(least)}; {rest}."
    )


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


def _figures(report: "Report") -> tuple[Figure, ...]:
    """How far outputs move: over all examples, and by the largest weight."""
    parts = ((part, part.distribution) for part in report[DISTANCE].by_max_attention)
    groups = [(part, of) for part, of in parts if of.n]
    of_all = Histograms(
        name="output_moves",
        title="How far shuffling moves outputs",
        reading=(
            "How many examples move by how much: 0 is an output that stays; dashed: the mean; "
            "colours, where there are two: the predicted class."
        ),
        panels=(Panel("All examples", report[DISTANCE], classes=classes_of(report[DISTANCE])),),
        axis="median change of the output",
        counted="output moves by",
        ticks=TICKS,
    )
    by_weight = Violins(
        name="output_change",
        title="Change of the output against the largest weight",
        reading=(
            "One shape for each range of an example's largest attention weight: the thicker, the "
            "more of its examples move by that much, and paler where these are few; the bar is the "
            "middle half, the dot the median; of two predicted classes one is above the bar, the "
            "other below. Where peaked attention matters, the lower shapes lie further to the "
            "right; a lower shape that clings to 0 shows outputs that did not depend on where the "
            "peak was."
        ),
        panels=tuple(
            Panel(f"Largest weight {part.name} ({counted(of.n, 'example')})", of)
            for part, of in groups
        ),
        axis="median change of the output",
        counted="output moves by",
    )
    return (of_all, by_weight) if groups else (of_all,)


FINDINGS = CheckFindings(
    "permutation", "Permutation", "Does the prediction change when attention is shuffled?",
    FIELDS, METRICS, verdict=_verdict, in_short=_in_short, answer=_answer, line=_line,
    is_measured=lambda report: report[DISTANCE].n > 0, tables=_tables, figures=_figures,
    picture=lambda report: Sketch(report[DISTANCE], ("0: unmoved", "1"), "change of the output"),
    is_tabled=True,
    at_sites=(
        SiteNumber(
            DISTANCE_FIELD.name, "shuffling moves the output by", "moves by",
            "moves the output most when shuffled", decimals=3,
        ),
    ),
    telling=(
        TellingCriterion(
            "insensitive", "Shuffling changes the weights most, and the output least",
            lambda numbers: numbers(JSD_FIELD) - numbers(DISTANCE_FIELD),
            "where attention is peaked and shuffling changes least",
        ),
    ),
)  # fmt: skip
