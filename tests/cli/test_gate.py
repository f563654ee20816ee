"""`gate`, `metrics` and `--policy`: exit codes, what is said, and where."""

import html
import json
import subprocess
import sys
from pathlib import Path

import pytest

from attn_audit.findings import permutation
from attn_audit.findings.registry import all_fields, statistics
from attn_audit.judgement.answer import answer_of
from attn_audit.results.report import Report
from tests.cli.conftest import AttnAudit
from tests.conftest import REPOSITORY
from tests.formats.conftest import report
from tests.judged import MOVED, may_be_shown, with_number, without

__all__ = ["report"]

EASY = f'[[bound]]\nmetric = "{MOVED}"\nmin = 0.0\n'
POLICY = f'[[bound]]\nmetric = "{MOVED}"\nmin = 0.5\n'
INTERVALS = {"pass": (0.55, 0.65), "fail": (0.05, 0.15), "inconclusive": (0.45, 0.55)}
RUN = "from attn_audit.cli import app; app({words!r})"


@pytest.fixture(scope="module")
def saved(report: Report, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports on disk, by what the policy says of them."""
    paths, folder = {}, tmp_path_factory.mktemp("saved")
    for name, interval in INTERVALS.items():
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(with_number(report, MOVED, sum(interval) / 2, interval).to_json())
    return paths


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


@pytest.mark.parametrize(
    ("outcome", "flags", "code"),
    [
        ("pass", [], 0),
        ("fail", [], 1),
        ("inconclusive", [], 4),
        ("inconclusive", ["--inconclusive", "pass"], 0),
        ("inconclusive", ["--inconclusive", "fail"], 1),
        ("fail", ["--inconclusive", "pass"], 1),
        ("pass", ["--inconclusive", "fail"], 0),
    ],
)
def test_the_exit_code_is_the_verdict(
    attn_audit: AttnAudit,
    saved: dict[str, Path],
    policy: Path,
    outcome: str,
    flags: list[str],
    code: int,
) -> None:
    done = attn_audit("gate", saved[outcome], "--policy", policy, *flags)
    assert done.exit_code == code
    assert done.stderr == ""


def test_says_what_was_found_wanted_and_what_to_look_at(
    attn_audit: AttnAudit, saved: dict[str, Path], policy: Path
) -> None:
    shown = attn_audit("gate", saved["fail"], "--policy", policy).stdout
    for part in (MOVED, "10% [5.0%, 15%]", "50%", "fail", "look at", "eczd20f"):
        assert part in shown
    assert "✗ The gate failed (1 bound: 1 failed)." in " ".join(shown.split())


def test_json_holds_the_whole_verdict(
    attn_audit: AttnAudit, saved: dict[str, Path], policy: Path
) -> None:
    done = attn_audit("gate", saved["fail"], "--policy", policy, "--format", "json")
    verdict = json.loads(done.stdout)
    assert done.exit_code == 1
    assert verdict["outcome"] == "fail"
    assert verdict["policy"] == "policy.toml"
    (judgement,) = verdict["judgements"]
    assert judgement["metric"] == MOVED
    assert judgement["interval"] == {"low": 0.05, "high": 0.15, "method": "bootstrap"}
    assert judgement["counts"] == "fail"


def test_a_check_that_raised_does_not_pass(
    attn_audit: AttnAudit, report: Report, policy: Path, tmp_path: Path
) -> None:
    path = tmp_path / "raised.json"
    path.write_text(without(report, "permutation", was_run=True).to_json())
    done = attn_audit("gate", path, "--policy", policy)
    assert done.exit_code == 4
    assert "raised an error" in done.stdout


ANSWERS: dict[str, dict[str, tuple[float, float]]] = {
    "yes": {},
    "hint": {"polarity": (0.3, 0.4)},
    "no": {"unattended": (0.1, 0.2)},
    "unknown": {"unattended": (0.04, 0.06)},
}


@pytest.fixture(scope="module")
def answered(report: Report, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports on disk, by their answer."""
    paths, folder = {}, tmp_path_factory.mktemp("answered")
    for name, numbers in ANSWERS.items():
        found = may_be_shown(report, **numbers)
        paths[name] = folder / f"{name}.json"
        stored = found.model_copy(update={"answer": answer_of(found), "records_file": None})
        paths[name].write_text(stored.to_json())
    return paths


@pytest.mark.parametrize(
    ("answer", "flags", "code"),
    [
        ("yes", [], 0),
        ("hint", [], 0),
        ("no", [], 1),
        ("unknown", [], 4),
        ("yes", ["--require", "yes"], 0),
        ("hint", ["--require", "yes"], 1),
        ("no", ["--require", "yes"], 1),
        ("unknown", ["--require", "yes"], 4),
        ("unknown", ["--inconclusive", "fail"], 1),
    ],
)
def test_without_a_policy_the_exit_code_is_the_answer(
    attn_audit: AttnAudit, answered: dict[str, Path], answer: str, flags: list[str], code: int
) -> None:
    done = attn_audit("gate", answered[answer], *flags, "--format", "json")
    assert done.exit_code == code
    assert json.loads(done.stdout)["answer"]["verdict"] == answer


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("hint", 1), ("no", 1), ("unknown", 4)])
def test_yes_may_be_asked_for_whatever_a_policy_says(
    attn_audit: AttnAudit, answered: dict[str, Path], policy: Path, answer: str, code: int
) -> None:
    policy.write_text(EASY)
    done = attn_audit("gate", answered[answer], "--policy", policy, "--require", "yes")
    assert done.exit_code == code


def test_a_policy_that_passes_beside_a_no_says_so_in_the_first_lines(
    attn_audit: AttnAudit, answered: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text(EASY)
    outputs = ("--output", "gate.md", "--output", "gate.html", "--output", "gate.txt")
    flags = ("--policy", "mine.toml", *outputs, "--format", "terminal", "-q")
    done = attn_audit("gate", answered["no"], *flags)
    assert done.exit_code == 0
    first = "✗ No"
    other = "The policy mine.toml passed: it asks for other things, and changes nothing here."
    assert done.stdout.splitlines()[1] == first
    pages = [(tmp_path / f"gate.{name}").read_text(encoding="utf-8") for name in ("txt", "html")]
    for text in (done.stdout, *pages):
        plain = " ".join(html.unescape(text).split())
        assert first in plain
        assert plain.index(first) < plain.index(other) < plain.index("The gate passed")
    lines = (tmp_path / "gate.md").read_text(encoding="utf-8").splitlines()
    assert lines[4] == "**❌ No**"
    assert "passed: it asks for other things, and changes nothing here." in "\n".join(lines[4:11])


def test_the_packaged_rules_are_judged_by_unless_another_is_named(
    attn_audit: AttnAudit, saved: dict[str, Path]
) -> None:
    shown = attn_audit("gate", saved["fail"]).stdout
    assert "default (sha256" in shown


def test_the_packaged_rules_can_be_copied_and_used(
    attn_audit: AttnAudit, saved: dict[str, Path], tmp_path: Path
) -> None:
    printed = attn_audit("gate", "--print-default-policy")
    assert printed.exit_code == 0
    (tmp_path / "mine.toml").write_text(printed.stdout)
    own = attn_audit("gate", saved["fail"], "--policy", "mine.toml", "--format", "json")
    default = attn_audit("gate", saved["fail"], "--format", "json")
    assert json.loads(own.stdout)["judgements"] == json.loads(default.stdout)["judgements"]


def test_the_sample_policy_runs_as_it_is(attn_audit: AttnAudit, saved: dict[str, Path]) -> None:
    sample = REPOSITORY / "sample_configs" / "policies" / "release.toml"
    assert attn_audit("gate", saved["pass"], "--policy", sample).exit_code in (0, 1, 4)


@pytest.mark.parametrize(
    ("report_text", "policy_text", "message"),
    [
        (None, POLICY, "cannot use the report"),
        ("{", POLICY, "cannot use the report"),
        ("", "min_exmaples = 3", "Did you mean 'min_examples'?"),
        ("", POLICY.replace("moved", "movd"), "Did you mean 'permutation.moved'?"),
        ("", "", "bounds no number of a report"),
        ("", "[", "cannot read the policy"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    attn_audit: AttnAudit,
    saved: dict[str, Path],
    tmp_path: Path,
    report_text: str | None,
    policy_text: str,
    message: str,
) -> None:
    path, policy = tmp_path / "given.json", tmp_path / "given.toml"
    if report_text is not None:
        path.write_text(report_text or saved["pass"].read_text())
    policy.write_text(policy_text)
    done = attn_audit("gate", path, "--policy", policy)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


def test_gating_needs_neither_torch_nor_numbers(saved: dict[str, Path], policy: Path) -> None:
    words = ["gate", str(saved["pass"]), "--policy", str(policy)]
    listing = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    done = subprocess.run(
        [sys.executable, "-c", listing + RUN.format(words=words)],
        env={"PYTHONPATH": str(REPOSITORY), "HOME": str(policy.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    heavy = {"torch", "numpy", "pyarrow", "scipy", "transformers", "jaxtyping", "datasets"}
    assert not heavy & set(done.stderr.split())


def test_metrics_lists_everything_that_a_bound_may_name(attn_audit: AttnAudit) -> None:
    listed = json.loads(attn_audit("metrics", "--format", "json").stdout)
    assert [entry["name"] for entry in listed["metrics"]] == list(statistics())
    assert [entry["name"] for entry in listed["fields"]] == [field.name for field in all_fields()]
    assert all(entry["definition"] for part in listed.values() for entry in part)


def test_metrics_says_statistics_of_distributions_once(attn_audit: AttnAudit) -> None:
    shown = attn_audit("metrics").stdout
    assert "permutation.moved *" in shown
    assert "correlation.gap.attention_gradient ~*" in shown
    assert "correlation.gap.attention_gradient.sd" not in shown
    assert ".q95" in shown


def test_an_audit_is_judged_after_its_report_is_written(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "never.toml").write_text('[[bound]]\nmetric = "permutation.jsd"\nmax = 0\n')
    words = ("permute", model, data, "--policy", "never.toml", "--output", "report.json", "-q")
    done = attn_audit(*words)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[1] == "? Cannot be told"
    assert "The gate failed" in done.stdout
    assert Report.load(tmp_path / "report.json").get(permutation.DISTANCE) is not None
    assert attn_audit("gate", "report.json", "--policy", "never.toml").exit_code == 1


def test_a_verdict_stands_beside_a_json_report(
    attn_audit: AttnAudit, model: Path, data: Path
) -> None:
    done = attn_audit("permute", model, data, "--policy", "default", "--format", "json", "-q")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["schema_version"] == 4
    assert "The gate is inconclusive" in done.stderr
    flags = ("--policy", "default", "--inconclusive", "pass", "-q")
    passed = attn_audit("correlate", model, data, *flags)
    assert passed.exit_code == 0
    assert passed.stdout.splitlines()[1] == "? Cannot be told"
    assert "Attention audit" in passed.stdout
    assert "Gate" in passed.stdout


def test_an_answer_that_is_required_is_judged_without_naming_a_policy(
    attn_audit: AttnAudit, model: Path, data: Path
) -> None:
    done = attn_audit("permute", model, data, "--format", "json", "-q", "--require", "yes")
    assert done.exit_code == 4
    assert "? Cannot be told\n" in done.stderr


def test_a_policy_may_stand_in_the_configuration(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    (folder / "policy.toml").write_text(POLICY)
    (folder / "a.toml").write_text('policy = "policy.toml"\ninconclusive = "fail"\n')
    done = attn_audit("permute", model, data, "--config", folder / "a.toml", "-q")
    assert "policy.toml (sha256" in done.stdout
    assert done.exit_code in (0, 1)


def test_a_policy_with_a_typo_is_found_before_the_audit(
    attn_audit: AttnAudit, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "typo.toml").write_text("min_exmaples = 3")
    done = attn_audit("audit", "owner/model", data, "--policy", "typo.toml")
    assert done.exit_code == 2
    assert "unknown key 'min_exmaples'" in done.stderr
