"""Permutation: does the prediction depend on which units attention points at?"""

from typing import TYPE_CHECKING

from attn_audit.findings import tolerance
from attn_audit.findings.example import AUDITED_MASS, NOT_RUN, Label, status_field
from attn_audit.findings.field import (
    NATS,
    OUTPUT_DISTANCE,
    SAME,
    SHARE,
    Field,
    Kind,
    Place,
    Range,
)
from attn_audit.findings.metric import (
    DISTANCE_EDGES,
    JSD_EDGES,
    UNIT_EDGES,
    MeanMetric,
    Metric,
    ShareMetric,
)
from attn_audit.findings.performance import ACCURACY
from attn_audit.findings.thresholds import INFORMATIVE_JSD, MOVED_DISTANCE

if TYPE_CHECKING:
    from attn_audit.results.examples import Examples, Members, Values

NOT_MOVABLE = f"{NOT_RUN}, or attention cannot be moved"
MASS_DEFINITION = (
    "Share of the attention that lies on the audited units; no intervention moves the rest"
)

DISTANCE_FIELD = Field[float | None](
    "permutation.distance",
    "Change of an example's output when its attention is shuffled, median over permutations",
    place=Place.EVERYWHERE, range=OUTPUT_DISTANCE, null=NOT_MOVABLE,
    page="output change when shuffled", claim="permutations: output distance",
    tolerance=tolerance.OUTPUT, formerly="median_permutation_distance",
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
    claim="permutations within epsilon", tolerance=tolerance.SHARE, scale=tolerance.share_scale,
    formerly="share_permutations_within_epsilon",
)  # fmt: skip
UNIFORM_DISTANCE_FIELD = Field[float | None](
    "permutation.uniform.distance",
    "Change of an example's output with equal attention on every unit",
    place=Place.EVERYWHERE, range=OUTPUT_DISTANCE, null=NOT_MOVABLE,
    page="output change with equal attention", claim="uniform: output distance",
    tolerance=tolerance.OUTPUT, formerly="uniform_distance",
)  # fmt: skip
UNIFORM_PREDICTION = Field[Label | None](
    "permutation.uniform.prediction",
    "The model's prediction with equal attention on every unit",
    kind=Kind.LABEL, null=NOT_MOVABLE, claim=SAME, formerly="uniform_prediction",
)  # fmt: skip
STATUS = status_field("permutation")

FIELDS: tuple[Field[object], ...] = (
    DISTANCE_FIELD, JSD_FIELD, WITHIN_EPSILON_FIELD, UNIFORM_DISTANCE_FIELD, UNIFORM_PREDICTION,
    STATUS,
)  # fmt: skip


def _is_measured(examples: "Examples") -> "Members":
    return examples.is_known(DISTANCE_FIELD)


def _is_too_even(examples: "Examples") -> "Values":
    return examples.where(_is_measured(examples), examples.numbers(JSD_FIELD) < INFORMATIVE_JSD)


def _is_moved(examples: "Examples") -> "Values":
    moves = examples.numbers(DISTANCE_FIELD) >= MOVED_DISTANCE
    return examples.where(_is_measured(examples), moves & (_is_too_even(examples) == 0))


def _is_unchanged(examples: "Examples") -> "Values":
    return examples.where(_is_measured(examples), examples.is_predicted(UNIFORM_PREDICTION))


def _is_right_with_equal_attention(examples: "Examples") -> "Values":
    is_counted = _is_measured(examples) & examples.is_labelled
    return examples.where(is_counted, examples.is_right(UNIFORM_PREDICTION))


def _accuracy_change(examples: "Examples") -> "Values":
    change: Values = _is_right_with_equal_attention(examples) - ACCURACY.of(examples)
    return change


def _audited_mass(examples: "Examples") -> "Values":
    return examples.where(_is_measured(examples), examples.numbers(AUDITED_MASS))


DISTANCE = MeanMetric.over(
    DISTANCE_FIELD, UNIT_EDGES, is_coverage=True,
    groups={"max_attention": DISTANCE_EDGES, "prediction": None, "length": None},
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
MASS = MeanMetric("permutation.audited_mass", MASS_DEFINITION, values=_audited_mass)

METRICS: tuple[Metric, ...] = (
    DISTANCE, JSD, WITHIN_EPSILON, MOVED, TOO_EVEN, UNIFORM_DISTANCE, UNIFORM_UNCHANGED,
    UNIFORM_ACCURACY, UNIFORM_ACCURACY_CHANGE, MASS,
)  # fmt: skip
