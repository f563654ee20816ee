"""Adversarial: could attention look different for the same output?"""

from typing import TYPE_CHECKING

from attn_audit.findings import tolerance
from attn_audit.findings.example import AUDITED_MASS, MAX_ATTENTION, status_field
from attn_audit.findings.field import (
    EXAMPLES,
    NATS,
    OUTPUT_DISTANCE,
    SAME,
    SHARE,
    Field,
    Kind,
    Place,
    Shape,
)
from attn_audit.findings.metric import JSD_EDGES, UNIT_EDGES, MeanMetric, Metric, TotalMetric
from attn_audit.findings.permutation import MASS_DEFINITION, NOT_MOVABLE
from attn_audit.statistics.estimate import Estimate

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32

    from attn_audit.results.examples import Examples, Values
    from attn_audit.statistics.resamples import Resamples

MAX_ROW_WEIGHTS = 16_384
"""Weights of a witness that a record holds row by row, at most: 64 KiB."""

_BOUNDS = "relative divergence, bounds"

MAX_JSD_FIELD = Field[float | None](
    "adversarial.max_jsd",
    "Largest Jensen-Shannon divergence found between an example's attention and other attention "
    "that keeps its output within epsilon",
    place=Place.EVERYWHERE, range=NATS, null=NOT_MOVABLE, page="epsilon-max JSD", claim=_BOUNDS,
    tolerance=tolerance.BOUND, formerly="max_jsd",
)  # fmt: skip
RELATIVE_JSD_FIELD = Field[float | None](
    "adversarial.relative_jsd",
    "The same divergence over the largest that any attention on the same units could have",
    place=Place.EVERYWHERE, range=SHARE, null=NOT_MOVABLE, page="epsilon-max JSD, relative",
    claim=_BOUNDS, tolerance=tolerance.BOUND, formerly="relative_jsd",
)  # fmt: skip
"""Where several rows may attend to different units, over a bound of that."""
UPPER_BOUND_FIELD = Field[float | None](
    "adversarial.upper_bound", "What no adversary can exceed, where such a bound is known",
    place=Place.EVERYWHERE, range=NATS, null=f"{NOT_MOVABLE}, or no such bound is known",
    claim=_BOUNDS, tolerance=tolerance.BOUND, formerly="max_jsd_upper_bound",
)  # fmt: skip
DISTANCE_FIELD = Field[float | None](
    "adversarial.distance",
    "Change of an example's output under its adversarial attention, at most epsilon",
    place=Place.EVERYWHERE, range=OUTPUT_DISTANCE, null=NOT_MOVABLE,
    page="output change of the adversary", formerly="adversarial_distance",
)  # fmt: skip
METHOD = Field[str | None](
    "adversarial.method",
    "How the adversary was found: `exact`, the proven optimum, or `gradient`, a search",
    kind=Kind.TEXT, place=Place.EVERYWHERE, null=NOT_MOVABLE, claim=SAME,
    formerly="adversarial_method",
)  # fmt: skip
STATUS = status_field("adversarial")
ATTENTION = Field[tuple[float, ...] | None](
    "adversarial.attention",
    "The witness: the weights farthest from `attention` that were found to keep the output; of "
    "several heads or rows, what people would be shown of them",
    shape=Shape.UNITS, range=SHARE, null=NOT_MOVABLE, page="adversarial attention",
    formerly="adversarial_attention",
)  # fmt: skip
ROWS: "Field[Float32[np.ndarray, 'row unit'] | None]" = Field(
    "adversarial.rows",
    "The witness's weights in each of several rows, heads apart: what a model is given to check "
    "it again",
    shape=Shape.ROWS, range=SHARE, is_shown=False, formerly="adversarial_rows",
    null=f"{NOT_MOVABLE}, there is one row, or there are more than {MAX_ROW_WEIGHTS:,} weights",
)  # fmt: skip

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


MAX_JSD = MeanMetric.over(
    MAX_JSD_FIELD, JSD_EDGES, is_coverage=True, joint=MAX_ATTENTION,
    groups={"max_attention": None, "prediction": None, "length": None},
)  # fmt: skip
RELATIVE_JSD = MeanMetric.over(RELATIVE_JSD_FIELD, UNIT_EDGES)
UPPER_BOUND = MeanMetric.over(UPPER_BOUND_FIELD, JSD_EDGES, is_optional=True)
DISTANCE = MeanMetric.over(DISTANCE_FIELD)
MASS = MeanMetric("adversarial.audited_mass", MASS_DEFINITION, values=_audited_mass)
N_EXACT = TotalMetric(
    "adversarial.n_exact", "Examples whose adversary is the proven optimum",
    range=EXAMPLES, number=_n_exact, has_interval=False,
)  # fmt: skip
N_GRADIENT = TotalMetric(
    "adversarial.n_gradient", "Examples whose adversary was searched for",
    range=EXAMPLES, number=_n_gradient, has_interval=False,
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    MAX_JSD, RELATIVE_JSD, UPPER_BOUND, DISTANCE, MASS, N_EXACT, N_GRADIENT,
)  # fmt: skip
