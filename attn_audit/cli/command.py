"""What all commands share: made from the option table, they fail in one way and end in order."""

import inspect
import io
import os
import re
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO, get_args

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

from attn_audit.cli.examples import EXAMPLES
from attn_audit.cli.options import OPTIONS, SWITCHES
from attn_audit.errors import (
    BROKEN,
    INTERRUPTED,
    TERMINATED,
    USAGE,
    AttnAuditError,
    OutputError,
    meant,
)
from attn_audit.files import problem_of
from attn_audit.plugins import load_plugins
from attn_audit.process import is_out_of_memory
from attn_audit.quoting import in_our_words, printable
from attn_audit.settings import SETTINGS

if TYPE_CHECKING:
    from attn_audit.settings import AuditSettings


WIDEST_HELP = 100
"""Columns of a help page, at most."""

TWO_COLUMNS = 76
"""From this width on, names and what is said of them stand beside each other; short ones always."""

NAMES_WIDTH, SHORT_NAME, INDENT = 28, 12, 4
"""Of names that something is said of beside them, and of what is said below longer ones."""


def _write_entries(formatter: Any, title: str, entries: Sequence[tuple[str, str]]) -> None:
    """Names, which are never cut, and what is said of each."""
    if not entries:
        return
    is_short = max(len(name) for name, _ in entries) <= SHORT_NAME
    is_beside = is_short or (formatter.width >= TWO_COLUMNS and title != EXAMPLES_TITLE)
    with formatter.section(typer.style(title, bold=True)):
        formatter.write_dl(entries, col_max=NAMES_WIDTH if is_beside else INDENT - 2)


EXAMPLES_TITLE = "Examples"


class Command(TyperCommand):
    """Shows examples in its help, and refuses an option that is given again.

    Unless its values add up or it is a switch: parsers take the last value and forget the others,
    so that part of an audit would be left out without a word.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What stands behind the command, without signs that only this parser has."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write what the command does, and as which it may be called."""
        super().format_help_text(ctx, formatter)
        _write_entries(formatter, EXAMPLES_TITLE, EXAMPLES.get(str(self.name), ()))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write arguments and options, panel by panel."""
        panels: dict[str, list[tuple[str, str]]] = {"Arguments": []}
        for parameter in self.get_params(ctx):
            written, said = parameter.get_help_record(ctx) or ("", "")
            said_panel = getattr(parameter, "rich_help_panel", None)
            panel = getattr(said_panel, "value", said_panel) or "Options"
            if parameter.param_type_name == "argument":
                panel, written = "Arguments", str(parameter.metavar)
            panels.setdefault(panel, []).append((written, said))
        for panel, entries in panels.items():
            _write_entries(formatter, panel, entries)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what the command is called with, once it is known to say nothing twice."""
        if ctx.resilient_parsing:  # a shell asks how a line that is not finished may go on
            return super().parse_args(ctx, args)
        _, surplus, given = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, n in Counter(given).items():
            adds_up = getattr(parameter, "multiple", False) or getattr(parameter, "is_flag", False)
            if n > 1 and not adds_up:
                ctx.fail(f"{parameter.opts[0]} is given {n} times, and takes one value.")
        if surplus:
            words = " ".join(map(repr, surplus))
            ctx.fail(f"{words} is one too many. {TAKES.get(str(ctx.info_name), '')}".strip())
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = in_our_words(error.message)
            if found := _NOT_ONE_OF.fullmatch(error.message):
                hint = meant(found[1], re.findall(r"'([^']*)'", found[2]))
                error.message = " ".join(filter(None, (error.message, hint)))
            raise


_UsageError: Any = typer.BadParameter.__base__
"""Of whatever parser Typer brings along."""

_NOT_ONE_OF = re.compile(r"'([^']*)' is not one of (.*)")

TAKES = {
    "explain": 'The text goes behind --text: attn-audit explain MODEL --text "..."',
    "gate": "It takes one REPORT, which `attn-audit audit MODEL DATA --output report.json` writes.",
    "report": "It takes one SOURCE at a time; `attn-audit compare` takes two reports.",
    "compare": "It takes two reports, BASE and NEW.",
    "paper": "It takes one DATA, and the results go to --output.",
    "train": "It takes one DATA, and the model goes to --output.",
}
"""What a command takes, for those who give it more; of others, usage says it."""


class Commands(TyperGroup):
    """Says what was probably meant where the first word is no command."""

    def main(  # type: ignore[override]  # nobody gives the rest by position
        self, args: Any = None, *, standalone_mode: bool = True, **named: Any
    ) -> Any:
        """Run the command line, and say what is wrong with it as all other errors are said."""
        try:
            code = super().main(args, standalone_mode=False, **named)
        except _UsageError as error:
            code, message, context = USAGE, error.format_message(), error.ctx
            if message:  # nothing given at all: help was shown
                say(message, context and f"`{context.command_path} --help` says more.")
        if standalone_mode:
            sys.exit(code)
        return code

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write every command with the whole sentence that says what it does."""
        entries = [
            (name, str(command.help).partition("\n\n")[0].replace("\n", " "))
            for name, command in self.commands.items()
        ]
        _write_entries(formatter, "Commands", entries)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse what stands in front of the command, where only few options may."""
        if not (args or ctx.resilient_parsing):
            typer.echo(ctx.get_help())
            ctx.exit(USAGE)
        name = args[0].partition("=")[0].removeprefix("--") if args else ""
        if args and args[0].startswith("--") and name.replace("-", "_") in OPTIONS:
            ctx.fail(
                "No command given: options stand behind it. "
                f"Did you mean `attn-audit audit {_as_typed(args)}`?"
            )
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command, and the words behind its name."""
        first = args[0]
        if first not in self.commands and not first.startswith("-"):
            from attn_audit.engine.arguments import looks_like_data, looks_like_model

            if looks_like_model(first) or looks_like_data(first):
                if len(args) > 1 and looks_like_data(first) and looks_like_model(args[1]):
                    args = [args[1], first, *args[2:]]
                is_report = first.endswith(".json") and len(args) == 1
                words = f"{'report' if is_report else 'audit'} {_as_typed(args)}"
                ctx.fail(f"No command given. Did you mean `attn-audit {words}`?")
        return super().resolve_command(ctx, args)


def _as_typed(words: Sequence[str]) -> str:
    return " ".join(f'"{word}"' if " " in word else word for word in words)


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


_RAISED: dict[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: Terminated,
}

SECONDS_LATER = 0.02
"""Until a signal comes again that came at the wrong moment."""


@contextmanager
def heeding_signals() -> Iterator[None]:
    """Within: a signal to end is an exception, once; the next one ends the process as it is.

    While something is imported, a signal waits. Those that were ignored stay so: a shell's
    background jobs are not meant to be interrupted.
    """
    previous = {number: signal.getsignal(number) for number in _RAISED}
    heeded = {number: old for number, old in previous.items() if old != signal.SIG_IGN}
    for number in heeded:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number, old in heeded.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)


def _raise(number: int, frame: FrameType | None) -> None:
    if _is_importing(frame):  # torch's own libraries abort where an exception ends their import
        later = threading.Timer(SECONDS_LATER, os.kill, (os.getpid(), number))
        later.daemon = True
        later.start()
        return
    for heeded in _RAISED:
        signal.signal(heeded, signal.SIG_DFL)
    raise _RAISED[number]


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


class StandardOutput(io.TextIOWrapper):
    """Standard output that says by name that it cannot be written.

    Where whoever reads it has seen enough, it goes nowhere from then on, which is no error.
    """

    def write(self, text: str, /) -> int:
        """Write text."""
        try:
            return super().write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        """Write what was held back."""
        try:
            super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        silence(self)
        if not isinstance(error, BrokenPipeError):
            raise OutputError("standard output", problem_of(error)) from None


@contextmanager
def naming_standard_output() -> Iterator[None]:
    """Within: errors of standard output say that they are; at the end, everything is written."""
    plain = sys.stdout
    if not isinstance(plain, io.TextIOWrapper):
        yield  # closed by whoever started this
        return
    encoding, errors, is_by_line = plain.encoding, plain.errors, plain.line_buffering
    named = StandardOutput(plain.detach(), encoding, errors, line_buffering=is_by_line)
    sys.stdout = named
    try:
        yield
    finally:
        named.flush()


def silence(stream: TextIO) -> None:
    """What could not be written must not fail once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


_OURS = "This is a fault of attn-audit. Run it again with --debug, and report the traceback."


def error_console() -> Console:
    """Where messages, notes and progress go."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


app = typer.Typer(
    name="attn-audit",
    cls=Commands,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST_HELP},
)


def command(
    name: str,
    *options: str,
    help: str | None = None,
    defaults: Mapping[str, Any] = MappingProxyType({}),
    **own: Any,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a function a command that is called with all of these options by name.

    Plugins that it names are there before anything else is looked at.

    Args:
        help: In the place of what the function says of itself.
        defaults: Of options that have one, `...` of those that must be given; the others are None,
            and switches off.
        **own: Options that are not, or otherwise, in the table.
    """

    def parameter(option: str) -> inspect.Parameter:
        row = own.get(option) or OPTIONS[option]
        default = defaults.get(option, False if get_args(row)[0] is bool else None)
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(option, kind, default=default, annotation=row)

    def made(run: Callable[..., None]) -> Callable[..., None]:
        def guarded(**values: Any) -> None:
            with guard(debug=bool(values.get("debug"))):
                load_plugins(filter(None, values.get("plugin") or []))
                run(**values)

        signature = inspect.Signature([parameter(option) for option in options])
        guarded.__signature__ = signature  # type: ignore[attr-defined]
        guarded.__annotations__ = {n: p.annotation for n, p in signature.parameters.items()}
        app.command(name, cls=Command, help=help or run.__doc__)(guarded)
        return run

    return made


def settings_of(values: Mapping[str, Any]) -> "AuditSettings":
    """The audit's settings: what the command line says over what a configuration file says."""
    from attn_audit.config import load_settings

    return load_settings(said(values), values["config"], Path())


def said(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that the command line says, as a configuration file would say them."""
    every = {**values, "data": data_of(values)}
    found = {
        name: value
        for name, value in every.items()
        if value not in (None, []) and name not in (*SWITCHES, "config", "more_data")
    }
    for name, value in found.items():
        if isinstance(value, list) and ",..." in str(SETTINGS[name].metavar):
            found[name] = ",".join(value)  # it adds to itself
    return found


def data_of(values: Mapping[str, Any]) -> list[str]:
    """The data that arguments and `--data` name."""
    return [*(values.get("data") or []), *(values.get("more_data") or [])]


@contextmanager
def guard(*, debug: bool) -> Iterator[None]:
    """Turn every way to fail into one message and the documented exit code."""
    if sys.stdout is None:  # closed by whoever started this; the report may go to a file
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    try:
        with heeding_signals():
            yield
            sys.stdout.flush()
    except AttnAuditError as error:
        hint = _hint(error, *filter(None, [error.hint]))
        _fail(error.message, hint, error.exit_code, debug, error.details)
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
        _fail(f"{where}{problem_of(error)}", _hint(error), USAGE, debug)
    except Exception as error:
        if is_out_of_memory(error):
            _fail("out of memory", _hint(error, "Use a smaller --batch-size."), BROKEN, debug)
        message = f"attn-audit crashed: {type(error).__name__}: {error}"
        _fail(message, _hint(error, _OURS), BROKEN, debug)


def _hint(error: BaseException, *hints: str) -> str | None:
    """What to do, and what an error leaves behind."""
    notes = getattr(error, "__notes__", ())
    return " ".join((*hints, *(f"{note[:1].upper()}{note[1:]}." for note in notes))) or None


def _left(error: BaseException) -> str:
    return "; ".join(getattr(error, "__notes__", ())) or "nothing was written"


def _fail(
    message: str, hint: str | None, code: int, debug: bool, details: Sequence[str] = ()
) -> None:
    say(message, hint, traceback.format_exc() if debug else None, details)
    raise typer.Exit(code)


def say(
    message: str, hint: str | None, trace: str | None = None, details: Sequence[str] = ()
) -> None:
    """Tell of an error on standard error, if that can be written to."""
    console = error_console()
    try:
        if trace is not None:
            console.print(Text(trace.rstrip()))
        console.print(Text("error: ", style="bold red") + Text(printable(message), style="default"))
        for line in details:
            console.print(Text(f"  {printable(line)}"))
        if hint is not None:
            console.print(Text("hint: ", style="bold") + Text(printable(hint)))
    except OSError:
        silence(sys.stderr)  # nobody can be told; the exit code still says it
