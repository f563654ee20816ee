"""Scores that a product shows, beside what people marked and beside each other."""

from collections.abc import Iterator

from attn_audit.document import Block, Bullets, Document, Facts, Paragraph, Section, Table, Tone
from attn_audit.findings.plausibility import APART
from attn_audit.numbers import count, counted, mean, mean_percent, short
from attn_audit.quoting import quoted
from attn_audit.results.answers import Plausible, ShownField, ShownScores

NO_MODEL = (
    "No model was asked: whether what is shown is what a model goes by, these numbers do not say. "
    "`attn-audit recommend MODEL DATA --shown FIELD` does."
)


def document(found: ShownScores) -> Document:
    """People first, then the fields among themselves."""
    people = [_people(found, found.by_chance)] if found.by_chance is not None else []
    return Document(
        kind="Shown scores",
        title=found.data,
        subject=", ".join(each.field for each in found.fields),
        sections=(
            *people,
            *([_each_other(found)] if found.pairs else []),
            Section("looked_at", "What was looked at", tuple(_looked_at(found))),
        ),
    )


def _people(found: ShownScores, chance: Plausible) -> Section:
    rows = [_row(of.field, of.plausible) for of in found.fields if of.plausible is not None]
    table = Table(
        ("by", "AUPRC", "token F1", "IOU", "AUPRC above random"),
        (*rows, _row("random, expected", chance)),
        "By field",
    )
    said = f"In {counted(found.n_marked, 'text')} people marked words as the reason."
    blocks = (Paragraph(said), table, Paragraph(APART, Tone.FAINT))
    return Section("people", "Do they begin with the words that people marked?", blocks)


def _row(name: str, of: Plausible) -> tuple[str, ...]:
    gap = "-" if of.gap is None else mean(of.gap)
    return (name, mean(of.auprc), mean(of.token_f1), mean(of.iou), gap)


def _each_other(found: ShownScores) -> Section:
    rows = tuple(
        (f"{p.first} and {p.second}", mean(p.tau), mean_percent(p.same_top), count(p.tau.n))
        for p in found.pairs
    )
    note = (
        "Kendall's tau-b, mean over the texts in which both rank the words; 1: the same order, 0: "
        "unrelated, -1: reversed. Same first word: where several share the largest score, the part "
        "of them that has it of both."
    )
    table = Table(("fields", "tau", "same first word", "texts"), rows, note=note)
    return Section("each_other", "Do they agree with each other?", (table,))


def _looked_at(found: ShownScores) -> Iterator[Block]:
    entries = [
        ("Data", f"{counted(found.n_texts, 'text')}, sha256 {short(found.sha256)}"),
        ("Units", "words"),
        ("Left out", "; ".join(found.left_out) or "no row"),
    ]
    yield Facts(tuple(entries))
    lines = [line for of in found.fields if (line := _undefined(of)) is not None]
    if found.n_single:
        lines.append(f"{counted(found.n_single, 'text')} of one word: there is nothing to rank.")
    yield Bullets.of([*lines, "Intervals: 95%, over texts.", NO_MODEL])


def _undefined(of: ShownField) -> str | None:
    """The texts that a field says nothing of."""
    reasons = [
        *([f"did not come with {counted(of.n_absent, 'text')}"] if of.n_absent else []),
        *([f"are all the same in {counted(of.n_constant, 'text')}"] if of.n_constant else []),
    ]
    if not reasons:
        return None
    return f"The scores {quoted(of.field)} {', and '.join(reasons)}: these count for nothing."
