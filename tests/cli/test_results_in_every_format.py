"""Every command writes its result for people and for programs, and nothing that is no format."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit

COMMANDS = {
    "explain": ("model.pt", "--text", "w4 w9 w11 w13 w30"),
    "inspect": ("model.pt",),
    "plan": ("model.pt", "data.jsonl"),
    "verify": ("report.json", "model.pt", "data.jsonl"),
    "metrics": (),
}
KINDS = {
    "explain": "Explanation",
    "inspect": "Model",
    "plan": "Plan",
    "verify": "Verification",
    "metrics": "Metrics",
}


@pytest.fixture
def copied(audited: Path, tmp_path: Path) -> None:
    shutil.copytree(audited, tmp_path, dirs_exist_ok=True)


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_format_at_once(attn_audit: AttnAudit, command: str) -> None:
    outputs = [word for s in ("json", "html", "md", "txt") for word in ("--output", f"out.{s}")]
    done = attn_audit(command, *COMMANDS[command], *outputs)
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert done.stderr.count(" written to out.") == 4
    assert json.loads(Path("out.json").read_text(encoding="utf-8"))
    kind = KINDS[command]
    page = Path("out.html").read_text(encoding="utf-8")
    assert f'<p class="eyebrow">{kind}' in page
    assert "<h1>" in page
    assert Path("out.md").read_text(encoding="utf-8").startswith(f"## {kind}")
    text = Path("out.txt").read_text(encoding="utf-8")
    first = {"explain": "Very different attention", "verify": "Everything holds"}.get(command, kind)
    assert text.startswith(first)
    assert f"{kind} ──" in text


@pytest.mark.usefixtures("copied")
@pytest.mark.parametrize("command", COMMANDS)
def test_beside_a_file_standard_output_holds_what_is_asked_for(
    attn_audit: AttnAudit, command: str
) -> None:
    words = (*COMMANDS[command], "--output", "out.md", "--format", "json", "--quiet")
    done = attn_audit(command, *words)
    assert done.exit_code == 0
    assert json.loads(done.stdout)
    assert Path("out.md").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("out.csv", "'.csv' is none for this"),
        ("out.docx", "'.docx' is none"),
        ("nowhere/out.md", "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_computed(
    attn_audit: AttnAudit, model: Path, data: Path, command: str, output: str, message: str
) -> None:
    assert model.exists()
    assert data.exists()
    done = attn_audit(command, *COMMANDS[command], "--output", output)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
    assert done.stdout == ""


def test_the_model_is_not_overwritten(attn_audit: AttnAudit, model: Path) -> None:
    page = model.with_suffix(".md")
    model.rename(page)
    done = attn_audit("inspect", page, "--output", page)
    assert done.exit_code == 2
    assert "is read by this command" in " ".join(done.stderr.split())
