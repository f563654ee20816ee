"""Adversarial: could attention look different for the same output?"""

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING

from attn_audit.document import Figure, Histograms, Joint, Panel, Sketch
from attn_audit.findings import tolerance
from attn_audit.findings.check import (
    NOT_MEASURED,
    CheckFindings,
    Record,
    SiteNumber,
    TellingCriterion,
    classes_of,
    group_table,
)
from attn_audit.findings.example import MAX_ATTENTION, status_field
from attn_audit.findings.field import NATS, OUTPUT_DISTANCE, SAME, SHARE, Field, Kind, Place, Shape
from attn_audit.findings.metric import (
    GROUPINGS,
    JSD_EDGES,
    UNIT_EDGES,
    MeanMetric,
    Metric,
    ShareMetric,
    counting,
)
from attn_audit.findings.permutation import (
    MOVED_MARGIN,
    NOT_DECIDING,
    NOT_MOVABLE,
    WITHIN_EPSILON,
    mass,
    mass_in_short,
    mass_of,
)
from attn_audit.findings.rule import Outcome, held, is_covered, left_open
from attn_audit.findings.thresholds import ENTIRELY, LARGELY
from attn_audit.numbers import counted, mean, mean_percent, number, percent

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float32

    from attn_audit.results.model_description import ModelDescription
    from attn_audit.results.report import Report

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
MARGIN_FIELD = Field[float | None](
    "adversarial.margin",
    "By which share of itself an example's margin moves under its adversarial attention",
    place=Place.EVERYWHERE, range=MOVED_MARGIN, null=NOT_DECIDING, has_mean=False,
    page="share of the margin moved by the adversary",
)  # fmt: skip
TURNED_FIELD = Field[float | None](
    "adversarial.turned",
    "Whether adversarial attention turns the decision: 1 or 0, of several labels a share",
    place=Place.EVERYWHERE, range=SHARE, null=NOT_DECIDING,
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
    MAX_JSD_FIELD, RELATIVE_JSD_FIELD, UPPER_BOUND_FIELD, DISTANCE_FIELD, MARGIN_FIELD,
    TURNED_FIELD, METHOD, STATUS, ATTENTION, ROWS,
)  # fmt: skip


MAX_JSD = MeanMetric.over(
    MAX_JSD_FIELD, JSD_EDGES, is_coverage=True, joint=MAX_ATTENTION,
    groups=dict.fromkeys(GROUPINGS) | {"prediction": JSD_EDGES},
)  # fmt: skip
RELATIVE_JSD = MeanMetric.over(RELATIVE_JSD_FIELD, UNIT_EDGES)
UPPER_BOUND = MeanMetric.over(UPPER_BOUND_FIELD, JSD_EDGES, is_optional=True)
DISTANCE = MeanMetric.over(DISTANCE_FIELD)
MARGIN = MeanMetric.over(MARGIN_FIELD)
TURNED = ShareMetric(
    "adversarial.turned",
    "Examples whose decision is another under their adversarial attention, within epsilon as it is",
    values=TURNED_FIELD,
)
MASS = mass_of("adversarial", MAX_JSD_FIELD)
N_EXACT, N_GRADIENT = (
    counting(f"adversarial.n_{method}", f"Examples whose adversary {how}", METHOD, method)
    for method, how in (("exact", "is the proven optimum"), ("gradient", "was searched for"))
)

METRICS: tuple[Metric, ...] = (
    MAX_JSD, RELATIVE_JSD, UPPER_BOUND, DISTANCE, MARGIN, TURNED, MASS, N_EXACT, N_GRADIENT,
)  # fmt: skip

CAVEAT = (
    "That other attention gives the same output does not make the model's own attention wrong: "
    "it shows that the output does not single it out."
)

TICKS = (*(i / 10 for i in range(7)), log(2))
AXIS = "divergence (epsilon-max JSD, nats)"


def _verdict(report: "Report") -> str:
    """Whether the output singles the model's attention out."""
    relative = report[RELATIVE_JSD]
    if relative.mean is None:
        return NOT_MEASURED
    covered = is_covered("adversarial", report)
    if held("min", ENTIRELY, relative, is_covered=covered) is Outcome.PASS:
        return "Yes: almost entirely different attention gives the same output."
    match held("min", LARGELY, relative, is_covered=covered):
        case Outcome.PASS:
            return "Largely: very different attention gives the same output."
        case Outcome.FAIL if report[N_GRADIENT].value:
            return "Not by much, as far as a search could find."
        case Outcome.FAIL:
            return "Not by much: the output ties attention down."
        case Outcome.INCONCLUSIVE:
            said = f"{mean_percent(relative)} different"
            return left_open("adversarial", report, relative.n, said)


def _in_short(report: "Report") -> tuple[str, ...]:
    common = report.get(WITHIN_EPSILON)
    first = (
        f"could differ by {mean_percent(report[RELATIVE_JSD])} of the most that each example "
        "allows, with the same output"
    )
    movable = mass_in_short(report[MASS])
    if common is None or common.mean is None:
        return (first, *movable)
    return (first, f"{mean_percent(common)} of random permutations keep it, too", *movable)


def _line(record: Record) -> str | None:
    jsd, moved = record.get(MAX_JSD_FIELD.name), record.get(DISTANCE_FIELD.name)
    if jsd is None:
        return None
    distance = None if moved is None else number(moved, 3)
    return (
        f"adversary: divergence {number(jsd)}, "
        f"{percent(record.get(RELATIVE_JSD_FIELD.name) or 0.0)} of the possible; output moved by "
        f"{distance}"
    )


def _answer(report: "Report") -> tuple[str, ...]:
    jsd = report[MAX_JSD]
    relative = mean_percent(report[RELATIVE_JSD])
    first = (
        f"Attention can be changed by a divergence of {mean(jsd)} on average while the output "
        f"stays within {report.settings.epsilon:g} ({counted(jsd.n, 'example')}; 0: the same "
        f"attention, {log(2):.2f}: nothing in common): {relative} of the most that each example "
        "allows."
    )
    common = report.get(WITHIN_EPSILON)
    how_common = "How common alternatives are was not measured: that takes the permutation check."
    if common is not None and common.mean is not None:
        how_common = (
            f"How common alternatives are: {mean_percent(common)} of an example's random "
            "permutations keep the output that close as well."
        )
    return first, _certainty(report), how_common, CAVEAT, mass(report[MASS])


def _certainty(report: "Report") -> str:
    if report[N_GRADIENT].value == 0:
        return "Each is the proven optimum: no search can find attention that differs more."
    searched = f"the best that a search found: more may exist{_limit(report)}"
    if report[N_EXACT].value == 0:
        return f"Each is {searched}."
    return (
        f"In {counted(int(report[N_EXACT].value), 'example')} it is the proven optimum, in "
        f"{counted(int(report[N_GRADIENT].value), 'example')} {searched}."
    )


def _limit(report: "Report") -> str:
    """What no adversary can exceed, and for how many examples that is known."""
    bound = report.get(UPPER_BOUND)
    if bound is None or bound.mean is None:
        return ""
    known = f" in {counted(bound.n, 'example')} where a limit is proven"
    where = known if bound.n < report[MAX_JSD].n else ""
    return f", but not beyond {mean(bound)} on average{where}"


def _figures(report: "Report") -> Iterator[Figure]:
    if report[MAX_JSD].histogram is not None:
        yield Histograms(
            name="jsd",
            title="How different attention could look",
            reading=(
                "How many examples allow which divergence: 0 is the model's own attention, ln 2 = "
                "0.69 attention on entirely other words. Mass at the right end means that the "
                "output does not single out the attention that was shown. Colours, where there are "
                "two: the predicted class."
            ),
            panels=(Panel("All examples", report[MAX_JSD], classes=classes_of(report[MAX_JSD])),),
            axis=AXIS,
            counted="divergence",
            ticks=TICKS,
            mark=(log(2), "ln 2"),
        )
    joint = report[MAX_JSD].joint
    if joint is not None and any(map(any, joint.counts)):
        yield Joint(
            name="jsd_by_weight",
            title="Divergence against the largest weight",
            reading=(
                "The stronger a cell's shade, the more examples have that largest weight and that "
                "divergence; colours, where there are two: the predicted class, and each has its "
                "part of a cell. Examples to the right have one dominant word; those of them that "
                "lie high up would give the same output with attention elsewhere."
            ),
            counts=joint,
            axes=("largest weight", AXIS),
            counted=("largest weight", "divergence"),
        )


def _auditable(model: "ModelDescription") -> str:
    """As the check itself decides: exact where one number is linear in the weights."""
    one_number = model.task == "binary" or (
        model.task in ("multiclass", "candidates") and len(model.labels) == 2
    )
    if model.linear_readout and one_number:
        return "yes, exactly: the proven optimum, no search"
    if model.linear_readout:
        return "yes, by gradient search, with an upper bound on what any search could find"
    return "yes, by gradient search: more than it finds may exist"


FINDINGS = CheckFindings(
    "adversarial", "Adversarial",
    "Could attention look entirely different without changing the prediction?", FIELDS, METRICS,
    verdict=_verdict, in_short=_in_short, answer=_answer, line=_line,
    is_measured=lambda report: report[MAX_JSD].n > 0, figures=_figures,
    tables=lambda report: (group_table("divergence", report[MAX_JSD], (0.0, log(2))),),
    picture=lambda report: Sketch(
        report[RELATIVE_JSD], ("0%: the same", "100%: entirely different"),
        "difference that keeps the output",
    ),
    is_tabled=True, auditable=_auditable,
    at_sites=(
        SiteNumber(
            MAX_JSD_FIELD.name, "divergence", "max JSD", "can differ most for the same output"
        ),
    ),
    telling=(
        TellingCriterion(
            "adversarial", "Peaked attention that could lie elsewhere with the same output",
            lambda numbers: numbers(MAX_JSD_FIELD) * numbers(MAX_ATTENTION),
            "where attention is peaked and could be elsewhere",
        ),
    ),
)  # fmt: skip
