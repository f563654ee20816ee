"""The command line as a user meets it: words in; exit code, output and messages out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from attn_audit.cli import app
from attn_audit.models.paper.checkpoint import save_checkpoint
from tests.tiny import tiny_model


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


AttnAudit = Callable[..., Outcome]


@pytest.fixture
def attn_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AttnAudit:
    """Run a command in an empty working directory; a traceback is a failed test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*words: object, input: str | None = None) -> Outcome:
        result = CliRunner().invoke(app, [str(word) for word in words], input=input)
        assert "Traceback" not in result.output
        if result.exception is not None:
            assert isinstance(result.exception, SystemExit), result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny binary model: labels `label0` and `label1`."""
    path, tiny = tmp_path / "model.pt", tiny_model()
    save_checkpoint(
        path,
        tiny.network.architecture,
        tiny.tokenizer,
        tiny.vocabulary,
        tiny.task,
        tiny.network.state_dict(),
        {},
    )
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight labelled texts."""
    path = tmp_path / "data.jsonl"
    rows = [
        f'{{"id": "e{i}", "text": "w{i + 4} w9 w11 w{i + 13} w30", "label": "label{i % 2}"}}'
        for i in range(8)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path
