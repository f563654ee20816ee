"""Where a model's files lie: in a folder, or in the cache that a hub is downloaded to."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attn_audit.errors import CheckpointNotFoundError, ConfigurationError
from attn_audit.files import sha256_of
from attn_audit.models.huggingface.hub import CODE, FILES, may_be_a_hub_name, snapshot


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model's files on this machine."""

    location: str
    """As the user wrote it."""
    folder: Path
    revision: str | None
    """The commit on the hub; None for local folders."""
    runs_code: bool
    """Whether the user trusts code that it holds."""

    @property
    def name(self) -> str:
        """What the libraries find it by: some models they know by their names on the hub."""
        return str(self.folder) if self.revision is None else self.location

    @property
    def arguments(self) -> dict[str, Any]:
        """What every `from_pretrained` is told beside the name."""
        told: dict[str, Any] = {"trust_remote_code": self.runs_code}
        if self.revision is not None:  # trusted code may lie in yet another repository
            told |= {"revision": self.revision, "local_files_only": not self.runs_code}
        return told

    def holds(self, pattern: str) -> bool:
        """Whether there is a file of such a name."""
        return any(path.is_file() for path in self.folder.glob(pattern))

    def files(self) -> list[Path]:
        """Those that are used, by name."""
        patterns = (*FILES, *CODE) if self.runs_code else FILES
        found = {path for pattern in patterns for path in self.folder.glob(pattern)}
        return sorted(path for path in found if path.is_file())


def locate(location: str, revision: str | None, trust_remote_code: bool) -> Checkpoint:
    """Find a model's files; those on the hub are downloaded, or taken from the cache.

    Args:
        location: A local folder, or `name` or `owner/name` on the hub.
        revision: Branch, tag or commit on the hub; None for the default branch.
        trust_remote_code: Whether its code will be run.

    Raises:
        CheckpointNotFoundError: There is no such folder, and no such model on the hub.
        ConfigurationError: A revision of a local folder.
        UnreadableCheckpointError: The hub cannot be reached or does not give the model out.
    """
    folder = Path(location)
    if folder.is_dir():
        if revision is not None:
            raise ConfigurationError(
                f"--revision is for models on the hub, and {location} is a local folder"
            )
        return Checkpoint(location, folder, None, trust_remote_code)
    if folder.exists() or not may_be_a_hub_name(location):
        raise CheckpointNotFoundError(location)
    found = snapshot(location, revision, trust_remote_code)
    return Checkpoint(location, found, found.name, trust_remote_code)


def fingerprint(checkpoints: Iterable[Checkpoint]) -> str:
    """SHA-256 of the names and contents of all files that are used."""
    files = sorted({file for checkpoint in checkpoints for file in checkpoint.files()})
    parts = [f"{file.name} {sha256_of(file)}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
