"""What an audit is: written before its first shard, and compared before it is gone on with."""

import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import ValidationError

from attn_audit.errors import RunDirectoryError
from attn_audit.files import write_whole
from attn_audit.locations import AnyPath
from attn_audit.plugins import require_plugins
from attn_audit.results.subject import Subject
from attn_audit.summary import Value

MANIFEST = "manifest.json"

_MEASURED = ("subject.self_checks", "subject.model.findings")
"""What rounding may move; everything else must be the same."""

MOST_NAMED = 5


class BatchPlan(Value):
    """How examples are put together: what rounding, and with it the last digits, depend on."""

    batch_examples: int
    batch_tokens: int
    shard_size: int
    threads: int


class Manifest(Value):
    """Everything that the records of a run directory depend on."""

    format_version: Literal[2] = 2
    subject: Subject
    plan: BatchPlan
    sites: tuple[tuple[int, int | None], ...]
    """Layer and head of all sites, the audited one first; head None: all, averaged."""
    on_error: str
    """`stop` or `record`."""

    def write(self, folder: AnyPath) -> None:
        """Write it into a run directory, whole or not at all.

        Raises:
            OutputError: It cannot be written.
        """
        content = json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        write_whole(folder / MANIFEST, content.encode())

    @staticmethod
    def read(folder: AnyPath) -> "Manifest | None":
        """The manifest of a run directory; None where no audit was started.

        Raises:
            ConfigurationError: It was made with a plugin that was not named.
            RunDirectoryError: It cannot be read.
        """
        path = folder / MANIFEST
        try:
            if not path.exists():
                return None
            found = Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
            require_plugins(found.subject.tool.plugins, str(folder))
            return found
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        except (OSError, ValueError, RecursionError) as error:
            problem = str(error)
        raise RunDirectoryError(
            folder,
            f"{MANIFEST} cannot be read ({problem})",
            hint="It is not a run directory of this version of attn-audit, or it was damaged.",
        )

    def require_same(self, other: "Manifest", folder: AnyPath) -> None:
        """Refuse to go on with an audit of something else, or done in another way.

        Raises:
            RunDirectoryError: They differ; names what does.
        """
        differences = list(_differences(_compared(self), _compared(other)))
        if not differences:
            return
        shown = "; ".join(differences[:MOST_NAMED])
        more = f"; and {len(differences) - MOST_NAMED} more" * (len(differences) > MOST_NAMED)
        raise RunDirectoryError(
            folder,
            f"it holds another audit: {shown}{more}",
            hint="Give the same settings, or name another --run-dir.",
        )


def _compared(manifest: Manifest) -> dict[str, Any]:
    flat = dict(_flat(manifest.model_dump(mode="json")))
    return {name: value for name, value in flat.items() if not name.startswith(_MEASURED)}


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", inner


def _differences(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    for name in [*was, *(name for name in now if name not in was)]:
        if was.get(name) != now.get(name):
            shown = name.removeprefix("subject.")
            yield f"{shown} was {_short(was.get(name))} and is {_short(now.get(name))}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
