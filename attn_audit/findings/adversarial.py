"""Adversarial: could attention look different for the same output?"""

from math import inf, log
from typing import TYPE_CHECKING

from attn_audit.findings import tolerance
from attn_audit.findings.example import AUDITED_MASS, MAX_ATTENTION, NOT_RUN, status_field
from attn_audit.findings.field import SAME, Field, Kind, Place, Shape
from attn_audit.findings.metric import (
    JSD_EDGES,
    UNIT_EDGES,
    Estimate,
    MeanMetric,
    Metric,
    TotalMetric,
)

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32

    from attn_audit.results.examples import Examples, Values
    from attn_audit.statistics.resamples import Resamples

MAX_ROW_WEIGHTS = 16_384
"""Weights of a witness that a record holds row by row, at most: 64 KiB."""

_NOT_MOVABLE = f"{NOT_RUN}, or attention cannot be moved"
_BOUNDS = "relative divergence, bounds"

MAX_JSD_FIELD = Field[float | None](
    name="adversarial.max_jsd",
    definition="Largest Jensen-Shannon divergence found between attention and other attention "
    "that keeps the output within epsilon.",
    place=Place.EVERYWHERE,
    unit="nats",
    low=0.0,
    high=log(2),
    null=_NOT_MOVABLE,
    page="epsilon-max JSD",
    claim=_BOUNDS,
    tolerance=tolerance.BOUND,
    formerly="max_jsd",
)
RELATIVE_JSD_FIELD = Field[float | None](
    name="adversarial.relative_jsd",
    definition="The same divergence over the attainable maximum of this example; where several "
    "rows may attend to different units, over a bound of it.",
    place=Place.EVERYWHERE,
    unit="share",
    low=0.0,
    high=1.0,
    null=_NOT_MOVABLE,
    page="epsilon-max JSD, relative",
    claim=_BOUNDS,
    tolerance=tolerance.BOUND,
    formerly="relative_jsd",
)
UPPER_BOUND_FIELD = Field[float | None](
    name="adversarial.upper_bound",
    definition="What no adversary's divergence can exceed.",
    place=Place.EVERYWHERE,
    unit="nats",
    low=0.0,
    high=log(2),
    null=f"{_NOT_MOVABLE}, or no such bound is known",
    claim=_BOUNDS,
    tolerance=tolerance.BOUND,
    formerly="max_jsd_upper_bound",
)
DISTANCE_FIELD = Field[float | None](
    name="adversarial.distance",
    definition="Change of the output under the adversarial attention, at most epsilon.",
    place=Place.EVERYWHERE,
    unit="output distance",
    low=0.0,
    high=1.0,
    null=_NOT_MOVABLE,
    page="output change of the adversary",
    formerly="adversarial_distance",
)
METHOD = Field[str | None](
    name="adversarial.method",
    definition="How the adversary was found: `exact`, the proven optimum, or `gradient`, a search.",
    kind=Kind.TEXT,
    place=Place.EVERYWHERE,
    null=_NOT_MOVABLE,
    claim=SAME,
    formerly="adversarial_method",
)
STATUS = status_field("adversarial")
ATTENTION = Field[tuple[float, ...] | None](
    name="adversarial.attention",
    definition="The witness: the weights farthest from `attention` that were found to keep the "
    "output; of several heads or rows, what people would be shown of them.",
    shape=Shape.UNITS,
    unit="share",
    low=0.0,
    high=1.0,
    null=_NOT_MOVABLE,
    page="adversarial attention",
    formerly="adversarial_attention",
)
ROWS: "Field[Float32[np.ndarray, 'row unit'] | None]" = Field(
    name="adversarial.rows",
    definition="The witness's weights in each of several rows, heads apart: what a model is given "
    "to check it again.",
    shape=Shape.ROWS,
    unit="share",
    low=0.0,
    high=1.0,
    null=f"{_NOT_MOVABLE}, there is one row, or there are more than {MAX_ROW_WEIGHTS:,} weights",
    is_shown=False,
    formerly="adversarial_rows",
)

FIELDS: tuple[Field[object], ...] = (
    MAX_JSD_FIELD, RELATIVE_JSD_FIELD, UPPER_BOUND_FIELD, DISTANCE_FIELD, METHOD, STATUS,
    ATTENTION, ROWS,
)  # fmt: skip


def _audited_mass(examples: "Examples") -> "Values":
    return examples.where(examples.is_known(MAX_JSD_FIELD), examples.numbers(AUDITED_MASS))


def _n_exact(examples: "Examples", _: "Resamples") -> Estimate:
    return Estimate(examples.counts(METHOD).get("exact", 0), None)


def _n_gradient(examples: "Examples", _: "Resamples") -> Estimate:
    return Estimate(examples.counts(METHOD).get("gradient", 0), None)


MAX_JSD = MeanMetric(
    name="adversarial.max_jsd",
    definition="Largest Jensen-Shannon divergence found between an example's attention and other "
    "attention that keeps its output within epsilon",
    unit="nats",
    high=log(2),
    values=MAX_JSD_FIELD,
    is_coverage=True,
    edges=JSD_EDGES,
    groups={"max_attention": None, "prediction": None, "length": None},
    joint=MAX_ATTENTION,
    joint_edges=UNIT_EDGES,
)
RELATIVE_JSD = MeanMetric(
    name="adversarial.relative_jsd",
    definition="The same divergence over the largest that any attention on the same units could "
    "have",
    values=RELATIVE_JSD_FIELD,
    edges=UNIT_EDGES,
)
UPPER_BOUND = MeanMetric(
    name="adversarial.upper_bound",
    definition="What no adversary can exceed, where such a bound is known",
    unit="nats",
    high=log(2),
    values=UPPER_BOUND_FIELD,
    is_optional=True,
    edges=JSD_EDGES,
)
DISTANCE = MeanMetric(
    name="adversarial.distance",
    definition="Change of an example's output under its adversarial attention, at most epsilon",
    unit="output distance",
    values=DISTANCE_FIELD,
)
MASS = MeanMetric(
    name="adversarial.audited_mass",
    definition="Share of the attention that lies on the audited units; no intervention moves the "
    "rest",
    values=_audited_mass,
)
N_EXACT = TotalMetric(
    name="adversarial.n_exact",
    definition="Examples whose adversary is the proven optimum",
    unit="examples",
    high=inf,
    number=_n_exact,
    has_interval=False,
)
N_GRADIENT = TotalMetric(
    name="adversarial.n_gradient",
    definition="Examples whose adversary was searched for",
    unit="examples",
    high=inf,
    number=_n_gradient,
    has_interval=False,
)

METRICS: tuple[Metric, ...] = (
    MAX_JSD, RELATIVE_JSD, UPPER_BOUND, DISTANCE, MASS, N_EXACT, N_GRADIENT,
)  # fmt: skip
