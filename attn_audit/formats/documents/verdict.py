"""A verdict: what each bound of a policy asks for, what was found, and what becomes of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from functools import partial

from attn_audit.document import (
    Block,
    Bullets,
    Cell,
    Conclusion,
    Details,
    Document,
    Facts,
    Hue,
    Notice,
    Paragraph,
    Phrase,
    Points,
    Section,
    Table,
    Tone,
)
from attn_audit.findings.metric import Statistic
from attn_audit.findings.registry import statistics
from attn_audit.findings.rule import WANTED, Outcome
from attn_audit.numbers import count, counted, exact, number, percent, short, with_interval
from attn_audit.results.verdict import Answer, Judgement, LabelAnswer, Level, MayShow, Verdict
from attn_audit.statistics.summary import Interval

MOST_DECIMALS = 6

QUESTION = "May its attention weights be shown as the reason?"
"""Of its predictions, or of the label that the report explains: a verdict does not know."""


class Standing(StrEnum):
    """What became of a bound, its level and any waiver taken together; the worst first."""

    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    WARNING = "warning"
    """It did not pass, and only warns."""
    WAIVED = "waived"
    """It did not pass, and there is leave not to."""
    PASSED = "passed"


MARKS = {
    Standing.FAILED: ("✗", Tone.BAD),
    Standing.INCONCLUSIVE: ("?", Tone.OPEN),
    Standing.WARNING: ("!", Tone.WARNING),
    Standing.WAIVED: ("–", Tone.WARNING),
    Standing.PASSED: ("✓", Tone.GOOD),
}
"""Told apart without colour."""

OUTCOMES = {
    Outcome.PASS: Standing.PASSED,
    Outcome.FAIL: Standing.FAILED,
    Outcome.INCONCLUSIVE: Standing.INCONCLUSIVE,
}


def document(verdict: Verdict) -> Document:
    """A verdict by itself."""
    mark, tone = MARKS[OUTCOMES[verdict.outcome]]
    gate = Phrase(f"{mark} {whole(verdict)}", tone)
    said = () if verdict.answer is None else (Paragraph(gate.text, gate.tone),)
    return Document(
        kind="Gate",
        title=verdict.subject or "a report",
        subject="",
        facts=_policy(verdict),
        outcome=outcome(verdict),
        question="" if verdict.answer is None else QUESTION,
        answer=Conclusion(gate) if verdict.answer is None else answered(verdict.answer, verdict),
        sections=(Section("bounds", "Bounds", (*said, *blocks(verdict))),),
    )


def notice(verdict: Verdict, *, is_told: bool = False) -> Notice:
    """The same within another document.

    Args:
        is_told: Whether that says elsewhere what became of each bound.
    """
    mark, tone = MARKS[OUTCOMES[verdict.outcome]]
    each = () if is_told else blocks(verdict)
    return Notice(tone, mark, whole(verdict), (_policy(verdict), *each))


def outcome(verdict: Verdict) -> Phrase:
    """The whole in a word: `✗ fail`."""
    mark, tone = MARKS[OUTCOMES[verdict.outcome]]
    return Phrase(f"{mark} {verdict.outcome}", tone)


def _policy(verdict: Verdict) -> Facts:
    return Facts((("Policy", f"{verdict.policy} (sha256 {short(verdict.policy_sha256)})"),))


def blocks(verdict: Verdict, *, explains_all: bool = False) -> Iterator[Block]:
    """What did not pass and counts first; then what is forgiven, and what passed.

    Args:
        explains_all: Whether what is forgiven is explained where nothing can be folded away, too.
    """
    order, is_of_rules = list(Standing), verdict.is_of_rules
    # Changes of shares are points, not shares.
    in_percent = is_of_rules or verdict.answer is not None
    judged = sorted(verdict.judgements, key=lambda judgement: order.index(standing(judgement)))
    broken = [j for j in judged if j.outcome is not Outcome.PASS]
    decisive = [j for j in broken if j.counts is not Outcome.PASS]
    forgiven = [j for j in broken if j.counts is Outcome.PASS]
    passed = [j for j in judged if j.outcome is Outcome.PASS]
    if decisive:
        yield _table(decisive, in_percent=in_percent)
        yield Details(WHY, tuple(map(_reasons, decisive)))
    if forgiven:
        title = f"{_numbers(forgiven)}: {_meaning(forgiven, is_of_rules=is_of_rules)}."
        leave = tuple(f"{name(j)}: waived {_leave(j)}" for j in forgiven if j.waiver is not None)
        yield from (Paragraph(title), _table(forgiven, in_percent=in_percent))
        yield from [Bullets.of(leave)] if leave else ()
        yield Details(WHY, tuple(map(_reasons, forgiven)), is_left_out=not explains_all)
    if passed:
        table = _table(passed, in_percent=in_percent)
        yield Details(f"{len(passed)} that passed", (table,))


def _meaning(forgiven: Sequence[Judgement], *, is_of_rules: bool) -> str:
    """What it does that these did not pass: hints of the packaged rules limit the answer."""
    they, them = ("it", "it") if len(forgiven) == 1 else ("they", "them")
    hints = dict.fromkeys(name(j) for j in forgiven if is_of_rules and j.level is Level.HINT)
    if not hints:
        return f"{they} did not pass, and nothing fails by {them}"
    by = " and ".join(hints)
    return f"{they} did not pass, and by {by} the answer is “{MayShow.HINT.words}” at most"


WHY = "Why, and where to look"

ELSE = {
    Level.FAIL: "",
    Level.NO: ", else No",
    Level.HINT: ", else a hint",
    Level.WARN: "",
    Level.NOTE: ", else a note",
}
"""What becomes of the answer where a rule does not hold, behind what it asks for."""


def _table(judgements: Sequence[Judgement], *, in_percent: bool) -> Table:
    columns = ("bound on", "must be", "found", "n", "outcome")
    first = {judgement.metric: judgement for judgement in reversed(judgements)}
    rows = (_row(j, in_percent, is_defined=first[j.metric] is j) for j in judgements)
    return Table(columns, tuple(rows), n_text=len(columns))


def _row(
    judgement: Judgement, in_percent: bool, *, is_defined: bool
) -> tuple[Phrase, str, str, str, Phrase]:
    mark, tone = MARKS[standing(judgement)]
    n, is_required = judgement.n, judgement.metric not in statistics()
    # Of a warning its mark says it, above a line that does.
    is_warning = standing(judgement) is Standing.WARNING
    outcome = judgement.outcome if is_warning else came_out(judgement)
    return (
        Phrase(name(judgement), Tone.CODE, judgement.definition if is_defined else ""),
        f"{wanted(judgement, in_percent=in_percent)}{'' if is_required else ELSE[judgement.level]}",
        found(judgement, in_percent=in_percent),
        "" if n is None or judgement.estimate is None else count(n),
        Phrase(f"{mark} {outcome}", tone),
    )


def _reasons(judgement: Judgement) -> Facts:
    mark, tone = MARKS[standing(judgement)]
    parts = (
        ("is", judgement.definition),
        ("found", judgement.reason),
        ("look at", judgement.look_at),
        ("why", judgement.why),
    )
    told = tuple((heading, text) for heading, text in parts if text)
    return Facts(told, Phrase(f"{mark} {name(judgement)}", tone))


def name(judgement: Judgement) -> str:
    """The metric or requirement; coverage is of a check."""
    is_of_check = judgement.metric == "min_coverage"
    return f"{judgement.metric} ({judgement.check})" if is_of_check else judgement.metric


def found(judgement: Judgement, *, in_percent: bool = False) -> str:
    """The number and its interval, in digits that show on which side of the limit they lie.

    Args:
        in_percent: Whether shares are written as people read them, of a report and of no change.
    """
    estimate, interval = judgement.estimate, judgement.interval
    if estimate is None:
        return "not measured"
    if _is_count(judgement):
        return count(round(estimate))
    is_share = in_percent and judgement.is_share
    return with_interval(estimate, interval, _written(judgement, is_share=is_share))


def wanted(judgement: Judgement, *, in_percent: bool = False) -> str:
    """The limit and its side."""
    side = WANTED[judgement.direction]
    if _is_count(judgement):
        return f"{side} {count(round(judgement.limit))}"
    return f"{side} {exact(judgement.limit, is_share=in_percent and judgement.is_share)}"


def _is_count(judgement: Judgement) -> bool:
    return judgement.metric == "min_examples" or ".n_" in judgement.metric


def _written(judgement: Judgement, *, is_share: bool) -> Callable[[float], str]:
    """As few digits as keep all on their side of the limit, and of 1: most is not all."""
    interval, limit = judgement.interval, judgement.limit
    values = [judgement.estimate, *((interval.low, interval.high) if interval else ())]
    known = [value for value in values if value is not None]
    whole = 100 if is_share else 1
    ways: list[Callable[[float], str]] = (
        [percent, *(partial(percent, decimals=n) for n in range(1, MOST_DECIMALS - 2))]
        if is_share
        else [partial(number, decimals=n) for n in range(2, MOST_DECIMALS)]
    )
    for write in ways:
        if all(
            _side(value, border)
            == _side(float(write(value).strip("<>%")), round(whole * border, 9))
            for value in known
            for border in (limit, 1.0)
        ):
            return write
    return ways[-1]


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


def standing(judgement: Judgement) -> Standing:
    """What became of a bound."""
    if judgement.outcome is Outcome.PASS:
        return Standing.PASSED
    if judgement.waiver is not None:
        return Standing.WAIVED
    if not judgement.level.decides:
        return Standing.WARNING
    return Standing.FAILED if judgement.outcome is Outcome.FAIL else Standing.INCONCLUSIVE


def came_out(judgement: Judgement) -> str:
    """The outcome, and what is made of it: `fail`, `fail (warning)`, `inconclusive (waived)`."""
    kind = standing(judgement)
    is_forgiven = kind in (Standing.WARNING, Standing.WAIVED)
    return f"{judgement.outcome} ({kind})" if is_forgiven else judgement.outcome


def in_short(verdict: Verdict) -> str:
    """How many bounds there are, and how many of them became what."""
    bounds = counted(len(verdict.judgements), "bound")
    return f"{bounds}: {_numbers(verdict.judgements)}" if verdict.judgements else "no bounds"


def _numbers(judgements: Sequence[Judgement]) -> str:
    numbers = Counter(map(standing, judgements))
    return ", ".join(
        counted(n, kind) if kind is Standing.WARNING else f"{count(n)} {kind}"
        for kind in Standing
        if (n := numbers[kind])
    )


def whole(verdict: Verdict) -> str:
    """The outcome and what it comes from, in one sentence."""
    is_open = verdict.outcome is Outcome.INCONCLUSIVE
    said = f"{'is ' if is_open else ''}{OUTCOMES[verdict.outcome]}"
    return f"The gate {said} ({in_short(verdict)})."


def explained(judgement: Judgement) -> str:
    """Why a bound came out so, what to look at, and by whose leave it may be broken."""
    leave = _leave(judgement)
    said = (judgement.reason, judgement.look_at, leave and f"Waived {leave}")
    return " ".join(filter(None, said))


def _leave(judgement: Judgement) -> str:
    waiver = judgement.waiver
    return "" if waiver is None else f"until {waiver.expires}: {waiver.reason}"


DECIDING = "What decided, and its limit"
NOT_ASKED = "not asked yet; `attn-audit recommend MODEL DATA` says whether another measure may be."

ANSWER_MARKS = {
    MayShow.YES: ("✓", Tone.GOOD),
    MayShow.HINT: ("!", Tone.WARNING),
    MayShow.NO: ("✗", Tone.BAD),
    MayShow.UNKNOWN: ("?", Tone.OPEN),
}
"""Told apart without colour."""

AGREES = {
    MayShow.YES: (Outcome.PASS,),
    MayShow.HINT: (Outcome.PASS,),
    MayShow.NO: (Outcome.FAIL,),
    MayShow.UNKNOWN: (Outcome.INCONCLUSIVE, Outcome.FAIL),
}
"""Outcomes of a gate that say nothing else."""


def answered(answer: Answer, judged: Verdict | None = None) -> Conclusion:
    """The verdict, why, what to show, and what reconciles it with a gate that says otherwise."""
    mark, tone = ANSWER_MARKS[answer.verdict]
    said = [Paragraph(answer.sentence)]
    if answer.instead:
        said.append(_instead(answer))
    elif answer.verdict is not MayShow.YES:
        said.append(Paragraph(NOT_ASKED, Tone.FAINT, "Show instead"))
    if judged is not None and judged.outcome not in AGREES[answer.verdict]:
        said.append(
            Paragraph(
                f"The policy {judged.policy} {OUTCOMES[judged.outcome]}: it asks for other "
                "things, and changes nothing here."
            )
        )
    return Conclusion(Phrase(f"{mark} {answer.words}", tone), tuple(said))


def _instead(answer: Answer) -> Paragraph:
    """The sentence labelled by itself where it begins with what to show."""
    what, colon, why = answer.instead.partition(": ")
    if answer.show_instead is not None and colon:
        return Paragraph(why, label=what)
    return Paragraph(answer.instead, label="Show instead")


PARTS = (0.05, 0.1, 0.2, 0.5)
"""Of a scale from 0, where all that stands on it lies within: on a whole one 2 % hides 5 %."""


def deciding_numbers(answer: Answer, check: str) -> Points | None:
    """The numbers of a check that decided, each above its limits."""
    rows: list[tuple[str, float, Interval | None, Hue]] = []
    known: list[Statistic] = []
    for judgement in answer.judgements:
        is_deciding = judgement.metric in answer.because and judgement.check == check
        if not is_deciding or judgement.estimate is None or judgement.metric not in statistics():
            continue
        of = statistics()[judgement.metric]
        found = (of.metric.label, judgement.estimate, judgement.interval, Hue.GRADIENT)
        if found not in rows:  # two rules may ask for one number
            rows.append(found)
        rows.append((wanted(judgement, in_percent=True), judgement.limit, None, Hue.YARDSTICK))
        known.append(of)
    if not rows:
        return None
    low, high = min(of.low for of in known), max(of.high for of in known)
    if low == 0:
        most = max(value if at is None else max(value, at.high) for _, value, at, _ in rows)
        high *= next((part for part in PARTS if most <= part * high), 1)
    is_share = all(of.is_share for of in known)
    ends = exact(low, is_share=is_share), exact(high, is_share=is_share)
    return Points(tuple(rows), (low, high), ends, DECIDING)


def answer_section(answer: Answer) -> Section:
    """Every rule: what it asks, what was found, and why it is asked."""
    held = Verdict(policy="", policy_sha256="", judgements=answer.judgements, is_of_rules=True)
    note = (
        f"Packaged rules, version {answer.rules}: one with “else No” that is violated answers No, "
        "one that is open leaves it untold; one with “else a hint” that does not pass makes it a "
        "hint. No policy and no waiver changes them."
    )
    shown = (*blocks(held, explains_all=True), Paragraph(note, Tone.FAINT))
    return Section("answer", "Why this answer", shown)


LABELS_NOTE = (
    "Each label was explained in turn, whatever is predicted, by the same checks at the same "
    "attention; everything else on this page is of the prediction. texts: those behind the number "
    "that decided."
)


def labels_section(labels: tuple[LabelAnswer, ...]) -> Section:
    """Each label, whatever is predicted: what the rules answer of it, and what it means."""
    columns = ("label", "answer", "decided by", "found", "texts")
    sentences = tuple((each.label, each.answer.said) for each in labels)
    blocks: tuple[Block, ...] = (
        Table(columns, tuple(map(_of_label, labels)), note=LABELS_NOTE, n_text=4),
        Details("What that means, label by label", (Facts(sentences),)),
    )
    return Section("labels", "Each label", blocks)


def _of_label(each: LabelAnswer) -> tuple[Cell, ...]:
    mark, tone = ANSWER_MARKS[each.answer.verdict]
    decided = each.decided
    return (
        each.label,
        Phrase(f"{mark} {each.answer.verdict.words}", tone),
        Phrase(name(decided), Tone.CODE, decided.definition),
        found(decided, in_percent=True),
        "" if decided.n is None else count(decided.n),
    )
