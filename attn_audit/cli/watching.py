"""What is seen of an audit while it runs, on standard error: notes, and a bar on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic

from rich.console import Console
from rich.text import Text

from attn_audit.cli.running import error_console
from attn_audit.engine.watching import Progress, Watcher
from attn_audit.formats.safety import printable


@contextmanager
def watching(*, quiet: bool, doing: str = "auditing") -> Iterator[Watcher]:
    """Show how an audit goes.

    Args:
        quiet: Show nothing.
        doing: What stands before the bar.
    """
    console = error_console()
    if quiet:
        yield Watcher()
    elif console.is_terminal:
        with _bar(console, doing) as on_progress:
            yield Watcher(on_progress, _notes(console))
    else:
        yield Watcher(on_note=_notes(console))


def _notes(console: Console) -> Callable[[str], None]:
    def on_note(note: str) -> None:
        console.print(Text("note: ", style="bold") + Text(printable(note), style="default"))

    return on_note


@contextmanager
def _bar(console: Console, doing: str) -> Iterator[Callable[[Progress], None]]:
    from rich import progress as rich

    with rich.Progress(
        "{task.description}",
        rich.BarColumn(),
        rich.TextColumn("{task.fields[text]}"),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task(doing, total=None, text="")
        start = monotonic()

        def on_progress(progress: Progress) -> None:
            seconds = monotonic() - start
            left = progress.seconds_left
            total = None if left is None else seconds + left
            bar.update(task, completed=seconds, total=total, text=_Said(progress, start))

        yield on_progress


class _Said:
    """What stands beside the bar, whose time left counts down until something else is said."""

    def __init__(self, progress: Progress, start: float) -> None:
        self._progress, self._start, self._said = progress, start, monotonic()

    def __str__(self) -> str:
        now, left = monotonic(), self._progress.seconds_left
        if left is not None:
            left = max(0.0, left - (now - self._said))
        return so_far(replace(self._progress, seconds_left=left), now - self._start)


def so_far(progress: Progress, seconds: float) -> str:
    """What stands beside the bar.

    Args:
        progress: How far the audit is.
        seconds: Since it began.

    Example:
        >>> so_far(Progress(384, 1821, 74.6), 12.0)
        '384 of 1,821 examples, 32 a second, 1:15 left'
        >>> so_far(Progress(0, 1821, 74.6), 1.0)
        '0 of 1,821 examples, 1:15 left'
    """
    of_all = "" if progress.n_examples is None else f" of {progress.n_examples:,}"
    rate = progress.n_finished / max(seconds, 1e-9)
    parts = [f"{progress.n_finished:,}{of_all} examples"]
    if progress.n_finished:
        parts.append(f"{rate:.{0 if rate >= 10 else 1}f} a second")
    if progress.seconds_left is not None:
        parts.append(f"{clock(progress.seconds_left)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """A duration as people read it.

    Example:
        >>> clock(75.0), clock(3675.0)
        ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
