"""What is seen of an audit while it runs, on standard error: notes, and bars on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

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

    def on_note(note: str) -> None:
        console.print(Text("note: ", style="bold") + Text(printable(note), style="default"))

    if quiet:
        yield Watcher()
    elif console.is_terminal:
        with _bars(console, doing) as on_progress:
            yield Watcher(on_progress, on_note, on_cost=on_note)
    else:
        yield Watcher(on_note=on_note, on_cost=on_note)


@contextmanager
def _bars(console: Console, doing: str) -> Iterator[Callable[[Progress], None]]:
    """A bar for all that is done, and one for each check."""
    from rich import progress as rich

    with rich.Progress(
        "{task.description}",
        rich.BarColumn(max(NARROWEST, min(WIDEST, console.width - BESIDE))),
        *(rich.TextColumn(f"{{task.fields[{name}]}}", justify="right") for name in SHOWN),
        console=console,
        transient=True,
        refresh_per_second=1,  # it costs some milliseconds
    ) as bars:
        start, tasks = monotonic(), dict[str, rich.TaskID]()

        def show(name: str, description: str, row: Row) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(description, total=None, count="", rate="", left="")
            bars.update(tasks[name], description=description, **row)

        def on_progress(progress: Progress) -> None:
            checks = {check.name: check for check in progress.checks}
            is_check = progress.doing in ("", READING, *checks)
            show("", doing if is_check else progress.doing, row_of(progress, monotonic() - start))
            for name, check in checks.items():
                show(name, f"  {name}", row_of_check(check, progress.n_examples))

        show("", doing, {})
        yield on_progress


SHOWN = ("count", "rate", "left")
"""What stands beside a bar."""

Row = dict[str, Any]
"""What of a bar is told anew: `completed`, `total`, and what stands beside it."""


def row_of(progress: Progress, seconds: float) -> Row:
    """All that an audit does: in time, where it is known how long it will take.

    Example:
        >>> list(row_of(Progress(384, 1821, seconds_left=74.5), 16.0).values())
        ['384 of 1,821', '24/s', '1:14 left', 16.0, 90.5]
    """
    n, of, ahead = progress.n_finished, progress.n_examples, progress.seconds_left
    row = _beside(n, of, n / seconds if n else None, ahead)
    if ahead is None:
        return {**row, "completed": float(n), "total": of}
    return {**row, "completed": seconds, "total": seconds + ahead}


def row_of_check(check: CheckProgress, n_examples: int | None) -> Row:
    """One check.

    Example:
        >>> list(row_of_check(CheckProgress("permutation", 7.9, 0.5, None), None).values())
        ['7', '0.5/s', '', 7.9, None]
    """
    n = check.n_finished
    row = _beside(int(n), n_examples, check.per_second, check.seconds_left)
    return {**row, "completed": n, "total": n_examples}


def _beside(n: int, of: int | None, rate: float | None, seconds: float | None) -> Row:
    """How many of how many; examples per second, to about two digits; the time left."""
    is_counted = n or of is not None
    return {
        "count": f"{n:,}" + ("" if of is None else f" of {of:,}") if is_counted else "",
        "rate": "" if rate is None else f"{rate:,.{0 if rate >= 10 else 1}f}/s",
        "left": "" if seconds is None else f"{clock(seconds)} left",
    }


def clock(seconds: float) -> str:
    """A duration as people read it.

    Example:
        >>> clock(75.0), clock(3675.0)
        ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
