"""What checking a report again found: how far off it was, and what does not hold."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from attn_audit.document import (
    Block,
    Cell,
    Conclusion,
    Document,
    Facts,
    Paragraph,
    Phrase,
    Section,
    Table,
    Tone,
)
from attn_audit.numbers import count, counted, deviation
from attn_audit.results.answers import Claim, Verification

_SUBJECTS = {
    "witnesses": "Adversarial witnesses, every one",
    "sample": "A tenth of the examples, all numbers",
    "sites": "The same at other layers and heads",
    "records": "All records",
    "summary": "The report, summed up again",
}


def document(found: Verification) -> Document:
    """What was checked again, and whether it holds."""
    failed = [claim for claim in found.claims if not claim.holds]
    tone = Tone.GOOD if found.holds else Tone.BAD
    failures = tuple(_failures(failed))
    return Document(
        kind="Verification",
        title=found.report,
        subject=f"against {found.model} and {found.data}",
        facts=Facts(tuple(_facts(found))),
        answer=Conclusion(Phrase(_verdict(found, failed), tone)),
        outcome=Phrase("✓ holds" if found.holds else "✗ does not hold", tone),
        sections=(
            Section("claims", "What was checked", (_table(found.claims),)),
            Section("tolerances", "Tolerances", (Facts(tuple(_reasons(found.claims))),)),
            *([Section("failures", "What does not hold", failures)] if failures else []),
        ),
    )


def _facts(found: Verification) -> Iterator[tuple[str, str]]:
    yield "Data", f"{found.data}: {counted(found.n_examples, 'example')}"
    replayed = f"{count(found.n_witnesses)} witness{'' if found.n_witnesses == 1 else 'es'}"
    sample = counted(found.n_sampled, "example")
    yield "Checked", f"{replayed}; all numbers of {sample} (seed {found.seed})"
    if found.n_not_kept:
        yield (
            "Not kept",
            f"{counted(found.n_not_kept, 'example')} with too many rows of attention for a "
            "record to hold: of their witnesses only the divergence could be checked",
        )
    for note in found.notes:
        yield "Note", note


def _table(claims: Sequence[Claim]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for subject, group in groupby(claims, key=lambda claim: claim.subject):
        rows.append((_SUBJECTS.get(subject, subject),))
        rows += [
            (f"  {claim.name}", count(claim.n), *_deviation(claim), _mark(claim)) for claim in group
        ]
    return Table(("", "values", "largest deviation", "tolerance", "verdict"), tuple(rows))


def _reasons(claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    """Each tolerance, and why so much of a deviation is rounding."""
    known = {claim.reason: claim.tolerance for claim in claims if claim.tolerance is not None}
    for reason, tolerance in sorted(known.items(), key=lambda item: (item[1], item[0])):
        yield deviation(tolerance), reason


def _deviation(claim: Claim) -> tuple[str, str]:
    if claim.tolerance is None:
        return "-", "equal"
    largest = "-" if claim.largest is None else deviation(claim.largest)
    return largest, deviation(claim.tolerance)


def _mark(claim: Claim) -> Phrase:
    if claim.holds:
        return Phrase("✓ holds", Tone.GOOD)
    n = f"{count(claim.n_failed)} do not" if claim.n_failed > 1 else "1 does not"
    return Phrase(f"✗ {n}", Tone.BAD)


def _failures(failed: Sequence[Claim]) -> Iterator[Block]:
    for claim in failed:
        of = claim.name if claim.subject != "summary" else "the report's values"
        yield Table(
            ("example" if claim.failures[0].example else "", "what", "stored", "found"),
            tuple((f.example or "", f.what, f.stored, f.found) for f in claim.failures),
            f"{of}: {count(claim.n_failed)} of {count(claim.n)}",
            n_text=4,
        )
        if claim.n_failed > len(claim.failures):
            more = f"... and {count(claim.n_failed - len(claim.failures))} more"
            yield Paragraph(more, Tone.FAINT)


def _verdict(found: Verification, failed: Sequence[Claim]) -> str:
    if found.holds:
        n = count(sum(claim.n for claim in found.claims))
        return f"Everything holds: {n} values were checked, none is off by more than rounding."
    n_failed = sum(claim.n_failed for claim in failed)
    return (
        f"Not everything holds: {counted(n_failed, 'value')} of {len(failed)} of "
        f"{len(found.claims)} kinds. This report does not say what its model does."
    )
