"""A comparison of two reports: every number in both, and which examples changed most."""

from collections.abc import Iterator, Sequence

from attn_audit.document import (
    Block,
    Cell,
    Conclusion,
    Definitions,
    Details,
    Document,
    Facts,
    Paragraph,
    Phrase,
    Section,
    SignedEstimate,
    Table,
    Tone,
)
from attn_audit.findings import performance
from attn_audit.findings.field import SHARE
from attn_audit.findings.metric import ShareMetric
from attn_audit.findings.registry import metrics
from attn_audit.findings.rule import Outcome
from attn_audit.formats.documents import verdict
from attn_audit.formats.documents.sites import site_numbers
from attn_audit.judgement.gate import MAX_NAMED
from attn_audit.judgement.policy import is_better
from attn_audit.numbers import count, counted, difference, number, short
from attn_audit.results.verdict import Change, Comparison, Verdict

QUESTION = "Did the new release get worse?"

DECIMALS = 3
"""Of numbers and changes; what these do not show is no change."""

N_SHOWN = 3
"""Most changed examples of each telling number."""

NOTE = (
    "change: new minus base, over the examples that have the number in both reports, with its 95% "
    "interval; better or worse as the packaged rules read the number. Pictures of shares are on "
    "one scale, each other one on its own. d_z: the mean change over the standard deviation of "
    "the examples' changes (0.2 small, 0.5 medium, 0.8 large)."
)


def document(comparison: Comparison) -> Document:
    """What changed beyond chance first, then the rest."""
    judged = comparison.verdict
    notices = () if judged is None else (verdict.notice(judged),)
    examples = tuple(_examples(comparison))
    said = (comparison.happened, comparison.recommended)
    happened = (Paragraph(each, Tone.STRONG) for each in said if each is not None)
    changes = (*happened, *notices, *_changes(comparison.changes))
    return Document(
        kind="Comparison",
        title=comparison.new.model,
        subject=f"against {comparison.base.model}",
        facts=Facts(tuple(compared(comparison))),
        question=QUESTION,
        answer=_answer(comparison),
        outcome=None if judged is None else verdict.outcome(judged),
        sections=(
            Section("changes", "Changes", changes),
            *([Section("examples", "Examples that changed most", examples)] if examples else []),
        ),
    )


def _answer(comparison: Comparison) -> Conclusion:
    """Whether it got worse, by a policy or by the packaged rules' numbers, and how much changed."""
    judged, brief = comparison.verdict, Paragraph(in_short(comparison))
    if judged is not None:
        word, why = _judged(judged)
        tone = verdict.outcome(judged).tone
        return Conclusion(
            Phrase(word, tone), (Paragraph(why), brief, Paragraph(verdict.whole(judged)))
        )
    worse = [c.metric for c in comparison.changes if _is_change(c) and is_better(c) is False]
    why = (
        f"Worse by more than chance would: {_named(worse)}."
        if worse
        else "No number that the packaged rules read is worse by more than chance would; whether "
        "none is by much, `--policy no-worse` says."
    )
    word = "Yes" if worse else "Not measurably"
    return Conclusion(Phrase(word, Tone.STRONG), (Paragraph(why), brief))


def _judged(judged: Verdict) -> tuple[str, str]:
    """What a policy answers, and by which of its bounds."""
    named = _named([j.metric for j in judged.judgements if j.counts is judged.outcome])
    match judged.outcome:
        case Outcome.PASS:
            return "No", f"Every change is within what the policy {judged.policy} allows."
        case Outcome.FAIL:
            return "Yes", f"More than the policy {judged.policy} allows: {named}."
        case Outcome.INCONCLUSIVE:
            said = f"These examples do not decide what the policy {judged.policy} allows"
            return "Open", f"{said}: {named}."


def _named(names: Sequence[str]) -> str:
    each = list(dict.fromkeys(names))
    more = f" and {len(each) - MAX_NAMED} more" if len(each) > MAX_NAMED else ""
    return f"{', '.join(each[:MAX_NAMED])}{more}"


def _is_change(change: Change) -> bool:
    """Whether it is beyond chance, and is seen in the digits that are shown."""
    return change.is_beyond_chance and round(change.difference, DECIMALS) != 0


def _changes(changes: Sequence[Change]) -> Iterator[Block]:
    changed = [change for change in changes if _is_change(change)]
    rest = [change for change in changes if not _is_change(change)]
    if changed:
        yield _table(changed, "What changed")
    if rest:
        yield Details("What did not change", (_table(rest, ""),))
    if changes:
        yield Paragraph(NOTE, Tone.FAINT)


def _table(changes: Sequence[Change], title: str) -> Table:
    columns = ("number", "base", "new", "change", "less|more", "d_z", "n")
    shares = {metric.name for metric in metrics() if metric.range == SHARE}
    of_shares = max((_reach(change) for change in changes if change.metric in shares), default=0.0)
    rows = (_row(c, of_shares if c.metric in shares else _reach(c)) for c in changes)
    return Table(columns, tuple(rows), title)


def _reach(change: Change) -> float:
    """How far from 0 a change and its interval lie."""
    interval = change.interval
    ends = () if interval is None else (abs(interval.low), abs(interval.high))
    return max(abs(change.difference), *ends, 1e-12)


def _row(change: Change, reach: float) -> tuple[Cell, ...]:
    return (
        Phrase(change.metric, Tone.CODE, change.definition),
        number(change.base, DECIMALS),
        number(change.new, DECIMALS),
        _changed(change),
        SignedEstimate(change.difference, change.interval, reach),
        "" if change.effect_size is None else difference(change.effect_size, None, 2),
        "" if change.n is None else count(change.n),
    )


def _changed(change: Change) -> Cell:
    """By how much, and whether that is better or worse, where it is known what is wanted."""
    written = difference(change.difference, change.interval, DECIMALS)
    if not _is_change(change):
        return written
    said, better = f"{'▲' if change.difference > 0 else '▼'} {written}", is_better(change)
    if better is None:
        return Phrase(said, Tone.STRONG)
    word, tone = ("better", Tone.GOOD) if better else ("worse", Tone.BAD)
    return Phrase(f"{said} {word}", tone)


def _examples(comparison: Comparison) -> Iterator[Block]:
    """Of right and wrong answers, and of each number that sites are compared by."""
    of = {performance.ACCURACY.name, *(number.field for number in site_numbers())}
    for change in comparison.changes:
        if change.metric in of and change.most_changed:
            whole = "" if change.n is None else f" of {count(change.n)}"
            shown = change.most_changed[:N_SHOWN]
            yield Paragraph(f"{change.metric}: {len(shown)}{whole}", Tone.STRONG)
            yield Definitions(
                tuple(
                    (
                        Phrase(f"{example.id}: {value(change.metric, example.base)} → "
                               f"{value(change.metric, example.new)}"),
                        example.text or "",
                    )
                    for example in shown
                )
            )  # fmt: skip


def compared(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """What was compared: headings and what belongs to them."""
    base, new = comparison.base, comparison.new
    yield "Base", f"{base.model} (sha256 {short(base.model_sha256)}), {base.report}"
    yield "New", f"{new.model} (sha256 {short(new.model_sha256)}), {new.report}"
    n_pairs = comparison.n_pairs
    matched = "" if n_pairs is None else f", {count(n_pairs)} matched by id"
    if base.data == new.data and base.n_examples == new.n_examples:
        yield "Data", f"{new.data}: {counted(new.n_examples, 'example')}{matched}"
    else:
        sides = ((side.data, counted(side.n_examples, "example")) for side in (base, new))
        yield "Data", " and ".join(f"{data}: {n}" for data, n in sides)
    if comparison.why_unpaired is not None:
        yield "Unpaired", comparison.why_unpaired
    if comparison.notes:
        yield "Differing", "; ".join(comparison.notes)


def in_short(comparison: Comparison) -> str:
    """How many numbers changed by more than their interval, in one sentence."""
    n_changed = sum(map(_is_change, comparison.changes))
    whole = counted(len(comparison.changes), "number")
    if not comparison.changes:
        return "The reports hold no number in common."
    if n_changed == 0:
        return f"Of {whole} none changed by more than chance or rounding would."
    verb, whose = ("has", "its interval does") if n_changed == 1 else ("have", "their intervals do")
    return f"Of {whole} {count(n_changed)} {verb} changed: {whose} not include 0."


def value(metric: str, of_example: float) -> str:
    """An example's number; of shares, whether it has the property.

    Example:
        >>> value("performance.accuracy", 1.0), value("permutation.distance", 0.213)
        ('right', '0.21')
    """
    if metric == performance.ACCURACY.name:
        return "right" if of_example else "wrong"
    if any(isinstance(of, ShareMetric) and of.name == metric for of in metrics()):
        return "yes" if of_example else "no"
    return number(of_example)
