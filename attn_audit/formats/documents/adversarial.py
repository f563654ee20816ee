"""The adversarial check: how different attention could look, and how common that is."""

from collections.abc import Iterator
from math import log

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
from attn_audit.results.summary import AdversarialSummary, Distribution
from attn_audit.results.thresholds import ENTIRELY, LARGELY
from attn_audit.results.verdict import Outcome

QUESTION = "Could attention look entirely different without changing the prediction?"

CAVEAT = (
    "That other attention gives the same output does not make the model's own attention wrong: "
    "it shows that the output does not single it out."
)

LIMITS = (0.0, log(2))
TICKS = (*(i / 10 for i in range(7)), log(2))
AXIS = "largest divergence found (epsilon-max JSD, nats)"


def section(report: Report, summary: AdversarialSummary) -> Section:
    """Question, answer, figures, and the numbers in tables."""
    table = group_table("divergence", summary, LIMITS)
    return Section(
        "adversarial",
        "Adversarial",
        (
            Paragraph(QUESTION, Tone.QUESTION),
            Bullets.of(answer(summary, report.settings.epsilon, _common(report))),
            *figures(summary),
            *([folded(report, table)] if summary.max_jsd.n else []),
        ),
    )


def card(report: Report, summary: AdversarialSummary) -> Card:
    """The same at a glance."""
    ends = ("0%: the same", "100%: entirely different")
    return Card(
        id="adversarial",
        name="Adversarial",
        question=QUESTION,
        verdict=verdict(report, summary),
        lines=in_short(summary, _common(report)),
        picture=Shape(summary.relative_jsd, ends, "difference that keeps the output"),
    )


def _common(report: Report) -> Distribution | None:
    """Share of an example's permutations within epsilon; None where not run."""
    shuffled = report.checks.permutation
    return None if shuffled is None else shuffled.within_epsilon


def verdict(report: Report, summary: AdversarialSummary) -> str:
    """Whether the output singles the model's attention out."""
    relative = summary.relative_jsd
    if relative.mean is None:
        return NOT_MEASURED
    covered = claims.is_covered("adversarial", report)
    if claims.held("min", ENTIRELY, relative, is_covered=covered) is Outcome.PASS:
        return "Yes: almost entirely different attention gives the same output."
    match claims.held("min", LARGELY, relative, is_covered=covered):
        case Outcome.PASS:
            return "Largely: very different attention gives the same output."
        case Outcome.FAIL if summary.n_gradient:
            return "Not by much, as far as a search could find."
        case Outcome.FAIL:
            return "Not by much: the output ties attention down."
        case Outcome.INCONCLUSIVE:
            said = claims.percent_between(relative.mean, relative.interval)
            return claims.left_open("adversarial", report, relative.n, f"{said} different")


def in_short(summary: AdversarialSummary, common: Distribution | None) -> tuple[str, ...]:
    """How different attention could look, and how common that is, in short lines."""
    if summary.relative_jsd.mean is None:
        return ("no example could be measured",)
    first = f"could be {mean_percent(summary.relative_jsd)} different with the same output"
    movable = mass_in_short(summary.audited_mass)
    if common is None or common.mean is None:
        return (first, *movable)
    return (first, f"{mean_percent(common)} of random permutations keep it, too", *movable)


def answer(
    summary: AdversarialSummary, epsilon: float, common: Distribution | None
) -> tuple[str, ...]:
    """What the check found, in sentences."""
    if summary.max_jsd.mean is None:
        return ("No example could be measured: see the degenerate examples.",)
    first = (
        f"Attention can be changed by a divergence of {mean(summary.max_jsd)} on average while the "
        f"output stays within {epsilon:g} ({counted(summary.max_jsd.n, 'example')}; 0: the same "
        f"attention, {log(2):.2f}: nothing in common): {mean_percent(summary.relative_jsd)} of "
        "the most that each example allows."
    )
    return (
        first,
        _certainty(summary),
        _how_common(common),
        CAVEAT,
        mass(summary.audited_mass),
    )


def _certainty(summary: AdversarialSummary) -> str:
    if summary.n_gradient == 0:
        return "Each is the proven optimum: no search can find attention that differs more."
    searched = f"the best that a search found: more may exist{_limit(summary)}"
    if summary.n_exact == 0:
        return f"Each is {searched}."
    return (
        f"In {counted(summary.n_exact, 'example')} it is the proven optimum, in "
        f"{counted(summary.n_gradient, 'example')} {searched}."
    )


def _limit(summary: AdversarialSummary) -> str:
    """What no adversary can exceed, and for how many examples that is known."""
    bound = summary.upper_bound
    if bound is None or bound.mean is None:
        return ""
    known = f" in {count(bound.n)} examples where a limit is proven"
    where = known if bound.n < summary.max_jsd.n else ""
    return f", but not beyond {mean(bound)} on average{where}"


def _how_common(common: Distribution | None) -> str:
    if common is None or common.mean is None:
        return "How common alternatives are was not measured: that takes the permutation check."
    return (
        f"How common alternatives are: {mean_percent(common)} of an example's random "
        "permutations keep the output that close as well."
    )


def figures(summary: AdversarialSummary) -> Iterator[Figure]:
    """The divergence over all examples, and against the largest weight."""
    if summary.max_jsd.n and summary.max_jsd.histogram is not None:
        yield Histograms(
            name="jsd",
            title="How different attention could look",
            reading=(
                "How many examples allow which divergence: 0 is the model's own attention, ln 2 = "
                "0.69 attention on entirely other words. Mass at the right end means that the "
                "output does not single out the attention that was shown."
            ),
            panels=(Panel("All examples", summary.max_jsd),),
            axis=AXIS,
            counted="divergence",
            ticks=TICKS,
            mark=(log(2), "ln 2"),
        )
    joint = summary.jsd_by_max_attention
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
