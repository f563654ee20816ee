"""What an audit will take."""

from collections.abc import Iterator

from attn_audit.document import Cell, Document, Facts, Paragraph, Phrase, Section, Table, Tone
from attn_audit.numbers import count, counted, duration
from attn_audit.results.answers import Forecast

HONESTLY = (
    "Right within a factor of about 1.5 on a machine that has nothing else to do; memory, more "
    "roughly. Passes are outputs that are computed, those under other attention from there on only."
)


def document(forecast: Forecast) -> Document:
    """What `attn-audit plan` expects."""
    return Document(
        kind="Plan",
        title=forecast.model,
        subject=f"on {forecast.device}",
        facts=Facts(tuple(_facts(forecast))),
        sections=(
            Section("stages", "What it takes", (_table(forecast), Paragraph(HONESTLY, Tone.FAINT))),
        ),
    )


def _facts(forecast: Forecast) -> Iterator[tuple[str, str]]:
    tokens = f"{counted(forecast.n_tokens, 'token')}, the longest {count(forecast.longest)}"
    examples = counted(forecast.batch_examples, "example")
    largest = f"{examples}, {counted(forecast.batch_tokens, 'token')}"
    seconds = duration(forecast.seconds_of_trial)
    yield "Data", f"{forecast.data}: {counted(forecast.n_examples, 'example')}, {tokens}"
    yield "Batches", f"up to {largest}"
    yield "Tried", f"{counted(forecast.n_timed, 'example')}, each time that one was, in {seconds}"


def _table(forecast: Forecast) -> Table:
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
