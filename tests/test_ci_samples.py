"""The CI samples, run as far as that goes without the services."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from attn_audit.models.task import TaskKind
from tests.releases import Audited, audited, write_model, write_texts

__all__ = ["Audited", "audited"]

SAMPLES = Path(__file__).parents[1] / "sample_configs" / "ci"
PASSES = '[[bound]]\nmetric = "permutation.distance"\nmax = 1.0\n'
FAILS = '[[bound]]\nmetric = "permutation.distance"\nmax = 0.0\n'
WITHIN = '[[bound]]\nmetric = "permutation.jsd"\nmax_rise = 0.69\n'
BEYOND = '[[bound]]\nmetric = "permutation.jsd"\nmax_rise = 0.0\n'


def loaded(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((SAMPLES / name).read_text(encoding="utf-8"))
    return content


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with a model, data, and the command on the PATH."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "attn-audit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m attn_audit "$@"\n')
    command.chmod(0o755)
    write_model(tmp_path / "model.pt", 1.0, TaskKind.BINARY)
    (tmp_path / "data").mkdir()
    write_texts(tmp_path / "data" / "test.jsonl")
    return tmp_path


def run(script: str, folder: Path, **variables: str) -> int:
    """Run a script as the service's runner does; packages are there already."""
    lines = [line for line in script.splitlines() if not line.startswith("pip install")]
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SAMPLES.parents[1]),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **variables,
    }
    words = ["bash", "-e", "-c", "\n".join(lines)]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True).returncode


def steps() -> Iterator[dict[str, Any]]:
    for job in loaded("github-actions.yml")["jobs"].values():
        yield from job["steps"]


def test_actions_are_pinned_by_hash_with_their_version_beside() -> None:
    text = (SAMPLES / "github-actions.yml").read_text(encoding="utf-8")
    used = re.findall(r"uses: (.*)", text)
    assert len(used) == sum("uses" in step for step in steps())
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in used)


def test_jobs_have_the_least_permissions() -> None:
    workflow = loaded("github-actions.yml")
    assert workflow["permissions"] == {}
    granted = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert granted["audit"] == {"contents": "read"}
    assert granted["code-scanning"] == {"contents": "read", "security-events": "write"}
    checkouts = [step for step in steps() if "checkout" in step.get("uses", "")]
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_the_github_workflow_audits_and_judges(workplace: Path) -> None:
    (workplace / "policy.toml").write_text(PASSES)
    variables = {**loaded("github-actions.yml")["env"], "POLICY": "policy.toml"}
    scripts = {step["name"]: step["run"] for step in steps() if "run" in step}
    assert run(scripts["Audit and judge"], workplace, **variables) == 0
    assert run(scripts["Summary"], workplace, **variables) == 0
    assert (workplace / "summary.md").read_text(encoding="utf-8").startswith("## ")
    kept = next(
        step["with"]["path"] for step in steps() if "upload-artifact" in step.get("uses", "")
    )
    assert all((workplace / name).is_file() for name in kept.split())


def test_the_gitlab_job_audits_and_judges(workplace: Path) -> None:
    (workplace / "policy.toml").write_text(FAILS)
    job = loaded("gitlab-ci.yml")["attention-audit"]
    variables = {**job["variables"], "POLICY": "policy.toml"}
    assert run("\n".join(job["script"]), workplace, **variables) == 1
    artifacts = [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]
    assert all((workplace / name).is_file() for name in artifacts)


@pytest.mark.parametrize(
    ("policy", "changes", "expected"),
    [(PASSES, WITHIN, 0), (FAILS, WITHIN, 1), (PASSES, BEYOND, 1)],
)
def test_the_pre_release_line_gates_and_compares(
    workplace: Path, audited: Audited, policy: str, changes: str, expected: int
) -> None:
    (workplace / "policy.toml").write_text(policy)
    (workplace / "changes.toml").write_text(changes)
    new, last = audited(6.0), audited(1.0)  # attention of the new one is more peaked
    line = f'bash "{SAMPLES / "pre_release.sh"}" "{new}" "{last}"'
    variables = {"POLICY": "policy.toml", "CHANGES": "changes.toml"}
    assert run(line, workplace, **variables) == expected
