"""`correlate`, `permute`, `adversarial` and `audit`: one audit with more or fewer checks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from attn_audit.cli.options import OPTIONS, SWITCHES
from attn_audit.cli.output import write_report
from attn_audit.cli.running import error_console
from attn_audit.config import AuditSettings, load_settings
from attn_audit.errors import ConfigurationError
from attn_audit.formats.outputs import require_outputs

_ADVERSARY = ("method", "iterations", "restarts")
_OF_CHECK = {
    "correlation": ("measures",),
    "permutation": ("permutations", "epsilon"),
    "adversarial": ("epsilon", *_ADVERSARY),
}
"""Options that only some checks have."""


def options_of(check: str | None) -> list[str]:
    """The options of a command: of all checks, or of one.

    Args:
        check: Id of the one check; None for `audit`.
    """
    if check is None:
        return list(OPTIONS)
    special = {name for names in _OF_CHECK.values() for name in names} | {"checks"}
    return [name for name in OPTIONS if name not in special or name in _OF_CHECK[check]]


def audit_command(check: str | None) -> Callable[..., None]:
    """What a command does: put the settings together, audit, write the report.

    Args:
        check: Id of the one check; None for those that the settings name.
    """

    def run(**values: Any) -> None:
        settings = _settings(values, check)
        settings.require_inputs()
        require_outputs(settings, values["config"])
        from attn_audit.auditing import run_audit

        with progress(settings, quiet=values["quiet"]) as on_progress:
            report = run_audit(settings, on_progress=on_progress)
        write_report(report, settings, values["format"] is not None, quiet=values["quiet"])

    return run


def _settings(values: dict[str, Any], check: str | None) -> AuditSettings:
    flags = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in values.items()
        if value is not None and name not in (*SWITCHES, "config")
    }
    if "batch_size" in flags and flags["batch_size"] != "auto":
        flags["batch_size"] = _whole(flags["batch_size"])
    if check is not None:
        flags["checks"] = (check,)
    return load_settings(flags, values["config"], Path.cwd())


def _whole(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ConfigurationError(f"--batch-size: `auto` or a whole number, not {value!r}") from None


@contextmanager
def progress(settings: AuditSettings, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, where that is a terminal.

    Args:
        settings: Say how many examples there are, if a sample was asked for.
        quiet: No bar.
    """
    console: Console = error_console()
    if quiet or not console.is_terminal:
        yield lambda n_examples: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    with Progress(
        "[progress.description]{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        "examples",
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("auditing", total=settings.limit)
        yield lambda n_examples: bar.advance(task, n_examples)
