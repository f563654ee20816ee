"""Answers that are no report: a forecast, a verification, a self-test, and shown scores."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from attn_audit.document import (
    Block,
    Bullets,
    Cell,
    Conclusion,
    Details,
    Document,
    Facts,
    Paragraph,
    Phrase,
    Section,
    Table,
    Tone,
)
from attn_audit.findings.plausibility import APART
from attn_audit.numbers import count, counted, deviation, duration, mean, mean_percent, short
from attn_audit.quoting import quoted
from attn_audit.results.answers import (
    Claim,
    Forecast,
    Plausible,
    SelfTest,
    ShownField,
    ShownScores,
    TriedCase,
    Verification,
)

HONESTLY = (
    "Right within a factor of about 1.5 on a machine that has nothing else to do; memory, more "
    "roughly. Passes are outputs that are computed, those under other attention from there on only."
)


def forecast_document(forecast: Forecast) -> Document:
    """What `attn-audit plan` expects."""
    return Document(
        kind="Plan",
        title=forecast.model,
        subject=f"on {forecast.device}",
        facts=Facts(tuple(_forecast_facts(forecast))),
        sections=(
            Section(
                "stages", "What it takes", (_stages(forecast), Paragraph(HONESTLY, Tone.FAINT))
            ),
        ),
    )


def _forecast_facts(forecast: Forecast) -> Iterator[tuple[str, str]]:
    tokens = f"{counted(forecast.n_tokens, 'token')}, the longest {count(forecast.longest)}"
    examples = counted(forecast.batch_examples, "example")
    largest = f"{examples}, {counted(forecast.batch_tokens, 'token')}"
    seconds = duration(forecast.seconds_of_trial)
    yield "Time", f"about {duration(forecast.seconds)}"
    yield "Data", f"{forecast.data}: {counted(forecast.n_examples, 'example')}, {tokens}"
    yield "Batches", f"up to {largest}"
    yield "Tried", f"{counted(forecast.n_timed, 'example')}, each time that one was, in {seconds}"


def _stages(forecast: Forecast) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            stage.name,
            "" if stage.passes is None else count(stage.passes),
            duration(stage.seconds),
            "" if stage.peak_bytes is None else megabytes(stage.peak_bytes),
        )
        for stage in forecast.stages
    ]
    peak = max((stage.peak_bytes or 0 for stage in forecast.stages), default=0)
    cells = ("together", "", duration(forecast.seconds), megabytes(peak) if peak else "")
    rows.append(tuple(Phrase(cell, Tone.STRONG) for cell in cells))
    return Table(("", "passes", "time", "peak memory"), tuple(rows))


def megabytes(n_bytes: int) -> str:
    """An amount of memory.

    Example:
        >>> megabytes(400_000_000), megabytes(3_200_000_000)
        ('400 MB', '3.2 GB')
    """
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.1f} GB"


_SUBJECTS = {
    "witnesses": "Adversarial witnesses, every one",
    "sample": "A tenth of the examples, all numbers",
    "sites": "The same at other layers and heads",
    "records": "All records",
    "summary": "The report, summed up again",
}


def verification_document(found: Verification) -> Document:
    """What was checked again, and whether it holds."""
    failed = [claim for claim in found.claims if not claim.holds]
    tone = Tone.GOOD if found.holds else Tone.BAD
    failures = tuple(_failures(failed))
    return Document(
        kind="Verification",
        title=found.report,
        subject=f"against {found.model} and {found.data}",
        facts=Facts(tuple(_verification_facts(found))),
        answer=Conclusion(Phrase(_verdict(found, failed), tone)),
        outcome=Phrase("✓ holds" if found.holds else "✗ does not hold", tone),
        sections=(
            Section("claims", "What was checked", (_claims(found.claims),)),
            Section("tolerances", "Tolerances", (Facts(tuple(_tolerances(found.claims))),)),
            *([Section("failures", "What does not hold", failures)] if failures else []),
        ),
    )


def _verification_facts(found: Verification) -> Iterator[tuple[str, str]]:
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


def _claims(claims: Sequence[Claim]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for subject, group in groupby(claims, key=lambda claim: claim.subject):
        rows.append((_SUBJECTS.get(subject, subject),))
        rows += [
            (f"  {claim.name}", count(claim.n), *_deviation(claim), _mark(claim)) for claim in group
        ]
    return Table(("", "values", "largest deviation", "tolerance", "verdict"), tuple(rows))


def _tolerances(claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
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
    first = failed[0].failures[0]
    of = "" if first.example is None else f" of example {quoted(first.example)}"
    return (
        f"Not everything holds: {counted(n_failed, 'value')} of {len(failed)} of "
        f"{len(found.claims)} kinds, the first of them {first.what}{of}. "
        "This report does not say what its model does."
    )


MARKS = {True: ("✓", Tone.GOOD), False: ("✗", Tone.BAD)}
"""Told apart without colour."""


def selftest_document(found: SelfTest) -> Document:
    """What `attn-audit selftest` found."""
    n_wrong = sum(not case.is_right for case in found.cases)
    mark, tone = MARKS[found.holds]
    said = f"{counted(n_wrong, 'wrong answer')}" if n_wrong else "every answer is right"
    wrong = tuple(_truth(case) for case in found.cases if not case.is_right)
    truths = Facts(tuple((case.name, case.truth) for case in found.cases))
    return Document(
        kind="Self-test",
        title="Models whose truth is known",
        subject=counted(len(found.cases), "model"),
        facts=Facts((("Rules", found.rules), ("Took", duration(found.seconds)))),
        answer=Conclusion(Phrase(f"{mark} {said}", tone)),
        sections=(
            Section("answers", "Answers", (_answers(found), *wrong)),
            Section("truths", "What is true", (Details("Of each model", (truths,)),)),
        ),
    )


def _answers(found: SelfTest) -> Table:
    scales = ", ".join(f"{scale:g}" for scale in found.cases[0].scales)
    return Table(
        ("model", "must be", "answer", "right"),
        tuple(tuple(_case(case)) for case in found.cases),
        n_text=4,
        note=f"Each with its logits times {scales}, which changes no decision; one answer is all.",
    )


def _case(case: TriedCase) -> Iterator[str | Phrase]:
    mark, tone = MARKS[case.is_right]
    yield case.name
    yield " or ".join(case.right)
    yield ", ".join(dict.fromkeys(case.found))
    yield Phrase(f"{mark} {'right' if case.is_right else 'wrong'}", tone)


def _truth(case: TriedCase) -> Facts:
    named = f" It has to name {' and '.join(case.must_name)}." if case.must_name else ""
    entries = (("is", case.truth), ("found", f"{case.sentence}{named}"))
    return Facts(entries, Phrase(f"✗ {case.name}", Tone.BAD))


NO_MODEL = (
    "No model was asked: whether what is shown is what a model goes by, these numbers do not say. "
    "`attn-audit recommend MODEL DATA --shown FIELD` does."
)


def shown_document(found: ShownScores) -> Document:
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
    rows = [_judged(of.field, of.plausible) for of in found.fields if of.plausible is not None]
    table = Table(
        ("by", "AUPRC", "token F1", "IOU", "AUPRC above random"),
        (*rows, _judged("random, expected", chance)),
        "By field",
    )
    said = f"In {counted(found.n_marked, 'text')} people marked words as the reason."
    blocks = (Paragraph(said), table, Paragraph(APART, Tone.FAINT))
    return Section("people", "Do they begin with the words that people marked?", blocks)


def _judged(name: str, of: Plausible) -> tuple[str, ...]:
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
