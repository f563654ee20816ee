"""Reading TOML files that people write: configurations and policies."""

import tomllib
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from attn_audit.errors import ConfigurationError, nearest

MAX_BYTES = 2**20
"""What people write by hand is never longer than 1 MiB."""


def read_toml(file: Path, flag: str, kind: str) -> dict[str, Any]:
    """The content of a file that a flag names.

    Args:
        file: The file.
        flag: `--config`.
        kind: `configuration`.

    Raises:
        ConfigurationError: It is missing, unreadable, too long or no TOML; says in which line.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            problem = f"it is longer than {MAX_BYTES >> 20} MiB"
            raise ConfigurationError(f"cannot read the {kind} {file}: {problem}")
        return tomllib.loads(content.decode("utf-8").replace("\r\n", "\n"))
    except FileNotFoundError:
        raise ConfigurationError(f"{flag} {file}: there is no such file") from None
    except (OSError, ValueError, RecursionError) as error:  # also of numbers of 4,300 digits
        raise ConfigurationError(f"cannot read the {kind} {file}: {error}") from None


def require_known(keys: Iterable[str], known: Collection[str], where: str, kind: str) -> None:
    """Refuse mistyped keys.

    Args:
        keys: As they stand in the file.
        known: What there is.
        where: The file, and the place in it.
        kind: What the keys are: `setting`.

    Raises:
        ConfigurationError: Names the unknown ones, and what the first may have been meant to be.
    """
    unknown = [key for key in keys if key not in known]
    if unknown:
        named = ", ".join(repr(key) for key in unknown)
        raise ConfigurationError(
            f"{where}: unknown {kind}{'s' if len(unknown) > 1 else ''} {named}",
            hint=nearest(unknown[0], known),
        )
