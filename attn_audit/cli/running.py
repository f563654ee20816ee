"""What all commands share: they are built from the option table, and fail in one way."""

import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.text import Text

from attn_audit.cli.interrupts import Terminated, heeding_signals
from attn_audit.cli.options import OPTIONS, SWITCHES
from attn_audit.cli.streams import silence
from attn_audit.engine.memory import is_out_of_memory
from attn_audit.errors import AttnAuditError
from attn_audit.files import problem_of
from attn_audit.formats.safety import printable
from attn_audit.settings import SETTINGS

if TYPE_CHECKING:
    from attn_audit.settings import AuditSettings

_OURS = "This is a fault of attn-audit. Run it again with --debug, and report the traceback."

USAGE, CRASHED, INTERRUPTED, TERMINATED = 2, 3, 130, 143


def error_console() -> Console:
    """Where messages, notes and progress go."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def build_command(
    run: Callable[..., None], options: Sequence[str] | Mapping[str, Any], help: str
) -> Callable[..., None]:
    """A command with rows of the option table as its parameters.

    Args:
        run: Called with every option by name.
        options: Names of rows of the table; or rows by name, its own among them.
        help: The command's description.
    """
    rows = options if isinstance(options, Mapping) else {name: OPTIONS[name] for name in options}

    def command(**values: Any) -> None:
        with guard(debug=bool(values.get("debug"))):
            run(**values)

    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if name in SWITCHES else None,
            annotation=row,
        )
        for name, row in rows.items()
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = dict(rows)
    command.__doc__ = help
    return command


def settings_of(values: Mapping[str, Any]) -> "AuditSettings":
    """The audit's settings: what the command line says over what a configuration file says.

    Args:
        values: Every option of the command by name; None where it was not said.

    Raises:
        ConfigurationError: Of the file or of a flag.
    """
    from attn_audit.config import load_settings

    return load_settings(said(values), values["config"], Path.cwd())


def format_of(values: Mapping[str, Any], settings: "AuditSettings") -> str | None:
    """What standard output is to be: beside files, only where it was said here."""
    return values["format"] if values.get("output") else settings.format


def said(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the command line says, as a configuration file would say them.

    Args:
        values: Every option of the command by name; None where it was not said.
    """
    return {
        name: _as_in_a_file(name, value)
        for name, value in values.items()
        if value not in (None, []) and name not in (*SWITCHES, "config")
    }


def _as_in_a_file(name: str, value: Any) -> Any:
    if isinstance(value, list) and str(SETTINGS[name].metavar).endswith(",..."):
        return ",".join(value)  # it adds to itself
    return value


@contextmanager
def guard(*, debug: bool) -> Iterator[None]:
    """Turn every way to fail into one message and the documented exit code.

    Args:
        debug: Show tracebacks.
    """
    if sys.stdout is None:  # closed by whoever started this; the report may go to a file
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    try:
        with heeding_signals():
            yield
            sys.stdout.flush()
    except AttnAuditError as error:
        hints = [*([] if error.hint is None else [error.hint]), *_kept(error)]
        _fail(error.message, " ".join(hints) or None, error.exit_code, debug)
    except KeyboardInterrupt as error:
        _fail(f"interrupted; {_left(error)}", None, INTERRUPTED, debug)
    except Terminated as error:
        _fail(f"terminated; {_left(error)}", None, TERMINATED, debug)
    except BrokenPipeError:
        silence(sys.stdout)  # whoever read the report has seen enough
    except typer.Exit:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{problem_of(error)}", " ".join(_kept(error)) or None, USAGE, debug)
    except Exception as error:
        if is_out_of_memory(error):
            hints = ["Use a smaller --batch-size.", *_kept(error)]
            _fail("out of memory", " ".join(hints), CRASHED, debug)
        message = f"attn-audit crashed: {type(error).__name__}: {error}"
        hints = [_OURS, *_kept(error)]
        _fail(message, " ".join(hints), CRASHED, debug)


def _kept(error: BaseException) -> list[str]:
    """Sentences about what an error leaves behind."""
    notes = getattr(error, "__notes__", ())
    return [f"{note[:1].upper()}{note[1:]}." for note in notes]


def _left(error: BaseException) -> str:
    return "; ".join(getattr(error, "__notes__", ())) or "nothing was written"


def _fail(message: str, hint: str | None, code: int, debug: bool) -> None:
    say(message, hint, traceback.format_exc() if debug else None)
    raise typer.Exit(code)


def say(message: str, hint: str | None, trace: str | None = None) -> None:
    """Tell of an error on standard error, if that can be written to.

    Args:
        message: What is wrong.
        hint: What to do.
        trace: Where it was found, for who debugs.
    """
    console = error_console()
    try:
        if trace is not None:
            console.print(Text(trace.rstrip()))
        console.print(Text("error: ", style="bold red") + Text(printable(message), style="default"))
        if hint is not None:
            console.print(Text("hint: ", style="bold") + Text(printable(hint)))
    except OSError:
        silence(sys.stderr)  # nobody can be told; the exit code still says it
