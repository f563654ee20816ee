"""What checking a report again found, on a terminal."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from attn_audit.formats.numbers import count, counted, scientific
from attn_audit.formats.terminal.look import (
    FAINT,
    WIDEST,
    Trimmed,
    add_row,
    heading,
    indented,
    plain,
    table,
)
from attn_audit.formats.terminal.opening import pairs
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.verification import Claim, Failure, Verification

HOLDS, FAILS = "bold green", "bold red"

_SUBJECTS = {
    "witnesses": "Adversarial witnesses, every one",
    "sample": "A tenth of the examples, all numbers",
    "sites": "The same at other layers and heads",
    "records": "All records",
    "summary": "The report, summed up again",
}


def render(found: Verification, console: Console) -> None:
    """Print what was checked again, how far off it was, and what does not hold.

    Args:
        found: Of any report.
        console: Where to.
    """
    options = console.options.update(width=min(console.width, WIDEST))
    failed = [claim for claim in found.claims if not claim.holds]
    parts: list[RenderableType] = [
        heading("Verification"),
        indented(pairs(_facts(found), FAINT)),
        Text(""),
        indented(_table(found.claims, options)),
        Text(""),
        heading("Tolerances"),
        indented(pairs(_reasons(found.claims), FAINT)),
        Text(""),
    ]
    if failed:
        parts += [heading("What does not hold"), *_failures(failed, options), Text("")]
    parts.append(_verdict(found, failed, options))
    console.print(Trimmed(Group(*parts)), width=options.max_width)


def _facts(found: Verification) -> Iterator[tuple[str, str]]:
    yield "Report", found.report
    yield "Model", found.model
    yield "Data", f"{found.data}: {counted(found.n_examples, 'example')}"
    replayed = counted(found.n_witnesses, "witness").replace("witnesss", "witnesses")
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


def _table(claims: Sequence[Claim], options: ConsoleOptions) -> Table:
    made = table(("", "values", "largest\ndeviation", "tolerance", "verdict"), options)
    made.columns[0].no_wrap = True
    made.columns[-1].justify = "left"
    made.columns[-1].header = Text("verdict", FAINT)
    for i, (subject, group) in enumerate(groupby(claims, key=lambda claim: claim.subject)):
        if i:
            add_row(made)
        add_row(made, Text(_SUBJECTS.get(subject, subject), "italic"))
        for claim in group:
            add_row(made, f"  {claim.name}", count(claim.n), *_deviation(claim), _mark(claim))
    return made


def _reasons(claims: Sequence[Claim]) -> Iterator[tuple[str, str]]:
    """Each tolerance, and why so much of a deviation is rounding."""
    known = {claim.reason: claim.tolerance for claim in claims if claim.tolerance is not None}
    for reason, tolerance in sorted(known.items(), key=lambda item: (item[1], item[0])):
        yield _size(tolerance), reason


def _deviation(claim: Claim) -> tuple[str, str]:
    if claim.tolerance is None:
        return "-", "equal"
    largest = "-" if claim.largest is None else _size(claim.largest)
    return largest, _size(claim.tolerance)


def _size(value: float) -> str:
    """A deviation, of which only the size says something.

    Example:
        >>> _size(3.2e-8), _size(0.02), _size(0.0)
        ('3e-8', '0.02', '0')
    """
    return scientific(value) if value < 1e-3 else f"{value:.3g}"


def _mark(claim: Claim) -> Text:
    if claim.holds:
        return Text("holds", "green")
    return Text(f"{count(claim.n_failed)} do not" if claim.n_failed > 1 else "1 does not", FAILS)


def _failures(failed: Sequence[Claim], options: ConsoleOptions) -> Iterator[RenderableType]:
    for i, claim in enumerate(failed):
        if i:
            yield Text("")
        of = claim.name if claim.subject != "summary" else "the report's values"
        title = f"{of}: {count(claim.n_failed)} of {count(claim.n)}"
        yield indented(Text(title, "bold"))
        made = table(("example" if claim.failures[0].example else "", "what", "stored", "found"),
                     options, n_left=4)  # fmt: skip
        for column in made.columns:
            column.no_wrap = False
        for failure in claim.failures:
            add_row(made, *_cells(failure, options))
        yield indented(made)
        if claim.n_failed > len(claim.failures):
            more = f"... and {count(claim.n_failed - len(claim.failures))} more"
            yield indented(Text(more, FAINT))


def _cells(failure: Failure, options: ConsoleOptions) -> list[Text]:
    values = (failure.example or "", failure.what, failure.stored, failure.found)
    return [plain(value, options) for value in values]


def _verdict(
    found: Verification, failed: Sequence[Claim], options: ConsoleOptions
) -> RenderableType:
    if found.holds:
        n = count(sum(claim.n for claim in found.claims))
        text = f"Everything holds: {n} values were checked, none is off by more than rounding."
        return Prose(text, indent=2, style=HOLDS)
    n_failed = sum(claim.n_failed for claim in failed)
    text = (
        f"Not everything holds: {counted(n_failed, 'value')} of {len(failed)} of "
        f"{len(found.claims)} kinds. This report does not say what its model does."
    )
    return Prose(text, indent=2, style=FAILS)
