"""Code of the user's: a module by its name, or a file; imported only because it was named."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from attn_audit.errors import ConfigurationError

_PRIVATE_NAME = "attn_audit_code_of_{}"
"""Of a file's module: never that of a module which the file, or anyone else, imports."""


def is_file(place: str) -> bool:
    """Whether a place is a file's, and not the name of a module."""
    return place.endswith(".py") or "/" in place


@contextmanager
def importable(place: str) -> Iterator[None]:
    """Within: modules beside a file can be imported, as if Python had been started there.

    Args:
        place: A file, or a module's name: these are sought in the working directory, too.
    """
    folder = str(Path(place).resolve().parent if is_file(place) else Path.cwd())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # the user's code may have taken it out
            sys.path.remove(folder)


def import_code(flag: str, place: str) -> ModuleType:
    """Import a module or a file.

    Args:
        flag: What named it, for messages.
        place: The module's name, or the path of the file.

    Raises:
        ConfigurationError: It is not there.
        Exception: Whatever the user's code raises.
    """
    if not is_file(place):
        return _import_named(flag, place)
    path = Path(place)
    if not path.is_file():
        raise ConfigurationError(f"{flag}: there is no file {place}")
    name = _PRIVATE_NAME.format(path.stem)
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{flag}: {place} is no Python file")
    module = module_from_spec(spec)
    sys.modules[name] = module  # as dataclasses and pickles of its classes need
    spec.loader.exec_module(module)
    return module


def _import_named(flag: str, place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        is_itself = error.name is not None and f"{place}.".startswith(f"{error.name}.")
        if not is_itself:
            raise
        raise ConfigurationError(
            f"{flag}: there is no module {error.name!r} here, nor is it installed",
            hint="Give the path of a file: path/file.py.",
        ) from None


def source_file(place: str) -> Path | None:
    """The file of code that was imported; None where it has none."""
    file = place if is_file(place) else getattr(sys.modules.get(place), "__file__", None)
    return Path(file) if file is not None and Path(file).is_file() else None
