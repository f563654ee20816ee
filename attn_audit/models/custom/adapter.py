"""A user's function that makes a model: found and called, and what it raises in one line."""

import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import jaxtyping
import torch

import attn_audit
from attn_audit.errors import AttnAuditError, AuditFailedError, ConfigurationError, nearest
from attn_audit.models.custom import custom_model
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.interception.classifier import PROBE
from attn_audit.models.state_dict import mismatch
from attn_audit.plugins import import_code, importable
from attn_audit.quoting import one_line


def load_adapter(adapter: str, checkpoint: str) -> CustomModel:
    """Import a user's function and call it.

    What it prints goes to the standard error, since the report may go to the standard output.

    Args:
        adapter: `package.module:function` or `path/file.py:function`; modules are also sought in
            the working directory.
        checkpoint: What the function gets: MODEL, as the user wrote it.

    Raises:
        ConfigurationError: There is no such function, it fails, or it returns something else.
    """
    place, _, name = adapter.rpartition(":")
    if not place or not name:
        raise _error(adapter, "not package.module:function or file.py:function")
    with redirect_stdout(sys.stderr), importable(place):
        module = _run(adapter, "importing it", lambda: import_code(f"--adapter {adapter}", place))
        function = _function(adapter, module, name)
        made = _run(adapter, f"{name}({checkpoint!r})", lambda: function(checkpoint))
    if not isinstance(made, CustomModel):
        raise _error(
            adapter,
            f"{name} returned {type(made).__name__!r}, not a CustomModel",
            "Return attn_audit.CustomModel(module, encode, labels, task).",
        )
    return made


def _function(adapter: str, module: ModuleType, name: str) -> Callable[[str], Any]:
    function = getattr(module, name, None)
    if function is None:
        names = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"]
        raise _error(adapter, f"there is no function {name!r} in it", nearest(name, names))
    if not callable(function):
        raise _error(adapter, f"{name} is no function but {type(function).__name__!r}")
    return function  # type: ignore[no-any-return]


def _run(adapter: str, what: str, run: Callable[[], Any]) -> Any:
    try:
        return run()
    except (AttnAuditError, MemoryError):
        raise
    except SystemExit as error:
        hint = 'Put what a script does under `if __name__ == "__main__":`.'
        raise _error(adapter, f"{what} ends the program", hint) from error
    except Exception as error:
        wanted, found = (_KEYS[kind].findall(str(error)) for kind in ("Missing", "Unexpected"))
        problem, advice = mismatch(*(re.findall('"(.*?)"', " ".join(n)) for n in (wanted, found)))
        told = f"{type(error).__name__}: names of weights: {problem}{_in(error)}"
        raise _error(
            adapter, f"{what} failed: {told if problem else described(error)}", advice
        ) from error


_KEYS = {
    kind: re.compile(rf"{kind} key\(s\) in state_dict: (.*)") for kind in ("Missing", "Unexpected")
}
"""What `load_state_dict` says."""


def _error(adapter: str, problem: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(f"--adapter {adapter}: {problem}", hint=hint)


_OURS = [Path(package.__file__ or "").parent for package in (attn_audit, torch, jaxtyping)]
_LIBRARIES = [Path(sysconfig.get_paths()[name]) for name in ("stdlib", "purelib", "platlib")]

MAX_SHOWN = 3
"""Ids in one message."""


@contextmanager
def failures_named(find_ids: Callable[[], Sequence[str]] = tuple) -> Iterator[None]:
    """Within: what the user's code raises becomes an error that says where, and at which texts.

    Args:
        find_ids: Gives the examples at which it fails.

    Raises:
        AuditFailedError: The user's code raised something.
    """
    try:
        yield
    except (AttnAuditError, MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:
        if not _is_of_a_call(error):
            raise
        ids = find_ids()
        if ids and ids[0].startswith(PROBE):
            raise AuditFailedError(
                "the adapter's code failed at texts of attn-audit's own, as no DATA is given: "
                f"{described(error)}",
                hint="Give DATA behind MODEL: texts of the kind that your code takes.",
            ) from error
        raise AuditFailedError(
            f"the adapter's code failed at {listed_ids(ids)}: {described(error)}",
            hint="Try it on this text outside of attn-audit; --debug shows the traceback.",
        ) from error


def described(error: Exception) -> str:
    """What was raised and the last line of the user's own code on the way there."""
    what = type(error).__name__ + (f": {one_line(error)}" if str(error) else "")
    return what + _in(error)


def _in(error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f" ({_shown(error.filename)}, line {error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename[0] != "<"]
    for others in (_OURS + _LIBRARIES, _OURS):  # the user's code may be an installed package
        users = [f for f in frames if not any(Path(f.filename).is_relative_to(o) for o in others)]
        if users:
            return f" ({_shown(users[-1].filename)}, line {users[-1].lineno})"
    return ""


def _is_of_a_call(error: Exception) -> bool:
    """Whether the user's code was running; else the fault is ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename == custom_model.__file__ for frame in frames)


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def listed_ids(ids: Sequence[str]) -> str:
    """A few ids of examples, and how many more there are."""
    shown = ", ".join(map(repr, ids[:MAX_SHOWN]))
    more = f" and {len(ids) - MAX_SHOWN} more" if len(ids) > MAX_SHOWN else ""
    return f"example{'s' if len(ids) > 1 else ''} {shown}{more}"
