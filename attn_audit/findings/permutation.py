"""Permutation: does the prediction depend on which units attention points at?"""

from math import log
from typing import TYPE_CHECKING

from attn_audit.findings import tolerance
from attn_audit.findings.example import AUDITED_MASS, NOT_RUN, Label, status_field
from attn_audit.findings.field import SAME, Field, Kind, Place
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

_NOT_MOVABLE = f"{NOT_RUN}, or attention cannot be moved"

DISTANCE_FIELD = Field[float | None](
    name="permutation.distance",
    definition="Change of the output when attention is shuffled, median over permutations.",
    place=Place.EVERYWHERE,
    unit="output distance",
    low=0.0,
    high=1.0,
    null=_NOT_MOVABLE,
    page="output change when shuffled",
    claim="permutations: output distance",
    tolerance=tolerance.OUTPUT,
    formerly="median_permutation_distance",
)
JSD_FIELD = Field[float | None](
    name="permutation.jsd",
    definition="Jensen-Shannon divergence between attention and its permutations, median over "
    "these.",
    place=Place.EVERYWHERE,
    unit="nats",
    low=0.0,
    high=log(2),
    null=_NOT_MOVABLE,
    page="divergence when shuffled",
    claim="permutations: divergence",
    tolerance=tolerance.DIVERGENCE,
    formerly="median_permutation_jsd",
)
WITHIN_EPSILON_FIELD = Field[float | None](
    name="permutation.within_epsilon",
    definition="Share of the permutations that keep the output within epsilon.",
    place=Place.EVERYWHERE,
    unit="share",
    low=0.0,
    high=1.0,
    null=_NOT_MOVABLE,
    page="share of shuffles within epsilon",
    claim="permutations within epsilon",
    tolerance=tolerance.SHARE,
    scale=tolerance.share_scale,
    formerly="share_permutations_within_epsilon",
)
UNIFORM_DISTANCE_FIELD = Field[float | None](
    name="permutation.uniform.distance",
    definition="Change of the output with equal attention on every unit.",
    place=Place.EVERYWHERE,
    unit="output distance",
    low=0.0,
    high=1.0,
    null=_NOT_MOVABLE,
    page="output change with equal attention",
    claim="uniform: output distance",
    tolerance=tolerance.OUTPUT,
    formerly="uniform_distance",
)
UNIFORM_PREDICTION = Field[Label | None](
    name="permutation.uniform.prediction",
    definition="The model's prediction with equal attention on every unit.",
    kind=Kind.LABEL,
    null=_NOT_MOVABLE,
    claim=SAME,
    formerly="uniform_prediction",
)
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


DISTANCE = MeanMetric(
    name="permutation.distance",
    definition="Change of an example's output when its attention is shuffled, median over "
    "permutations",
    unit="output distance",
    values=DISTANCE_FIELD,
    is_coverage=True,
    edges=UNIT_EDGES,
    groups={"max_attention": DISTANCE_EDGES, "prediction": None, "length": None},
)
JSD = MeanMetric(
    name="permutation.jsd",
    definition="Jensen-Shannon divergence between attention and its permutations, median over "
    "these",
    unit="nats",
    high=log(2),
    values=JSD_FIELD,
    edges=JSD_EDGES,
)
WITHIN_EPSILON = MeanMetric(
    name="permutation.within_epsilon",
    definition="Share of an example's permutations that keep its output within epsilon",
    values=WITHIN_EPSILON_FIELD,
    edges=UNIT_EDGES,
)
MOVED = ShareMetric(
    name="permutation.moved",
    definition=f"Outputs that shuffling moves by {MOVED_DISTANCE:g} or more; where attention is "
    "too even for shuffling to show anything, an output counts as not moved",
    values=_is_moved,
)
TOO_EVEN = ShareMetric(
    name="permutation.too_even",
    definition="Examples whose attention is too even for shuffling to show anything: its "
    f"permutations differ from it by a divergence of less than {INFORMATIVE_JSD:g}",
    values=_is_too_even,
)
UNIFORM_DISTANCE = MeanMetric(
    name="permutation.uniform.distance",
    definition="Change of an example's output with equal attention on every unit",
    unit="output distance",
    values=UNIFORM_DISTANCE_FIELD,
    edges=UNIT_EDGES,
)
UNIFORM_UNCHANGED = ShareMetric(
    name="permutation.uniform.unchanged",
    definition="Predictions that stay the same with equal attention on every unit",
    values=_is_unchanged,
)
UNIFORM_ACCURACY = ShareMetric(
    name="permutation.uniform.accuracy",
    definition="Accuracy with equal attention on every unit",
    values=_is_right_with_equal_attention,
    is_optional=True,
    needs_labels=True,
)
UNIFORM_ACCURACY_CHANGE = MeanMetric(
    name="permutation.uniform.accuracy_change",
    definition="Change of accuracy with equal attention on every unit (below 0: accuracy is "
    "lost), paired",
    low=-1.0,
    values=_accuracy_change,
    is_optional=True,
    needs_labels=True,
)
MASS = MeanMetric(
    name="permutation.audited_mass",
    definition="Share of the attention that lies on the audited units; no intervention moves the "
    "rest",
    values=_audited_mass,
)

METRICS: tuple[Metric, ...] = (
    DISTANCE, JSD, WITHIN_EPSILON, MOVED, TOO_EVEN, UNIFORM_DISTANCE, UNIFORM_UNCHANGED,
    UNIFORM_ACCURACY, UNIFORM_ACCURACY_CHANGE, MASS,
)  # fmt: skip
