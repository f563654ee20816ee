"""`compare`: exit codes and what is said."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit
from tests.releases import audited, base, new, rewritten

__all__ = ["audited", "base", "new"]

TAU = "correlation.attention_gradient"


def bound(change: str) -> str:
    return f'[[bound]]\nmetric = "permutation.jsd"\n{change}\n'


def test_shows_changes_effects_and_the_examples_that_changed_most(
    attn_audit: AttnAudit, base: Path, new: Path
) -> None:
    done = attn_audit("compare", base, new)
    assert done.exit_code == 0
    for part in ("30 matched by id", TAU, "d_z", "Examples that changed most", "→"):
        assert part in done.stdout


def test_json_holds_every_change(attn_audit: AttnAudit, base: Path, new: Path) -> None:
    found = json.loads(attn_audit("compare", base, new, "--format", "json").stdout)
    assert found["n_pairs"] == 30
    assert found["verdict"] is None
    change = next(change for change in found["changes"] if change["metric"] == TAU)
    assert change["is_paired"]
    assert change["interval"]["low"] <= change["difference"] <= change["interval"]["high"]


@pytest.mark.parametrize(
    ("policy", "flags", "code"),
    [
        (bound("max_drop = 0.69"), [], 0),
        (bound("max_rise = 0"), [], 1),
        ("min_examples = 1000\n" + bound("max_rise = 0.69"), [], 4),
        ("min_examples = 1000\n" + bound("max_rise = 0.69"), ["--inconclusive", "pass"], 0),
        ("min_examples = 1000\n" + bound("max_rise = 0.69"), ["--inconclusive", "fail"], 1),
        (bound("min = 0"), [], 2),
    ],
)
def test_the_exit_code_is_the_verdict(
    attn_audit: AttnAudit,
    base: Path,
    new: Path,
    tmp_path: Path,
    policy: str,
    flags: list[str],
    code: int,
) -> None:
    (tmp_path / "policy.toml").write_text(policy)
    done = attn_audit("compare", base, new, "--policy", "policy.toml", *flags)
    assert done.exit_code == code
    assert ("The gate " in done.stdout) == (code != 2)


def test_json_holds_the_verdict(
    attn_audit: AttnAudit, base: Path, new: Path, tmp_path: Path
) -> None:
    (tmp_path / "policy.toml").write_text(bound("max_rise = 0"))
    words = ("compare", base, new, "--policy", "policy.toml", "--format", "json")
    assert json.loads(attn_audit(*words).stdout)["verdict"]["outcome"] == "fail"


def test_reports_of_different_tasks_are_one_message(
    attn_audit: AttnAudit, base: Path, new: Path, tmp_path: Path
) -> None:
    other = rewritten(new, tmp_path, model={"task": "multilabel"})
    done = attn_audit("compare", base, other)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "the reports are of different tasks: task (base: binary; new: multilabel)" in done.stderr


def test_other_data_is_refused_unless_it_is_allowed(
    attn_audit: AttnAudit, base: Path, new: Path, tmp_path: Path
) -> None:
    other = rewritten(new, tmp_path, data={"sha256": "ab" * 32})
    done = attn_audit("compare", base, other)
    assert done.exit_code == 2
    assert "--allow-different-data" in done.stderr
    allowed = attn_audit("compare", base, other, "--allow-different-data")
    assert allowed.exit_code == 0
    assert "the summaries alone are compared" in allowed.stdout
