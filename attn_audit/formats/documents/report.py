"""The report of an audit as a document: the answers first, how it was made last."""

from collections.abc import Iterator
from dataclasses import replace

from attn_audit.document import (
    Block,
    Card,
    Cell,
    Conclusion,
    Document,
    Facts,
    Figure,
    Folded,
    Glance,
    Paragraph,
    Section,
    Table,
)
from attn_audit.findings.check import TARGET, CheckFindings, naming_target
from attn_audit.findings.performance import ACCURACY
from attn_audit.findings.registry import checks
from attn_audit.formats.documents import (
    definitions,
    example,
    leverage,
    performance,
    recommendation,
    sites,
    verdict,
)
from attn_audit.formats.documents.provenance import audited, made_with, target
from attn_audit.numbers import count, counted
from attn_audit.results.model_description import Leverage
from attn_audit.results.report import Report
from attn_audit.results.verdict import Recommendation, Verdict

QUESTION = "May its attention weights be shown as the reason for its predictions?"

NOTE = (
    "[low, high]: 95% interval over the examples; tau 1: the same order, 0: unrelated, -1: "
    "reversed.",
    "Agreement with other measures is not by itself faithfulness, and that other attention gives "
    "the same output does not make the model's own wrong.",
)
"""Before and after what is said of the target."""


def document(report: Report, judged: Verdict | None = None) -> Document:
    """Everything that is said of an audit, and what a policy says of it, where one was named."""
    data, examples = report.data, example.section(report)
    return Document(
        kind="Attention audit",
        title=report.model.source,
        subject=f"{report.model.architecture}, on {counted(data.n_examples, 'example')} of "
        f"{data.name}",
        question=_question(report),
        answer=_answer(report, judged),
        outcome=None if judged is None else verdict.outcome(judged),
        sections=(
            _glance(report, judged),
            *_rules(report),
            *_shares(report),
            *_instead(report),
            *([verdict.labels_section(report.labels)] if report.labels else []),
            performance.section(report),
            *_checks(report),
            *([] if report.layers is None else [_leverage(report, report.layers)]),
            *([sites.section(report)] if report.sites else []),
            *([] if examples is None else [examples]),
            _made(report),
            definitions.section(),
        ),
    )


def _instead(report: Report) -> list[Section]:
    if report.recommendation is None:
        return []
    costs = None if report.run is None else report.run.costs
    return [recommendation.section(report.recommendation, report.head_mix, costs)]


def _shares(report: Report) -> list[Section]:
    found = report.layers
    if found is None or not found.shares:
        return []
    return [leverage.shares_section(found, report.settings.layer)]


def _leverage(report: Report, found: Leverage) -> Section:
    return leverage.section(found, report.settings.layer)


def _glance(report: Report, judged: Verdict | None) -> Section:
    notices = () if judged is None else (verdict.notice(judged),)
    missing = [f.check for f in checks() if f.is_default and not report.has(f.check)]
    note = f"{NOTE[0]} {target(report.settings)} {NOTE[1]}"
    if missing:
        has_attention = report.model.no_attention_because is None
        why = "Not run" if has_attention else "Not to be run where no attention is seen"
        note += f" {why}: {', '.join(missing)}."
    decisive, others = _parted(report)
    blocks: tuple[Block, ...] = (
        *notices,
        Glance(decisive, others, note),
        Folded("What was audited", (Facts(audited(report)),)),
    )
    return Section("glance", "In short", blocks)


def _instead_alone(report: Report) -> Recommendation | None:
    """What to show instead, where nothing was run that could say whether attention may be shown."""
    if report.model.no_attention_because is not None:
        return None
    judgements = () if report.answer is None else report.answer.judgements
    asked = {judgement.check for judgement in judgements if judgement.level.decides}
    return None if asked & set(report.settings.checks) else report.recommendation


def _question(report: Report) -> str:
    if _instead_alone(report) is not None:
        return recommendation.QUESTION
    label = report.settings.explain_label
    if label is None:
        return QUESTION
    return naming_target(f"May its attention weights be shown as the reason for {TARGET}?", label)


def _answer(report: Report, judged: Verdict | None) -> Conclusion | None:
    alone = _instead_alone(report)
    if alone is not None:
        return recommendation.conclusion(alone)
    return None if report.answer is None else verdict.answered(report.answer, judged)


def _rules(report: Report) -> list[Section]:
    """Where each rule stands, if any was asked: without attention there is nothing to ask of."""
    answer = report.answer
    if answer is None or not answer.judgements or _instead_alone(report) is not None:
        return []
    return [verdict.answer_section(answer)]


def cards(report: Report) -> tuple[Card, ...]:
    """The model first, then every check that was run, then layers and heads."""
    return (
        performance.card(report),
        *(check.card(report) for check in _measured(report)),
        *([sites.card(report)] if report.sites else []),
    )


def _parted(report: Report) -> tuple[tuple[Card, ...], tuple[Card, ...]]:
    """Those whose check decided the answer, and the others."""
    shown = {card.id: card for card in cards(report)}
    if report.answer is None:
        return (), tuple(shown.values())
    decisive = []
    for check in report.answer.deciding_checks:
        card = shown.pop(performance.CARD if check == ACCURACY.check else check, None)
        if card is not None:
            picture = verdict.deciding_numbers(report.answer, check) or card.picture
            decisive.append(replace(card, picture=picture))
    return tuple(decisive), tuple(shown.values())


def _checks(report: Report) -> Iterator[Section]:
    yield from (check.section(report) for check in _measured(report))


def _measured(report: Report) -> list[CheckFindings]:
    return [found for found in checks() if report.has(found.check)]


def figures(report: Report) -> tuple[Figure, ...]:
    """The pictures of all checks, in the order in which a reader meets them."""
    found = (*_checks(report), *([sites.section(report)] if report.sites else []))
    return tuple(b for section in found for b in section.blocks if isinstance(b, Figure))


def _made(report: Report) -> Section:
    blocks = (Facts(made_with(report)), *_degenerate(report))
    return Section("made", "How it was made", blocks)


def _degenerate(report: Report) -> Iterator[Block]:
    """The examples about which a check says nothing, or less, counted by reason."""
    if not report.degenerate:
        yield Paragraph("Degenerate examples: none, every check says something of every example.")
        return
    checks = tuple(dict.fromkeys(entry.check for entry in report.degenerate))
    counts = {(entry.meaning, entry.check): entry.n for entry in report.degenerate}
    rows: list[tuple[Cell, ...]] = []
    for meaning in dict.fromkeys(entry.meaning for entry in report.degenerate):
        found = (counts.get((meaning, check)) for check in checks)
        rows.append((meaning, *("-" if n is None else count(n) for n in found)))
    yield Table(
        ("", *checks),
        tuple(rows),
        title="Degenerate examples: a check says nothing of them, or less",
        note="Counted here, never averaged in. An example can have several reasons.",
    )
