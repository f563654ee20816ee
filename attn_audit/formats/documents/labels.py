"""Each label: what the packaged rules answer of it, whatever is predicted."""

from attn_audit.document import Block, Cell, Facts, Folded, Phrase, Section, Table, Tone
from attn_audit.formats.documents.verdict import ANSWER_MARKS, found, name
from attn_audit.numbers import count
from attn_audit.results.verdict import LabelAnswer

NOTE = (
    "Each label was explained in turn, whatever is predicted, by the same checks at the same "
    "attention; everything else on this page is of the prediction. texts: those behind the number "
    "that decided."
)


def section(labels: tuple[LabelAnswer, ...]) -> Section:
    """A line for each label, and what it means."""
    columns = ("label", "answer", "decided by", "found", "texts")
    sentences = tuple((each.label, each.answer.said) for each in labels)
    blocks: tuple[Block, ...] = (
        Table(columns, tuple(map(_row, labels)), note=NOTE, n_text=4),
        Folded("What that means, label by label", (Facts(sentences),)),
    )
    return Section("labels", "Each label", blocks)


def _row(of_label: LabelAnswer) -> tuple[Cell, ...]:
    mark, tone = ANSWER_MARKS[of_label.answer.verdict]
    decided = of_label.decided
    return (
        of_label.label,
        Phrase(f"{mark} {of_label.answer.verdict.words}", tone),
        Phrase(name(decided), Tone.CODE, decided.definition),
        found(decided),
        "" if decided.n is None else count(decided.n),
    )
