"""The adversarial check: how different attention could look, and how common that is."""

from collections.abc import Iterator
from math import log

from attn_audit.findings import adversarial as metrics
from attn_audit.findings import permutation as permutation_metrics
from attn_audit.findings.thresholds import ENTIRELY, LARGELY
from attn_audit.formats.document import (
    Bullets,
    Card,
    Figure,
    Histograms,
    Joint,
    Panel,
    Paragraph,
    Section,
    Shape,
    Tone,
)
from attn_audit.formats.documents import claims
from attn_audit.formats.documents.groups import NOT_MEASURED, folded, group_table
from attn_audit.formats.documents.permutation import mass, mass_in_short
from attn_audit.formats.numbers import count, counted, mean, mean_percent
from attn_audit.results.report import Report
from attn_audit.results.summary import Distribution
from attn_audit.results.verdict import Outcome

QUESTION = "Could attention look entirely different without changing the prediction?"

CAVEAT = (
    "That other attention gives the same output does not make the model's own attention wrong: "
    "it shows that the output does not single it out."
)

LIMITS = (0.0, log(2))
TICKS = (*(i / 10 for i in range(7)), log(2))
AXIS = "largest divergence found (epsilon-max JSD, nats)"


def section(report: Report) -> Section:
    """Question, answer, figures, and the numbers in tables."""
    table = group_table("divergence", report[metrics.MAX_JSD], LIMITS)
    return Section(
        "adversarial",
        "Adversarial",
        (
            Paragraph(QUESTION, Tone.QUESTION),
            Bullets.of(answer(report)),
            *figures(report),
            *([folded(report, table)] if report[metrics.MAX_JSD].n else []),
        ),
    )


def card(report: Report) -> Card:
    """The same at a glance."""
    ends = ("0%: the same", "100%: entirely different")
    return Card(
        id="adversarial",
        name="Adversarial",
        question=QUESTION,
        verdict=verdict(report),
        lines=in_short(report),
        picture=Shape(report[metrics.RELATIVE_JSD], ends, "difference that keeps the output"),
    )


def _common(report: Report) -> Distribution | None:
    """Share of an example's permutations within epsilon; None where not run."""
    return report.get(permutation_metrics.WITHIN_EPSILON)


def verdict(report: Report) -> str:
    """Whether the output singles the model's attention out."""
    relative = report[metrics.RELATIVE_JSD]
    if relative.mean is None:
        return NOT_MEASURED
    covered = claims.is_covered("adversarial", report)
    if claims.held("min", ENTIRELY, relative, is_covered=covered) is Outcome.PASS:
        return "Yes: almost entirely different attention gives the same output."
    match claims.held("min", LARGELY, relative, is_covered=covered):
        case Outcome.PASS:
            return "Largely: very different attention gives the same output."
        case Outcome.FAIL if report[metrics.N_GRADIENT].value:
            return "Not by much, as far as a search could find."
        case Outcome.FAIL:
            return "Not by much: the output ties attention down."
        case Outcome.INCONCLUSIVE:
            said = claims.percent_between(relative.mean, relative.interval)
            return claims.left_open("adversarial", report, relative.n, f"{said} different")


def in_short(report: Report) -> tuple[str, ...]:
    """How different attention could look, and how common that is, in short lines."""
    common = _common(report)
    if report[metrics.RELATIVE_JSD].mean is None:
        return ("no example could be measured",)
    first = f"could be {mean_percent(report[metrics.RELATIVE_JSD])} different with the same output"
    movable = mass_in_short(report[metrics.MASS])
    if common is None or common.mean is None:
        return (first, *movable)
    return (first, f"{mean_percent(common)} of random permutations keep it, too", *movable)


def answer(report: Report) -> tuple[str, ...]:
    """What the check found, in sentences."""
    jsd = report[metrics.MAX_JSD]
    if jsd.mean is None:
        return ("No example could be measured: see the degenerate examples.",)
    relative = mean_percent(report[metrics.RELATIVE_JSD])
    first = (
        f"Attention can be changed by a divergence of {mean(jsd)} on average while the output "
        f"stays within {report.settings.epsilon:g} ({counted(jsd.n, 'example')}; 0: the same "
        f"attention, {log(2):.2f}: nothing in common): {relative} of the most that each example "
        "allows."
    )
    return (
        first,
        _certainty(report),
        _how_common(_common(report)),
        CAVEAT,
        mass(report[metrics.MASS]),
    )


def _certainty(report: Report) -> str:
    if report[metrics.N_GRADIENT].value == 0:
        return "Each is the proven optimum: no search can find attention that differs more."
    searched = f"the best that a search found: more may exist{_limit(report)}"
    if report[metrics.N_EXACT].value == 0:
        return f"Each is {searched}."
    return (
        f"In {counted(int(report[metrics.N_EXACT].value), 'example')} it is the proven optimum, in "
        f"{counted(int(report[metrics.N_GRADIENT].value), 'example')} {searched}."
    )


def _limit(report: Report) -> str:
    """What no adversary can exceed, and for how many examples that is known."""
    bound = report.get(metrics.UPPER_BOUND)
    if bound is None or bound.mean is None:
        return ""
    known = f" in {count(bound.n)} examples where a limit is proven"
    where = known if bound.n < report[metrics.MAX_JSD].n else ""
    return f", but not beyond {mean(bound)} on average{where}"


def _how_common(common: Distribution | None) -> str:
    if common is None or common.mean is None:
        return "How common alternatives are was not measured: that takes the permutation check."
    return (
        f"How common alternatives are: {mean_percent(common)} of an example's random "
        "permutations keep the output that close as well."
    )


def figures(report: Report) -> Iterator[Figure]:
    """The divergence over all examples, and against the largest weight."""
    if report[metrics.MAX_JSD].n and report[metrics.MAX_JSD].histogram is not None:
        yield Histograms(
            name="jsd",
            title="How different attention could look",
            reading=(
                "How many examples allow which divergence: 0 is the model's own attention, ln 2 = "
                "0.69 attention on entirely other words. Mass at the right end means that the "
                "output does not single out the attention that was shown."
            ),
            panels=(Panel("All examples", report[metrics.MAX_JSD]),),
            axis=AXIS,
            counted="divergence",
            ticks=TICKS,
            mark=(log(2), "ln 2"),
        )
    joint = report[metrics.MAX_JSD].joint
    if joint is not None and any(map(any, joint.counts)):
        yield Joint(
            name="jsd_by_weight",
            title="Divergence against the largest weight",
            reading=(
                "The stronger a cell's shade, the more examples have that largest weight and that "
                "divergence. Examples to the right have one dominant word; those of them that lie "
                "high up would give the same output with attention elsewhere."
            ),
            counts=joint,
            axes=("largest weight", AXIS),
            counted=("largest weight", "divergence"),
        )
