"""The command line as a user meets it: words in; exit code, output and messages out."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attn_audit.cli import app
from attn_audit.models.paper.checkpoint import save_checkpoint
from tests.tiny import checkpoint_of, tiny_model


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


AttnAudit = Callable[..., Outcome]


def invoke(*words: object, input: str | None = None) -> Outcome:
    """Run a command; a traceback is a failed test."""
    result = CliRunner().invoke(app, [str(word) for word in words], input=input)
    assert "Traceback" not in result.output
    if result.exception is not None:
        assert isinstance(result.exception, SystemExit), result.exception
    return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def attn_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AttnAudit:
    """Run a command in an empty working directory; a traceback is a failed test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return invoke


def write_model(path: Path, seed: int = 0) -> Path:
    """A tiny binary model: labels `label0` and `label1`."""
    save_checkpoint(path, checkpoint_of(tiny_model(seed=seed)))
    return path


def write_data(path: Path) -> Path:
    """Eight labelled texts."""
    rows = [
        f'{{"id": "e{i}", "text": "w{i + 4} w9 w11 w{i + 13} w30", "label": "label{i % 2}"}}'
        for i in range(8)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny binary model."""
    return write_model(tmp_path / "model.pt")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight labelled texts."""
    return write_data(tmp_path / "data.jsonl")


@pytest.fixture
def report(audited: Path, tmp_path: Path) -> Path:
    """A copy of an audit's report, beside its records."""
    for name in ("report.json", "records.jsonl"):
        shutil.copy(audited / name, tmp_path)
    return tmp_path / "report.json"


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small audit with its records."""
    folder = tmp_path_factory.mktemp("audited")
    outputs = ("--output", folder / "report.json", "--records", folder / "records.jsonl")
    words = ("--permutations", 5, "--iterations", 3, "--restarts", 1)
    model, data = write_model(folder / "model.pt"), write_data(folder / "data.jsonl")
    assert invoke("audit", model, data, *words, *outputs).exit_code == 0
    return folder
