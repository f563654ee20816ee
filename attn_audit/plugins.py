"""Plugins: code of the user's that registers measures, checks, metrics or formats of its own.

None is imported unless it is named, with `--plugin` or in a configuration file that was named
itself. Reports say by which they were made, and are read only together with these.
"""

import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path

from attn_audit.code import import_code, importable, is_file, source_file
from attn_audit.errors import AttnAuditError, ConfigurationError
from attn_audit.files import sha256_of

_LOADED: dict[str, str] = {}
_FILES: dict[str, Path | None] = {}


def load_plugins(places: Iterable[str]) -> None:
    """Import plugins, each once.

    Args:
        places: Names of modules, and paths of files.

    Raises:
        ConfigurationError: One is not there, or fails, or two have one name.
    """
    for place in places:
        name, file = name_of(place), Path(place).resolve() if is_file(place) else None
        if name not in _LOADED:
            _LOADED[name], _FILES[name] = _load(place), file
        elif _FILES[name] != file:
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
    return dict(_LOADED)


def require_plugins(made_with: Iterable[str], what: str) -> None:
    """Refuse what was made with a plugin that is not there: its numbers have no meaning here.

    Args:
        made_with: Names of plugins.
        what: Was made with them.

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
