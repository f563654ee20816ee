import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.options import ModelOptions
from tests.conftest import Checkpoint

CPU = torch.device("cpu")

Load = Callable[..., HuggingFaceClassifier]
Damage = Callable[..., Path]


@pytest.fixture(scope="session")
def load(checkpoint: Checkpoint) -> Load:
    """A tiny classifier of a kind, with options."""

    def loaded(kind: str, **options: object) -> HuggingFaceClassifier:
        return load_classifier(str(checkpoint(kind)), ModelOptions(**options), CPU)  # type: ignore[arg-type]

    return loaded


@pytest.fixture
def damaged(checkpoint: Checkpoint, tmp_path: Path) -> Damage:
    """A copy of a checkpoint without some files, and with another configuration."""

    def copied(kind: str = "bert", *, without: tuple[str, ...] = (), **config: object) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(checkpoint(kind), folder)
        for name in without:
            (folder / name).unlink()
        if config:
            file = folder / "config.json"
            file.write_text(json.dumps(json.loads(file.read_text()) | config))
        return folder

    return copied
