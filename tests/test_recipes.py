"""The recipes of the documentation, run against the libraries that they are for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.releases import Audited, audited
from tests.test_readme import blocks_of

__all__ = ["Audited", "audited"]

REPOSITORY = Path(__file__).parents[1]
RECIPES = {block.title: block.text for block in blocks_of("recipes.md") if block.title is not None}
CARD = "---\nlicense: apache-2.0\n---\n\n# A model\n\nIt classifies.\n"


@pytest.fixture
def folder(tmp_path: Path, audited: Audited) -> Path:
    """Where a report lies."""
    (tmp_path / "report.json").write_bytes(audited().read_bytes())
    return tmp_path


def run(recipe: str, folder: Path) -> None:
    """In a process of its own: these libraries keep threads and warn at will."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *filter(None, sys.path)]),
        "MLFLOW_TRACKING_URI": (folder / "mlruns").as_uri(),
        "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow 3 asks whether files are meant
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(folder),
    }
    words = [sys.executable, "-c", RECIPES[recipe]]
    ended = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_every_recipe_is_run() -> None:
    assert set(RECIPES) == {"to_mlflow.py", "to_wandb.py", "to_card.py"}


def test_mlflow_gets_numbers_answer_and_page(folder: Path) -> None:
    pytest.importorskip("mlflow", reason="needs pip install mlflow-skinny")
    run("to_mlflow.py", folder)
    (page,) = folder.glob("mlruns/**/artifacts/attention.html")
    kept = page.parents[1]
    assert (kept / "metrics" / "permutation.distance").is_file()
    assert (kept / "tags" / "attention.answer").read_text() == "unknown"
    assert (kept / "tags" / "attention.gate").read_text() == "inconclusive"


def test_wandb_gets_numbers_answer_and_page(folder: Path) -> None:
    pytest.importorskip("wandb", reason="needs pip install wandb")
    run("to_wandb.py", folder)
    assert list(folder.glob("wandb/offline-run-*/files/media/html/attention_*.html"))
    (stored,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    content = stored.read_bytes()
    assert b"permutation.distance" in content
    assert b"attention.gate" in content


def test_a_model_card_gets_one_section_however_often(folder: Path) -> None:
    (folder / "README.md").write_text(CARD)
    run("to_card.py", folder)
    once = (folder / "README.md").read_text(encoding="utf-8")
    assert once.startswith(CARD)
    assert "examples: 100 are wanted" in once
    run("to_card.py", folder)
    assert (folder / "README.md").read_text(encoding="utf-8") == once
