"""What is seen of an audit while it runs, on standard error: notes, and bars on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from rich.console import Console
from rich.text import Text

from attn_audit.cli.command import error_console
from attn_audit.progress import READING, CheckProgress, Progress, Watcher
from attn_audit.quoting import printable

NARROWEST, WIDEST, BESIDE = 4, 40, 52
"""Columns of a bar, and of all that stands beside it."""


@contextmanager
def watching(*, quiet: bool, doing: str = "auditing") -> Iterator[Watcher]:
    """Show how an audit goes."""
    console = error_console()
    if quiet:
        yield Watcher()
    elif console.is_terminal:
        with _bars(console, doing) as on_progress:
            yield Watcher(on_progress, _notes(console), on_cost=_notes(console))
    else:
        yield Watcher(on_note=_notes(console), on_cost=_notes(console))


def _notes(console: Console) -> Callable[[str], None]:
    def on_note(note: str) -> None:
        console.print(Text("note: ", style="bold") + Text(printable(note), style="default"))

    return on_note


@contextmanager
def _bars(console: Console, doing: str) -> Iterator[Callable[[Progress], None]]:
    """A bar for all that is done, and one for each check."""
    from rich import progress as rich

    with rich.Progress(
        "{task.description}",
        rich.BarColumn(max(NARROWEST, min(WIDEST, console.width - BESIDE))),
        *(rich.TextColumn(f"{{task.fields[row].{name}}}", justify="right") for name in SHOWN),
        console=console,
        transient=True,
        refresh_per_second=1,  # it costs some milliseconds
    ) as bars:
        start = monotonic()
        tasks = {"": bars.add_task(doing, total=None, row=Row(0, None))}

        def show(name: str, description: str, row: Row) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(description, row=row)
            bars.update(
                tasks[name],
                description=description,
                completed=row.completed,
                total=row.total,
                row=row,
            )

        def on_progress(progress: Progress) -> None:
            checks = {check.name: check for check in progress.checks}
            is_check = progress.doing in ("", READING, *checks)
            show("", doing if is_check else progress.doing, row_of(progress, monotonic() - start))
            for name, check in checks.items():
                show(name, f"  {name}", row_of_check(check, progress.n_examples))

        yield on_progress


@dataclass(frozen=True)
class Row:
    """A bar, and what stands beside it."""

    completed: float
    total: float | None
    count: str = ""
    rate: str = ""
    left: str = ""


SHOWN = ("count", "rate", "left")


def row_of(progress: Progress, seconds: float) -> Row:
    """All that an audit does: in time, where it is known how long it will take.

    Example:
        >>> row_of(Progress(384, 1821, seconds_left=74.5), 16.0)
        Row(completed=16.0, total=90.5, count='384 of 1,821', rate='24/s', left='1:14 left')
    """
    n, of = progress.n_finished, progress.n_examples
    beside = count(n, of), rate(n / seconds if n else None), left(progress.seconds_left)
    if progress.seconds_left is None:
        return Row(float(n), of, *beside)
    return Row(seconds, seconds + progress.seconds_left, *beside)


def row_of_check(check: CheckProgress, n_examples: int | None) -> Row:
    """One check.

    Example:
        >>> row_of_check(CheckProgress("permutation", 7.9, 0.5, None), None)
        Row(completed=7.9, total=None, count='7', rate='0.5/s', left='')
    """
    n = check.n_finished
    return Row(
        n, n_examples, count(int(n), n_examples), rate(check.per_second), left(check.seconds_left)
    )


def count(n_finished: int, n_examples: int | None) -> str:
    """How many of how many; nothing where nobody counts yet."""
    if n_examples is None and not n_finished:
        return ""
    return f"{n_finished:,}" + ("" if n_examples is None else f" of {n_examples:,}")


def rate(per_second: float | None) -> str:
    """Examples per second, to about two digits."""
    return "" if per_second is None else f"{per_second:,.{0 if per_second >= 10 else 1}f}/s"


def left(seconds: float | None) -> str:
    """The time left."""
    return "" if seconds is None else f"{clock(seconds)} left"


def clock(seconds: float) -> str:
    """A duration as people read it.

    Example:
        >>> clock(75.0), clock(3675.0)
        ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
