"""A user's function that makes a model, found by name or in a file, and called."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from attn_audit.errors import AttnAuditError, ConfigurationError, nearest
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.failures import described

_PRIVATE_NAME = "attn_audit_adapter_{}"
"""Of a file's module: never that of a module which the file, or anyone else, imports."""


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
    with redirect_stdout(sys.stderr), _importable(_folder(place)):
        module = _run(adapter, "importing it", lambda: _import(adapter, place))
        function = _function(adapter, module, name)
        made = _run(adapter, f"{name}({checkpoint!r})", lambda: function(checkpoint))
    if not isinstance(made, CustomModel):
        raise _error(
            adapter,
            f"{name} returned {type(made).__name__!r}, not a CustomModel",
            "Return attn_audit.CustomModel(module, encode, labels, task).",
        )
    return made


def source_file(adapter: str) -> Path | None:
    """The file of an adapter that was loaded; None where it has none.

    Args:
        adapter: As it was given to `load_adapter`.
    """
    place = adapter.rpartition(":")[0]
    file = place if _is_file(place) else getattr(sys.modules.get(place), "__file__", None)
    return Path(file) if file is not None and Path(file).is_file() else None


def _is_file(place: str) -> bool:
    return place.endswith(".py") or "/" in place


def _folder(place: str) -> Path:
    return Path(place).resolve().parent if _is_file(place) else Path.cwd()


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Within: modules of the folder can be imported, as if Python had been started there."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with suppress(ValueError):  # the user's code may have taken it out
            sys.path.remove(str(folder))


def _import(adapter: str, place: str) -> ModuleType:
    if not _is_file(place):
        return _import_named(adapter, place)
    path = Path(place)
    if not path.is_file():
        raise _error(adapter, f"there is no file {place}")
    name = _PRIVATE_NAME.format(path.stem)
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise _error(adapter, f"{place} is no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses and pickles of its classes need
    spec.loader.exec_module(module)
    return module


def _import_named(adapter: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        is_itself = error.name is not None and f"{place}.".startswith(f"{error.name}.")
        if not is_itself:
            raise
        raise _error(
            adapter,
            f"there is no module {error.name!r} here, nor is it installed",
            "Give the path of a file: path/file.py:function.",
        ) from None


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
