"""Attended units: do those with most attention speak for the decision, and no others decide it?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from attn_audit.document import Sketch, Table
from attn_audit.findings import tolerance
from attn_audit.findings.check import (
    NOT_MEASURED,
    TARGET,
    CheckFindings,
    Numbers,
    Record,
    SiteNumber,
    TellingCriterion,
    confidence_table,
    group_table,
    naming_target,
)
from attn_audit.findings.example import ATTENTION, NOT_RUN, status_field
from attn_audit.findings.field import MARGIN, SHARE, Field, Kind, Place, Range, Shape
from attn_audit.findings.metric import GROUPINGS, UNIT_EDGES, MeanMetric, Metric, ShareMetric
from attn_audit.findings.rule import Outcome, held, is_covered, left_open
from attn_audit.findings.thresholds import FEW_AGAINST, FEW_UNATTENDED, MATTERS, SMALL_PART
from attn_audit.numbers import counted, mean_percent, percent, share
from attn_audit.statistics.summary import Share

if TYPE_CHECKING:
    from attn_audit.results.report import Report
    from attn_audit.results.table import Examples, Values

NOT_TOLD = f"{NOT_RUN}, or the text has one unit, no margin, or no attention on its units"

LOST = Field[tuple[float, ...] | None](
    "margin_lost",
    "Share of the margin that is lost without each unit; below 0: gained, since the unit speaks "
    "against what is explained",
    shape=Shape.UNITS, range=MARGIN, null=NOT_TOLD, page="for and against",
    claim="margins", tolerance=tolerance.MARGIN,
)  # fmt: skip
TOP_LOST = Field[float | None](
    "attended.top_lost", "Share of the margin that is lost without the most attended unit",
    place=Place.EVERYWHERE, range=MARGIN, null=NOT_TOLD, has_mean=False,
    page="margin lost without the most attended unit",
)  # fmt: skip
TOP_EFFECT = Field[float | None](
    "attended.top_effect",
    "How far leaving out the most attended unit moves the margin, as a part of the farthest that "
    "leaving out any unit does",
    place=Place.EVERYWHERE, range=SHARE, null=f"{NOT_TOLD}; or no unit moves it",
    page="effect of the most attended unit, of the largest",
)  # fmt: skip
TOP_IS_LARGEST = Field[float | None](
    "attended.top_is_largest",
    "Whether the most attended unit is the one whose removal matters most: 1 or 0",
    place=Place.EVERYWHERE, range=SHARE, null=f"{NOT_TOLD}; or no unit moves the margin",
)  # fmt: skip
TOP_IS_AGAINST = Field[float | None](
    "attended.top_is_against",
    "Whether the most attended unit speaks against what is explained, so that leaving it out "
    "raises the margin: 1 or 0",
    place=Place.EVERYWHERE, range=SHARE,
    null=f"{NOT_TOLD}; or its effect is less than 5 % of the largest",
)  # fmt: skip
AGAINST_ATTENTION = Field[float | None](
    "attended.against_attention",
    "Share of the attention that lies on units which speak against what is explained",
    place=Place.EVERYWHERE, range=SHARE, null=NOT_TOLD,
    page="attention on units that speak against",
)  # fmt: skip
N_UNATTENDED = Field[int | None](
    "attended.n_unattended",
    "How many units, the least attended first, have at most a tenth of the attention together",
    kind=Kind.COUNT, place=Place.EVERYWHERE, range=Range("units"), null=NOT_TOLD,
)  # fmt: skip
TURNED_WITHOUT = Field[float | None](
    "attended.turned_without_unattended",
    "Whether the decision is another, or none, without these, both when they are deleted and when "
    "a neutral unit takes their place: 1 or 0, of several labels a share",
    place=Place.EVERYWHERE, range=SHARE, null=NOT_TOLD, page="turned without its unattended units",
)  # fmt: skip
DECIDER = Field[str | None](
    "attended.decider",
    "Where the decision is another without the unattended units: the one of them without which, "
    "wherever it stands among them, the decision loses most",
    kind=Kind.TEXT, place=Place.EVERYWHERE, null=f"{NOT_TOLD}; or the decision stays",
)  # fmt: skip
STATUS = status_field("attended")

FIELDS: tuple[Field[object], ...] = (
    LOST, TOP_LOST, TOP_EFFECT, TOP_IS_LARGEST, TOP_IS_AGAINST, AGAINST_ATTENTION, N_UNATTENDED,
    TURNED_WITHOUT, DECIDER, STATUS,
)  # fmt: skip


def _is_small(examples: "Examples") -> "Values":
    effect = examples.numbers(TOP_EFFECT)
    return examples.where(examples.is_known(TOP_EFFECT), effect < SMALL_PART)


EFFECT = MeanMetric.over(
    TOP_EFFECT, UNIT_EDGES, is_coverage=True,
    groups=dict.fromkeys(GROUPINGS),
)  # fmt: skip
SMALL_EFFECT = ShareMetric(
    "attended.top_effect_small",
    "Texts in which leaving out the most attended unit moves the margin by less than a quarter of "
    "what leaving out another does",
    values=_is_small,
    is_by_confidence=True,
)
TOP_UNIT = ShareMetric(
    "attended.top_unit",
    "Texts in which the most attended unit is the one that matters most",
    values=TOP_IS_LARGEST,
)
POLARITY = ShareMetric(
    "attended.polarity",
    "Texts in which the most attended unit speaks against what is explained: without it the "
    "margin rises; of those in which its effect is at least 5 % of the largest",
    values=TOP_IS_AGAINST,
    is_by_confidence=True,
)
AGAINST = MeanMetric.over(AGAINST_ATTENTION, UNIT_EDGES)
UNATTENDED = ShareMetric(
    "attended.unattended_decide",
    "Texts whose decision is another, or none, without the units that have at most a tenth of the "
    "attention together, both deleted and replaced by a neutral unit",
    values=TURNED_WITHOUT,
    is_by_confidence=True,
)

METRICS: tuple[Metric, ...] = (EFFECT, SMALL_EFFECT, TOP_UNIT, POLARITY, AGAINST, UNATTENDED)


def deciders(examples: "Examples") -> list[tuple[str, int]]:
    """The unattended units that decide, by name, and in how many texts: the most frequent first."""
    found: Counter[str] = Counter()
    for unit, n in examples.counts(DECIDER).items():
        found[unit.casefold()] += n
    return found.most_common()


UNATTENDED_DECIDE = "unattended"
"""Why an example is told: they decide."""

HARDLY_ATTENDED = "words with hardly any attention"
"""Of all words of a text the least attended, which have a tenth of it together: in sentences."""


def _tables(report: "Report") -> tuple[Table, ...]:
    shares = confidence_table(
        report, below_a_quarter=SMALL_EFFECT, against_it=POLARITY, unattended_decide=UNATTENDED
    )
    return group_table("effect of the most attended word", report[EFFECT], (0.0, 1.0)), shares


def _verdict(report: "Report") -> str:
    """Whether decisions hang on what is hardly attended, and what is shown speaks for them."""
    unattended, polarity = report[UNATTENDED], report[POLARITY]
    if unattended.share is None:
        return NOT_MEASURED
    covered = is_covered("attended", report)
    match held("max", FEW_UNATTENDED, unattended, is_covered=covered):
        case Outcome.FAIL:
            return f"No: {HARDLY_ATTENDED} decide too many of the texts."
        case Outcome.INCONCLUSIVE:
            said = f"{HARDLY_ATTENDED} decide {share(unattended)}"
            return left_open("attended", report, unattended.n, said)
        case Outcome.PASS:
            return naming_target(_speaking(polarity), report.settings.explain_label)


def _speaking(polarity: Share) -> str:
    first = f"{HARDLY_ATTENDED} rarely decide"
    match held("max", FEW_AGAINST, polarity):
        case Outcome.PASS:
            return f"Yes: {first}, and the most attended word mostly speaks for {TARGET}."
        case Outcome.FAIL:
            return f"In part: {first}, but the most attended word often speaks against {TARGET}."
        case Outcome.INCONCLUSIVE:
            return f"In part: {first}; whether the most attended word speaks for {TARGET} is open."


def _in_short(report: "Report") -> tuple[str, ...]:
    return (
        f"the most attended word has {mean_percent(report[EFFECT])} of the largest effect",
        naming_target(
            f"it speaks against {TARGET} in {_of_texts(report)}", report.settings.explain_label
        ),
        f"{HARDLY_ATTENDED} decide {share(report[UNATTENDED])} of the texts",
    )


def _of_texts(report: "Report") -> str:
    """The share of texts in which it speaks against: of fewer than the others are, says of which.

    Where it does hardly anything its sign says nothing.
    """
    found = report[POLARITY]
    if found.n == report[EFFECT].n:
        return f"{share(found)} of the texts"
    return f"{share(found)} of the {counted(found.n, 'text')} in which it does anything"


def _line(record: Record) -> str | None:
    lost, effect = record.get(TOP_LOST.name), record.get(TOP_EFFECT.name)
    if lost is None or effect is None:
        return None
    does = "loses" if lost >= 0 else "gains"
    turned = record.get(TURNED_WITHOUT.name)
    ends = f"; the {HARDLY_ATTENDED} turn the decision" if turned else ""
    return f"without the most attended word the margin {does} {percent(min(abs(lost), 1.0))}{ends}"


def deciding_unattended(record: Record) -> tuple[tuple[float, ...], str] | None:
    """The units that decide without having attention, marked by 1, and what is so without them.

    None where they do not decide.
    """
    n, attention = record.get(N_UNATTENDED.name), record.get(ATTENTION.name)
    if not record.get(TURNED_WITHOUT.name) or n is None or attention is None:
        return None
    least = set(sorted(range(len(attention)), key=attention.__getitem__)[:n])
    have = percent(sum(attention[i] for i in least))
    of_them, unit = "", record.get(DECIDER.name)
    if unit is not None and n > 1:
        of_them = f" Of them “{unit}” counts most."
    these, take = ("this word", "its") if n == 1 else (f"these {n} words", "their")
    said = (
        f"{have} of the attention. Without {these} the decision is no longer this one, both when "
        f"deleted and when a neutral word takes {take} place.{of_them}"
    )
    return tuple(float(i in least) for i in range(len(attention))), said


N_NAMED = 3
"""Units of the largest effects that are named of a text."""


def for_and_against(
    units: Sequence[str], lost: Sequence[float], label: str | None = None, *, is_one: bool = True
) -> str:
    """Which units of a text speak for it, and which against it, by share of the margin.

    Args:
        label: That is explained, whatever is predicted; None: what is predicted.
        is_one: Whether that is one label, which is no longer predicted where all is lost.

    Example:
        >>> for_and_against(["a", "fine", "film"], [0.01, 1.2, -0.3])
        'For it: “fine” (without it the decision turns). Against it: “film” 30% of the margin.'
        >>> for_and_against(["a", "film"], [0.01, -0.02])
        'No word matters here: without any one of them the margin moves by less than 5%.'
    """
    order = sorted(range(len(lost)), key=lambda i: -abs(lost[i]))
    sides = {
        "For": [i for i in order if lost[i] >= MATTERS],
        "Against": [i for i in order if lost[i] <= -MATTERS],
    }
    if not any(sides.values()):
        return (
            "No word matters here: without any one of them the margin moves by less than "
            f"{percent(MATTERS, 0)}."
        )
    it = "it" if label is None else f"“{label}”"
    turns = label is None and is_one
    return " ".join(
        f"{side} {it}: {', '.join(_parts(units, lost, found[:N_NAMED], turns=turns))}."
        for side, found in sides.items()
        if found
    )


def _parts(
    units: Sequence[str], lost: Sequence[float], found: Sequence[int], *, turns: bool
) -> Iterator[str]:
    """What each is of the margin; the first share says that it is."""
    of_what = " of the margin"
    for i in found:
        if lost[i] > 1 and turns:
            yield f"“{units[i]}” (without it the decision turns)"
            continue
        share = percent(abs(lost[i])) if abs(lost[i]) <= 1 else f"more than {percent(1.0)}"
        yield f"“{units[i]}” {share}{of_what}"
        of_what = ""


def _answer(report: "Report") -> tuple[str, ...]:
    effect = report[EFFECT]
    return (
        f"Leaving out the most attended word of a text has {mean_percent(effect)} of the effect of "
        f"leaving out the word that matters most ({counted(effect.n, 'example')}); in "
        f"{share(report[SMALL_EFFECT])} of the texts it is less than a quarter. It is that very "
        f"word in {share(report[TOP_UNIT])}.",
        naming_target(
            f"In {_of_texts(report)} the most attended word speaks against {TARGET}: without it "
            "the model is surer. ",
            report.settings.explain_label,
        )
        + f"Of all attention {mean_percent(report[AGAINST])} lies on words that speak against.",
        f"{share(report[UNATTENDED])} of the decisions are others without the words that have at "
        "most a tenth of the attention together, both when they are deleted and when a neutral "
        "word takes their place.",
    )


def _speaks_against(numbers: Numbers) -> "Values":
    """The most attended word has much attention, and speaks against the prediction."""
    import numpy as np

    return np.where(numbers(TOP_IS_AGAINST) > 0, -numbers(TOP_LOST), np.nan)


def _decides_unattended(numbers: Numbers) -> "Values":
    """Words with hardly any attention decide."""
    import numpy as np

    turned = numbers(TURNED_WITHOUT)
    return np.where(turned > 0, turned, np.nan)


FINDINGS = CheckFindings(
    "attended", "Attended words",
    f"Do the words with most attention speak for {TARGET}, and the others not decide it?",
    FIELDS, METRICS, verdict=_verdict, in_short=_in_short, answer=_answer, line=_line,
    is_measured=lambda report: report[EFFECT].n > 0, tables=_tables,
    picture=lambda report: Sketch(
        report[EFFECT], ("0: no effect", "1"), "effect of the most attended word"
    ),
    at_sites=(
        SiteNumber(
            TOP_EFFECT.name, "effect of the most attended word", "top effect",
            "attends most to the word that matters most",
        ),
    ),
    telling=(
        TellingCriterion(
            UNATTENDED_DECIDE, "Words with hardly any attention decide", _decides_unattended,
            f"where {HARDLY_ATTENDED} decide", UNATTENDED.name,
        ),
        TellingCriterion(
            "against", f"The most attended word speaks against {TARGET}", _speaks_against,
            f"where the most attended word speaks against {TARGET}", POLARITY.name,
        ),
    ),
)  # fmt: skip
