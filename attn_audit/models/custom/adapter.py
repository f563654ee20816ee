"""A user's function that makes a model, found by name or in a file, and called."""

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from types import ModuleType
from typing import Any

from attn_audit.code import import_code, importable
from attn_audit.errors import AttnAuditError, ConfigurationError, nearest
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.failures import described


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
    """Run code of the user's."""
    try:
        return run()
    except (AttnAuditError, MemoryError):
        raise
    except SystemExit as error:
        hint = 'Put what a script does under `if __name__ == "__main__":`.'
        raise _error(adapter, f"{what} ends the program", hint) from error
    except Exception as error:
        raise _error(adapter, f"{what} failed: {described(error)}") from error


def _error(adapter: str, problem: str, hint: str | None = None) -> ConfigurationError:
    return ConfigurationError(f"--adapter {adapter}: {problem}", hint=hint)
