"""What an audit will take, on a terminal."""

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group
from rich.table import Table
from rich.text import Text

from attn_audit.formats.numbers import count
from attn_audit.formats.terminal.look import (
    FAINT,
    WIDEST,
    Trimmed,
    add_row,
    heading,
    indented,
    table,
)
from attn_audit.formats.terminal.opening import pairs
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.forecast import Forecast

HONESTLY = (
    "Right within a factor of about 1.5 on a machine that has nothing else to do; memory, more "
    "roughly. Passes are outputs that are computed, those under other attention from there on only."
)


def render(forecast: Forecast, console: Console) -> None:
    """Print what `attn-audit plan` expects.

    Args:
        forecast: Of any audit.
        console: Where to.
    """
    options = console.options.update(width=min(console.width, WIDEST))
    parts = (
        heading("Plan"),
        indented(pairs(_facts(forecast), FAINT)),
        Text(""),
        indented(_table(forecast, options)),
        Text(""),
        Prose(HONESTLY, indent=2, style=FAINT),
    )
    console.print(Trimmed(Group(*parts)), width=options.max_width)


def _facts(forecast: Forecast) -> Iterator[tuple[str, str]]:
    tokens = f"{count(forecast.n_tokens)} tokens, the longest {count(forecast.longest)}"
    largest = f"{count(forecast.batch_examples)} examples, {count(forecast.batch_tokens)} tokens"
    tried = f"{count(forecast.n_timed)} examples in {duration(forecast.seconds_of_trial)}"
    yield "Model", f"{forecast.model} on {forecast.device}"
    yield "Data", f"{forecast.data}: {count(forecast.n_examples)} examples, {tokens}"
    yield "Batches", f"up to {largest}"
    yield "Tried", f"some of {tried}"


def _table(forecast: Forecast, options: ConsoleOptions) -> Table:
    made = table(("", "passes", "time", "peak memory"), options)
    for stage in forecast.stages:
        passes = "" if stage.passes is None else count(stage.passes)
        memory = "" if stage.peak_bytes is None else megabytes(stage.peak_bytes)
        add_row(made, stage.name, passes, duration(stage.seconds), memory)
    peak = max((stage.peak_bytes or 0 for stage in forecast.stages), default=0)
    total = duration(forecast.seconds)
    cells = ("together", "", total, megabytes(peak) if peak else "")
    add_row(made, *(Text(cell, "bold") for cell in cells))
    return made


def duration(seconds: float) -> str:
    """A duration to about two digits.

    Example:
        >>> duration(0.04), duration(7.31), duration(95.0), duration(5000.0)
        ('0.1 s', '7.3 s', '1.6 min', '1.4 h')
    """
    if seconds < 60:
        return f"{max(seconds, 0.1):.{0 if seconds >= 10 else 1}f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def megabytes(n_bytes: int) -> str:
    """An amount of memory.

    Example:
        >>> megabytes(400_000_000), megabytes(3_200_000_000)
        ('400 MB', '3.2 GB')
    """
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 1e9 else f"{n_bytes / 1e9:.1f} GB"
