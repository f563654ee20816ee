"""Plugins: code of the user's that registers measures, checks, metrics or formats of its own.

None is imported unless it is named, with `--plugin` or in a configuration file that was named
itself. Reports say by which they were made, and are read only together with these.
"""

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from attn_audit.errors import AttnAuditError, ConfigurationError, or_nearest
from attn_audit.files import sha256_of

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

    Raises:
        ConfigurationError: It is not there.
        Exception: Whatever the user's code raises.
    """
    if not is_file(place):
        return _import_named(flag, place)
    path = Path(place)
    if not path.is_file():
        raise ConfigurationError(f"{flag}: there is no file {place}{or_nearest(place)}")
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


_LOADED: dict[str, tuple[str, Path | None]] = {}
"""Version and file, by name."""


def load_plugins(places: Iterable[str]) -> None:
    """Import plugins, each once.

    Raises:
        ConfigurationError: One is not there, or fails, or two have one name.
    """
    for place in places:
        name, file = name_of(place), Path(place).resolve() if is_file(place) else None
        if name not in _LOADED:
            _LOADED[name] = _load(place), file
        elif _LOADED[name][1] != file:
            raise ConfigurationError(
                f"--plugin {place}: another plugin is called {name}, and reports know them by name",
                hint="Rename one of the files.",
            )


def _load(place: str) -> str:
    """Import a plugin, and say which version of it that is."""
    flag = f"--plugin {place}"
    with redirect_stdout(sys.stderr), importable(place):
        try:
            module = import_code(flag, place)
        except AttnAuditError:
            raise
        except (Exception, SystemExit) as error:
            problem = f"importing it failed: {type(error).__name__}: {error}"
            raise ConfigurationError(f"{flag}: {problem}") from error
    version = vars(module).get("__version__")
    file = source_file(place)
    if isinstance(version, str):
        return version
    return "unknown" if file is None else f"sha256 {sha256_of(file)}"


def name_of(place: str) -> str:
    """What reports call a plugin: wherever a file lies, it is the same.

    Example:
        >>> name_of("ours/spread.py"), name_of("ours.spread")
        ('spread.py', 'ours.spread')
    """
    return Path(place).name if is_file(place) else place


def loaded_plugins() -> Mapping[str, str]:
    """Versions of those that were imported, by name."""
    return {name: version for name, (version, _) in _LOADED.items()}


def require_plugins(made_with: Iterable[str], what: str) -> None:
    """Refuse what was made with a plugin that is not there: its numbers have no meaning here.

    Raises:
        ConfigurationError: One was not named.
    """
    missing = [name for name in made_with if name not in _LOADED]
    if missing:
        flags = " ".join(f"--plugin {name}" for name in missing)
        raise ConfigurationError(
            f"{what} was made with {flags}, and no file may name code to run",
            hint="If you trust it, give --plugin again.",
        )
