"""What is seen of a training while it runs, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from attn_audit.cli.running import error_console

if TYPE_CHECKING:
    from attn_audit.models.paper.training import EpochResult

OnEpoch = Callable[["EpochResult"], None]
OnBatch = Callable[[float], None]


@contextmanager
def training_progress(*, quiet: bool) -> Iterator[tuple[OnEpoch, OnBatch]]:
    """A bar for each epoch where standard error is a terminal, else a line for each.

    Args:
        quiet: Neither.
    """
    if quiet:
        yield lambda epoch: None, lambda share: None
    elif error_console().is_terminal:
        with _bar() as callbacks:
            yield callbacks
    else:
        yield _lines(), lambda share: None


def scores(epoch: "EpochResult") -> str:
    """Loss and dev score of an epoch: `loss 0.3406, dev ROC AUC 0.8496 (best)`."""
    best = " (best)" if epoch.is_best else ""
    return f"loss {epoch.loss:.4f}, dev {epoch.score_name} {epoch.dev_score:.4f}{best}"


def _lines() -> OnEpoch:
    console, last = error_console(), monotonic()

    def on_epoch(epoch: "EpochResult") -> None:
        nonlocal last
        seconds, last = monotonic() - last, monotonic()
        console.print(f"epoch {epoch.epoch}: {scores(epoch)}, {seconds:.1f} s")

    return on_epoch


@contextmanager
def _bar() -> Iterator[tuple[OnEpoch, OnBatch]]:
    from rich.progress import BarColumn, Progress, TimeElapsedColumn

    with Progress(
        "{task.description}",
        BarColumn(),
        "{task.fields[scores]}",
        TimeElapsedColumn(),
        console=error_console(),
        transient=True,
    ) as bar:
        task = bar.add_task("epoch 1", total=1.0, scores="")

        def on_epoch(epoch: "EpochResult") -> None:
            bar.update(task, description=f"epoch {epoch.epoch + 1}", scores=scores(epoch))

        yield on_epoch, lambda share: bar.update(task, completed=share)
