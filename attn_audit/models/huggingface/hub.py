"""Models on the hub: one question whether it is there, then the files that are needed."""

from pathlib import Path
from typing import Any

from attn_audit.data.quoting import one_line
from attn_audit.errors import CheckpointError, CheckpointNotFoundError, UnreadableCheckpointError
from attn_audit.models.huggingface.quiet import quiet

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

    Args:
        name: `name` or `owner/name`.
        revision: Branch, tag or commit; None for the default branch.
        with_code: Take Python files as well.

    Raises:
        CheckpointNotFoundError: There is no such model.
        UnreadableCheckpointError: The hub cannot be reached and the model is not in the cache, or
            the hub does not give it out.
    """
    wanted: dict[str, Any] = {
        "allow_patterns": [*FILES, *CODE] if with_code else [*FILES],
        "ignore_patterns": "*/*",  # other formats lie in folders of their own
    }
    with quiet():
        try:
            return _download(name, revision, wanted)
        except Exception as error:  # what the network raises differs between versions
            return _from_cache(name, revision, wanted, _refusal(name, revision, error))


def _download(name: str, revision: str | None, wanted: dict[str, Any]) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    # This one question is not repeated; the library's downloads try for half a minute.
    commit = HfApi().model_info(name, revision=revision, timeout=PATIENCE).sha
    return Path(snapshot_download(name, revision=commit, **wanted))


def _from_cache(
    name: str, revision: str | None, wanted: dict[str, Any], refusal: CheckpointError
) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(refusal, CheckpointNotFoundError):
        raise refusal from None
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True, **wanted))
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
                f"there is no such folder, and the hub cannot be reached ({one_line(error)})",
                hint="Give a local folder, or try again when the hub can be reached.",
            )
