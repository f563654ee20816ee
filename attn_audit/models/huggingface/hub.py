"""Where a model's files come from, a folder or a hub, and what the libraries say meanwhile."""

import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from logging import CRITICAL
from pathlib import Path
from typing import Any

from attn_audit.errors import (
    AttnAuditError,
    CheckpointError,
    CheckpointNotFoundError,
    ConfigurationError,
    UnreadableCheckpointError,
    UnsupportedModelError,
    or_nearest,
)
from attn_audit.quoting import one_line


@contextmanager
def quiet() -> Iterator[None]:
    """Silence `transformers` and `huggingface_hub`; all as it was afterwards."""
    from huggingface_hub import utils as hub
    from transformers.utils import logging

    with warnings.catch_warnings(), ExitStack() as restored:
        warnings.simplefilter("ignore")
        for log in (hub.logging, logging):
            restored.callback(log.set_verbosity, log.get_verbosity())
            log.set_verbosity(CRITICAL)
        # `transformers` switches the hub's bars on with its own: what they were is put back last.
        was_off = hub.are_progress_bars_disabled()
        restored.callback(hub.disable_progress_bars if was_off else hub.enable_progress_bars)
        hub.disable_progress_bars()
        if logging.is_progress_bar_enabled():
            restored.callback(logging.enable_progress_bar)
            logging.disable_progress_bar()
        yield


@contextmanager
def silenced() -> Iterator[None]:
    """Let nothing reach the terminal that libraries in other languages write past Python.

    Their panics come with a stack, and their warnings with text from the model's files as it is.
    """
    with open(os.devnull, "wb") as nowhere, ExitStack() as restored:  # noqa: PTH123 - a device
        for stream in (1, 2):
            kept = os.dup(stream)
            restored.callback(os.close, kept)
            restored.callback(os.dup2, kept, stream)
            os.dup2(nowhere.fileno(), stream)
        yield


@contextmanager
def loading(location: str, what: str) -> Iterator[None]:
    """Turn any failure within into an error of this interface.

    Args:
        what: What is loaded, for the message: `its weights`.

    Raises:
        UnreadableCheckpointError: It cannot be loaded.
        UnsupportedModelError: It takes a package that is not installed.
    """
    try:
        with not_panicking(location, what):
            yield
    except (AttnAuditError, MemoryError):
        raise
    except ImportError as error:
        raise UnsupportedModelError(
            f"cannot load {what} of {location}: {one_line(error)}"
        ) from error
    except Exception as error:  # the libraries raise whatever their readers raise
        raise UnreadableCheckpointError(location, f"{what}: {one_line(error)}") from error


@contextmanager
def not_panicking(location: str, what: str) -> Iterator[None]:
    """Turn the panic of a library in Rust, which is no `Exception`, into an error like the others.

    Raises:
        UnreadableCheckpointError: It met what it takes for impossible.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise UnreadableCheckpointError(location, f"{what} is damaged: {error}") from error


FILES = (
    *("*.json", "*.safetensors", "*.jinja"),
    *("*.txt", "*.model", "*.spm", "*.tiktoken", "*.tokenizer", "bpe.codes", "vocab.bpe"),
)
"""Configuration, weights, tokenizer. No pickles."""
CODE = ("*.py",)
"""Taken only where the user trusts it."""

PATIENCE = 10.0
"""Seconds to wait for the hub's first answer."""

_FILE_ENDINGS = (".pt", ".pth", ".th", ".bin", ".safetensors", ".json", ".gguf", ".onnx")


def may_be_a_hub_name(location: str) -> bool:
    """Whether this could be the name of a model on the hub.

    Example:
        >>> may_be_a_hub_name("owner/model-v1.5"), may_be_a_hub_name("models/model.pt")
        (True, False)
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(location)
    except HFValidationError:
        return False
    return not location.endswith(_FILE_ENDINGS)


def snapshot(name: str, revision: str | None, with_code: bool) -> Path:
    """The folder in the hub's cache that holds a model's files, named by its commit.

    Raises:
        CheckpointNotFoundError: There is no such model.
        UnreadableCheckpointError: The hub cannot be reached and the model is not in the cache, or
            the hub does not give it out.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    download = partial(
        snapshot_download,
        name,
        allow_patterns=[*FILES, *CODE] if with_code else [*FILES],
        ignore_patterns="*/*",  # other formats lie in folders of their own
    )
    with quiet():
        try:
            # This one question is not repeated; the library's downloads try for half a minute.
            commit = HfApi().model_info(name, revision=revision, timeout=PATIENCE).sha
            return Path(download(revision=commit))
        except Exception as error:  # what the network raises differs between versions
            refusal = _refusal(name, revision, error)
        if isinstance(refusal, CheckpointNotFoundError):
            raise refusal
        try:
            return Path(download(revision=revision, local_files_only=True))
        except LocalEntryNotFoundError:
            raise refusal from None


def _refusal(name: str, revision: str | None, error: Exception) -> CheckpointError:
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    match error:
        case GatedRepoError():
            return UnreadableCheckpointError(
                name,
                "the hub gives it only to those who were granted access",
                hint="Ask for access on its page, and log in with `hf auth login`.",
            )
        case RepositoryNotFoundError():
            return CheckpointNotFoundError(name)
        case RevisionNotFoundError():
            return UnreadableCheckpointError(name, f"it has no revision {revision!r}")
        case _:
            return UnreadableCheckpointError(
                name,
                f"there is no such folder{or_nearest(name)}, and the hub cannot be reached "
                f"({one_line(error)})",
                hint="Give a local folder, or try again when the hub can be reached.",
            )


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
