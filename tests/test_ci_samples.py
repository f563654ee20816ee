"""The CI samples and the action, run as far as that goes without the services."""

import os
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import attn_audit
from attn_audit.models.task import TaskKind
from tests.releases import audited, base, new, write_model, write_texts
from tests.serving import served

__all__ = ["audited", "base", "new"]

REPOSITORY = Path(__file__).parents[1]
SAMPLES = REPOSITORY / "sample_configs" / "ci"
ACTION, HOOKS = REPOSITORY / "action.yml", REPOSITORY / ".pre-commit-hooks.yaml"
WORKFLOWS = (SAMPLES / "github-actions.yml", SAMPLES / "github-action-use.yml")
PASSES = '[[bound]]\nmetric = "permutation.distance"\nmax = 1.0\n'
FAILS = '[[bound]]\nmetric = "permutation.distance"\nmax = 0.0\n'
WITHIN = '[[bound]]\nmetric = "permutation.jsd"\nmax_rise = 0.69\n'
BEYOND = '[[bound]]\nmetric = "permutation.jsd"\nmax_rise = 0.0\n'


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def project() -> dict[str, Any]:
    content = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, Any] = content["project"]
    return found


SOURCE: str = project()["urls"]["Source"]
TAG = f"v{attn_audit.__version__}"
PINS = f"{SOURCE}/raw/{TAG}/constraints.txt"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`attn-audit`."""
    with served(tmp_path_factory.mktemp("served")) as command:
        yield command


@pytest.fixture
def workplace(tmp_path: Path, command: Path) -> Path:
    """A folder with a model, data, and the command on the PATH; `pip` notes what it is told."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "attn-audit").symlink_to(command)
    pip = tmp_path / "bin" / "pip"
    pip.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/installed.txt"\n')
    pip.chmod(0o755)
    write_model(tmp_path / "model.pt", 1.0, TaskKind.BINARY)
    (tmp_path / "data").mkdir()
    write_texts(tmp_path / "data" / "test.jsonl")
    (tmp_path / "attn-audit.toml").write_text("permutations = 20\niterations = 5\n")
    (tmp_path / "passes.toml").write_text(PASSES)
    (tmp_path / "fails.toml").write_text(FAILS)
    (tmp_path / "beyond.toml").write_text(BEYOND)
    return tmp_path


def run(script: str, folder: Path, **variables: str) -> int:
    """Run a script as the services' runners do."""
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        "GITHUB_OUTPUT": str(folder / "outputs.txt"),
        **variables,
    }
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True).returncode


def installed(folder: Path) -> list[str]:
    return (folder / "installed.txt").read_text(encoding="utf-8").splitlines()


# --- one address, one version ---------------------------------------------------------------------


def test_all_install_from_the_one_address_at_the_tag_of_this_version() -> None:
    """Until there is a release; by name nothing may be installed: the name is nobody's yet."""
    texts = {
        path.relative_to(REPOSITORY): path.read_text(encoding="utf-8")
        for folder in (SAMPLES, REPOSITORY / "docs")
        for path in sorted(folder.iterdir())
        if path.suffix in (".yml", ".sh", ".md")
    }
    from_git = {n: re.findall(r"git\+(\S+?)(?=[\s'\"`]|$)", text) for n, text in texts.items()}
    assert {use for uses in from_git.values() for use in uses} == {f"{SOURCE}@{TAG}"}
    assert sum(bool(uses) for uses in from_git.values()) >= 3  # both services, and the docs
    for name, text in texts.items():
        assert not re.search(r"pip install '?attn-audit", text), name


def test_the_address_is_that_of_project_and_citation() -> None:
    assert loaded(REPOSITORY / "CITATION.cff")["repository-code"] == SOURCE
    assert loaded(REPOSITORY / "CITATION.cff")["version"] == attn_audit.__version__
    names = (*SAMPLES.iterdir(), *(REPOSITORY / "docs").glob("*.md"))
    host = SOURCE.removeprefix("https://")
    for path in names:
        for found in re.findall(r"[\w.-]+\.example/[\w./-]*", path.read_text(encoding="utf-8")):
            assert found.startswith(host), path


def test_the_action_is_used_from_the_same_address() -> None:
    used = [step.get("uses", "") for step in steps(loaded(WORKFLOWS[1]))]
    assert SOURCE.removeprefix("https://").removeprefix("github.com/") + f"@{TAG}" in used
    text = (REPOSITORY / "docs" / "gate.md").read_text(encoding="utf-8")
    assert f"repo: {SOURCE}\n    rev: {TAG}\n" in text


# --- workflows ------------------------------------------------------------------------------------


def steps(workflow: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_actions_are_pinned_by_hash_with_their_version_beside(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))
    others = [use for use in used if not use.startswith("attn-audit.example/")]
    assert others
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use) for use in others)


def test_jobs_have_the_least_permissions() -> None:
    for path in WORKFLOWS:
        workflow = loaded(path)
        assert workflow["permissions"] == {}
        assert workflow["jobs"]["audit"]["permissions"] == {"contents": "read"}
        checkouts = [step for step in steps(workflow) if "checkout" in step.get("uses", "")]
        assert checkouts
        assert all(step["with"] == {"persist-credentials": False} for step in checkouts)
    granted = loaded(WORKFLOWS[0])["jobs"]["code-scanning"]["permissions"]
    assert granted == {"contents": "read", "security-events": "write"}


def test_no_text_of_others_stands_in_a_script() -> None:
    """What `${{ }}` gives is put into a script before the shell reads it: as commands, if it is."""
    scripts = [step["run"] for path in WORKFLOWS for step in steps(loaded(path)) if "run" in step]
    scripts += [step["run"] for step in loaded(ACTION)["runs"]["steps"] if "run" in step]
    assert len(scripts) == 6
    assert not any("${{" in script for script in scripts)


def test_the_github_workflow_installs_audits_judges_and_compares(
    workplace: Path, base: Path
) -> None:
    workflow = loaded(WORKFLOWS[0])
    variables = {
        **workflow["env"],
        "POLICY": "passes.toml",
        "BASE": str(base),
    }
    scripts = {step["name"]: step["run"] for step in steps(workflow) if "run" in step}
    assert run(scripts["Install"], workplace, **variables) == 0
    assert installed(workplace) == [
        f"install -c {PINS} torch --index-url https://download.pytorch.org/whl/cpu",
        f"install -c {PINS} git+{SOURCE}@{TAG}",
    ]
    assert run(scripts["Audit and judge"], workplace, **variables) == 0
    # 30 texts would be too few for the policy, but what stands is the same model.
    assert run(scripts["No worse than the release that stands"], workplace, **variables) == 0
    assert run(scripts["Summary"], workplace, **variables) == 0
    summary = (workplace / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("## ")
    assert summary.endswith((workplace / "changes.md").read_text(encoding="utf-8"))
    kept = next(
        step["with"]["path"]
        for step in steps(workflow)
        if "upload-artifact" in step.get("uses", "")
    )
    assert all((workplace / name).is_file() for name in kept.split())


@pytest.mark.parametrize(("policy", "expected"), [("passes.toml", 0), ("fails.toml", 1)])
def test_the_gitlab_job_audits_judges_and_compares_whatever_the_first_verdict(
    workplace: Path, base: Path, policy: str, expected: int
) -> None:
    job = loaded(SAMPLES / "gitlab-ci.yml")["attention-audit"]
    variables = {**job["variables"], "POLICY": policy, "BASE": str(base)}
    assert run("\n".join(job["script"]), workplace, **variables) == expected
    assert installed(workplace)[1] == f"install -c {PINS} git+{SOURCE}@{TAG}"
    artifacts = [*job["artifacts"]["paths"], *job["artifacts"]["reports"]["junit"]]
    assert all((workplace / name).is_file() for name in artifacts)


def test_the_gitlab_job_fails_by_the_policy_where_there_is_no_base(workplace: Path) -> None:
    job = loaded(SAMPLES / "gitlab-ci.yml")["attention-audit"]
    variables = {**job["variables"], "POLICY": "fails.toml"}
    assert run("\n".join(job["script"]), workplace, **variables) == 1


@pytest.mark.parametrize(
    ("policy", "changes", "expected"),
    [(PASSES, WITHIN, 0), (FAILS, WITHIN, 1), (PASSES, BEYOND, 1)],
)
def test_the_pre_release_line_gates_and_compares(
    workplace: Path, new: Path, base: Path, policy: str, changes: str, expected: int
) -> None:
    (workplace / "policy.toml").write_text(policy)
    (workplace / "changes.toml").write_text(changes)
    line = f'bash "{SAMPLES / "pre_release.sh"}" "{new}" "{base}"'
    variables = {"POLICY": "policy.toml", "CHANGES": "changes.toml"}
    assert run(line, workplace, **variables) == expected


# --- the action -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """What the action did."""

    code: int
    outputs: dict[str, str]


def filled(text: str, known: Mapping[str, str]) -> str:
    """A value of the action with its expressions filled in; an unknown one is an error."""
    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda found: known[found[1]], text)


def act(folder: Path, **given: str) -> Ended:
    """Run the action's scripts, one after another, until one fails."""
    action = loaded(ACTION)
    inputs = {name: str(told.get("default", "")) for name, told in action["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    known = {f"inputs.{name}": value for name, value in inputs.items()}
    known |= {"github.action_path": str(REPOSITORY), "runner.os": "Linux"}
    code = 0
    for step in action["runs"]["steps"]:
        for value in step.get("with", {}).values():
            filled(value, known)
        if "run" in step and code == 0:
            assert step["shell"] == "bash"
            variables = {name: filled(value, known) for name, value in step["env"].items()}
            code = run(step["run"], folder, **variables)
    outputs = folder / "outputs.txt"
    lines = outputs.read_text(encoding="utf-8").splitlines() if outputs.exists() else []
    of_step = dict(line.split("=", 1) for line in lines)
    names = {name: told["value"] for name, told in action["outputs"].items()}
    known = {f"steps.audit.outputs.{name}": of_step.get(name, "") for name in names}
    return Ended(code, {name: filled(value, known) for name, value in names.items()})


def test_the_action_passes_a_model_that_passes(workplace: Path) -> None:
    ended = act(workplace, model="model.pt", data="data", policy="passes.toml")
    assert ended == Ended(
        0,
        {
            "verdict": "pass",
            "changes": "",
            "report": "attention-audit/report.json",
            "page": "attention-audit/report.html",
            "sarif": "attention-audit/gate.sarif",
        },
    )
    assert all((workplace / ended.outputs[name]).is_file() for name in ("report", "page", "sarif"))
    assert (workplace / "summary.md").read_text(encoding="utf-8").startswith("## ")
    assert installed(workplace)[1] == f"install -c {REPOSITORY / 'constraints.txt'} {REPOSITORY}"


def test_the_action_fails_a_model_that_fails_and_still_gives_its_report(workplace: Path) -> None:
    ended = act(workplace, model="model.pt", data="data", policy="fails.toml", output="a b")
    assert (ended.code, ended.outputs["verdict"]) == (1, "fail")
    assert (workplace / ended.outputs["report"]).is_file()
    assert ended.outputs["page"] == "a b/report.html"


@pytest.mark.parametrize(
    ("policy", "verdict", "code"), [("passes.toml", "pass", 1), ("fails.toml", "fail", 1)]
)
def test_the_action_fails_what_got_worse(
    workplace: Path, base: Path, policy: str, verdict: str, code: int
) -> None:
    write_model(workplace / "model.pt", 6.0, TaskKind.BINARY)
    said = {"policy": policy, "base_report": str(base), "changes": "beyond.toml"}
    ended = act(workplace, model="model.pt", data="data", **said)
    assert ended.code == code
    assert (ended.outputs["verdict"], ended.outputs["changes"]) == (verdict, "fail")


@pytest.mark.parametrize(
    "broken",
    [
        {"model": "nowhere.pt"},
        {"model": "--help"},
        {"policy": "nowhere.toml"},
        {"config": "nowhere.toml"},
        {"output": "one\nverdict=pass"},
    ],
    ids=str,
)
def test_the_action_gives_no_verdict_of_a_broken_input(
    workplace: Path, broken: dict[str, str]
) -> None:
    ended = act(
        workplace, **{"model": "model.pt", "data": "data", "policy": "passes.toml", **broken}
    )
    assert ended.code == 2
    assert set(ended.outputs.values()) == {""}


def test_an_input_is_never_run_as_a_command(workplace: Path) -> None:
    text = '$(touch done)"; touch done; `touch done` #'
    assert act(workplace, **dict.fromkeys(("model", "data", "policy", "config"), text)).code == 2
    assert not (workplace / "done").exists()


# --- the pre-commit hook --------------------------------------------------------------------------


@pytest.fixture
def hook() -> dict[str, Any]:
    (found,) = loaded(HOOKS)
    return dict(found)


def test_the_hook_is_one_that_pre_commit_takes(hook: dict[str, Any]) -> None:
    assert set(hook) >= {"id", "name", "entry", "language"}
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    assert hook["entry"].split()[0] in project()["scripts"]
    assert re.search(hook["files"], "attention/report.json")
    clientlib = pytest.importorskip("pre_commit.clientlib", reason="needs pip install pre-commit")
    assert clientlib.load_manifest(str(HOOKS))[0]["id"] == hook["id"]


@pytest.mark.parametrize(
    ("report", "policy", "expected"),
    [("report.json", "passes.toml", 0), ("report.json", "fails.toml", 1), ("model.pt", None, 2)],
)
def test_the_hook_gates_the_stored_report(
    workplace: Path,
    base: Path,
    hook: dict[str, Any],
    report: str,
    policy: str | None,
    expected: int,
) -> None:
    (workplace / "report.json").write_bytes(base.read_bytes())
    words = [*hook["entry"].split(), report, *(["--policy", policy] if policy else [])]
    assert run(" ".join(words), workplace) == expected
