"""What is not needed is not loaded: every path starts as soon as it can."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from attn_audit.api import audit
from attn_audit.formats.registry import FORMATS
from attn_audit.models.paper.checkpoint import save_checkpoint
from tests.conftest import REPOSITORY, Checkpoint
from tests.tiny import checkpoint_of, tiny_model

FIRST_EXAMPLE = """
import attn_audit.engine.audit, attn_audit.config
from attn_audit.progress import Watcher
class Enough(Exception): pass
def stop(progress):
    if progress.n_examples is not None: raise Enough  # the model is loaded
settings = attn_audit.config.AuditSettings(model={model!r}, data=({data!r},))
try:
    attn_audit.engine.audit.run_audit(settings, watcher=Watcher(stop))
    raise SystemExit("no progress was told of")
except Enough:
    pass
"""
HELP = """
import contextlib, io
from attn_audit.cli import app
with contextlib.redirect_stdout(io.StringIO()):
    for words in {commands!r}:
        app([*words, "--help"], standalone_mode=False)
"""
RENDER = """
from pathlib import Path
from attn_audit.cli import app
from attn_audit.formats.result_files import write_reports
from attn_audit.formats.registry import FORMATS
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict
app(["report", "stored.json"], standalone_mode=False)
verdict = Verdict(policy="none", policy_sha256="0" * 64, judgements=())
paths = [Path("out" + suffix) for suffix in FORMATS]
write_reports(Report.load(Path("stored.json")), verdict, paths, Path())
"""
NAMES = (
    *("audit", "plan", "inspect", "report", "verify", "explain", "gate", "compare"),
    *("metrics", "train", "demo", "selftest"),
)
COMMANDS: tuple[list[str], ...] = ([], *([name] for name in NAMES))


def loaded(code: str, folder: Path) -> set[str]:
    """The modules that are there after some code has run in a new process."""
    kept = {name: os.environ[name] for name in ("XDG_CACHE_HOME", "OMP_NUM_THREADS")}
    listing = "\nimport sys\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + listing],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "HOME": str(folder), **kept},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "w4 w9 w11 w13 w30"}\n' * 3)
    return path


def test_help_needs_no_numbers(tmp_path: Path) -> None:
    modules = loaded(HELP.format(commands=COMMANDS), tmp_path)
    heavy = {"torch", "numpy", "pyarrow", "transformers", "datasets", "fsspec", "filelock"}
    ours = {"attn_audit.config", "attn_audit.data", "attn_audit.results", "attn_audit.statistics"}
    assert not (heavy | ours) & modules


def test_a_stored_report_is_shown_and_rendered_without_numbers(tmp_path: Path) -> None:
    path = tmp_path / "stored.json"
    report = audit("demo", "demo", limit=5, checks="correlation", measures="gradient")
    path.write_text(report.to_json(), encoding="utf-8")
    heavy = {"torch", "numpy", "pyarrow", "transformers", "datasets", "scipy", "fsspec", "filelock"}
    modules = loaded(RENDER, tmp_path)
    assert not heavy & modules
    assert {"altair", "attn_audit.findings.registry"} <= modules
    assert {f"out{suffix}" for suffix in FORMATS} <= {file.name for file in tmp_path.iterdir()}


def test_a_model_of_the_paper_needs_torch_and_little_else(tmp_path: Path, data: Path) -> None:
    path = tmp_path / "model.pt"
    save_checkpoint(path, checkpoint_of(tiny_model()))
    code = FIRST_EXAMPLE.format(model=str(path), data=str(data))
    heavy = {"transformers", "datasets", "scipy", "torch._dynamo", "sympy", "pandas"}
    assert not heavy & loaded(code, tmp_path)


def test_a_transformer_needs_no_data_sets_library(
    tmp_path: Path, data: Path, checkpoint: Checkpoint
) -> None:
    code = FIRST_EXAMPLE.format(model=str(checkpoint("bert")), data=str(data))
    modules = loaded(code, tmp_path)
    assert "transformers" in modules
    assert not {"datasets", "scipy.stats", "sklearn", "torchvision"} & modules


def test_a_page_loads_what_it_draws_with_only_when_it_is_asked_for(tmp_path: Path) -> None:
    modules = loaded("import attn_audit.public, attn_audit.cli.results", tmp_path)
    assert not {"altair", "vl_convert", "jinja2", "torch"} & modules
