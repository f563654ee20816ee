import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from attn_audit.errors import CheckpointError, CheckpointNotFoundError, UnreadableCheckpointError
from attn_audit.models.huggingface.hub import locate
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.options import ModelOptions
from tests.conftest import Checkpoint
from tests.models.huggingface.conftest import CPU

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | str], None]:
    """Let the hub answer the question for a model with an error or a commit."""

    def set_answer(given: Exception | str) -> None:
        def model_info(*_: object, **__: object) -> SimpleNamespace:
            if isinstance(given, Exception):
                raise given
            return SimpleNamespace(sha=given)

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)

    return set_answer


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def download(source: Path, cache: Path, name: str = "owner/tiny") -> Path:
    """What a download leaves in the cache."""
    folder = cache / f"models--{name.replace('/', '--')}"
    shutil.copytree(source, folder / "snapshots" / COMMIT)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    return folder / "snapshots" / COMMIT


def http_error(kind: type[HfHubHTTPError]) -> HfHubHTTPError:
    response: Any = SimpleNamespace(headers={}, request=None)
    return kind("refused", response=response)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (http_error(RepositoryNotFoundError), CheckpointNotFoundError, "no model at owner"),
        (http_error(GatedRepoError), UnreadableCheckpointError, "were granted access"),
        (http_error(RevisionNotFoundError), UnreadableCheckpointError, "no revision 'v9'"),
        (http_error(HfHubHTTPError), UnreadableCheckpointError, "cannot be reached"),
        (ConnectionError("[Errno -2]\nName"), UnreadableCheckpointError, r"\(\[Errno -2\] Name"),
    ],
)
def test_says_in_one_line_why_the_hub_gave_nothing(
    answer: Callable[[Exception | str], None],
    error: Exception,
    kind: type[CheckpointError],
    message: str,
) -> None:
    answer(error)
    with pytest.raises(kind, match=message) as refused:
        locate("owner/tiny", "v9", False)
    assert refused.value.message.isprintable()


def test_a_model_in_the_cache_needs_no_hub(
    answer: Callable[[Exception | str], None], checkpoint: Checkpoint, cache: Path
) -> None:
    download(checkpoint("bert"), cache)
    answer(ConnectionError("no network"))
    description = load_classifier("owner/tiny", ModelOptions(), CPU).describe()
    assert description.source == "owner/tiny"
    assert description.details["revision"] == COMMIT
    local = load_classifier(str(checkpoint("bert")), ModelOptions(), CPU).describe()
    assert description.sha256 == local.sha256


def test_the_files_of_one_commit_are_downloaded_and_no_pickles(
    answer: Callable[[Exception | str], None],
    monkeypatch: pytest.MonkeyPatch,
    checkpoint: Checkpoint,
    cache: Path,
) -> None:
    asked: dict[str, object] = {}

    def snapshot_download(name: str, **wanted: object) -> str:
        asked.update(wanted, name=name)
        return str(download(checkpoint("gpt2"), cache))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    answer(COMMIT)
    classifier = load_classifier("owner/tiny", ModelOptions(revision="v2"), CPU)
    assert classifier.describe().details["revision"] == COMMIT
    assert asked["revision"] == COMMIT
    assert "*.safetensors" in str(asked["allow_patterns"])
    assert ".bin" not in str(asked["allow_patterns"])
    assert ".py" not in str(asked["allow_patterns"])
