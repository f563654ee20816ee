"""What the packaged rules answer of models whose truth is known."""

from collections.abc import Iterator

from attn_audit.document import (
    Conclusion,
    Document,
    Facts,
    Folded,
    Phrase,
    Section,
    Table,
    Tone,
)
from attn_audit.numbers import counted, duration
from attn_audit.results.answers import SelfTest, TriedCase

MARKS = {True: ("✓", Tone.GOOD), False: ("✗", Tone.BAD)}
"""Told apart without colour."""


def document(found: SelfTest) -> Document:
    """What `attn-audit selftest` found."""
    n_wrong = sum(not case.is_right for case in found.cases)
    mark, tone = MARKS[found.holds]
    said = f"{counted(n_wrong, 'wrong answer')}" if n_wrong else "every answer is right"
    wrong = tuple(_reasons(case) for case in found.cases if not case.is_right)
    truths = Facts(tuple((case.name, case.truth) for case in found.cases))
    return Document(
        kind="Self-test",
        title="Models whose truth is known",
        subject=counted(len(found.cases), "model"),
        facts=Facts((("Rules", found.rules), ("Took", duration(found.seconds)))),
        answer=Conclusion(Phrase(f"{mark} {said}", tone)),
        sections=(
            Section("answers", "Answers", (_table(found), *wrong)),
            Section("truths", "What is true", (Folded("Of each model", (truths,)),)),
        ),
    )


def _table(found: SelfTest) -> Table:
    scales = ", ".join(f"{scale:g}" for scale in found.cases[0].scales)
    return Table(
        ("model", "must be", "answer", "right"),
        tuple(tuple(_row(case)) for case in found.cases),
        n_text=4,
        note=f"Each with its logits times {scales}, which changes no decision; one answer is all.",
    )


def _row(case: TriedCase) -> Iterator[str | Phrase]:
    mark, tone = MARKS[case.is_right]
    yield case.name
    yield " or ".join(case.right)
    yield ", ".join(dict.fromkeys(case.found))
    yield Phrase(f"{mark} {'right' if case.is_right else 'wrong'}", tone)


def _reasons(case: TriedCase) -> Facts:
    named = f" It has to name {' and '.join(case.must_name)}." if case.must_name else ""
    entries = (("is", case.truth), ("found", f"{case.sentence}{named}"))
    return Facts(entries, Phrase(f"✗ {case.name}", Tone.BAD))
