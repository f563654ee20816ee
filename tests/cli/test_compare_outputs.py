"""`compare --output`: several files at once, and never over what is read."""

from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit
from tests.releases import Audited, audited, base, new

__all__ = ["Audited", "audited", "base", "new"]

POLICY = '[[bound]]\nmetric = "correlation.attention_gradient"\nmax_drop = 0.5\n'


def test_writes_several_files_and_keeps_the_exit_code(
    attn_audit: AttnAudit, base: Path, new: Path, tmp_path: Path
) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    names = ("c.md", "c.html", "c.xml", "c.sarif", "c.csv", "c.json", "c.txt")
    outputs = [word for name in names for word in ("--output", name)]
    done = attn_audit("compare", base, new, "--policy", "policy.toml", *outputs)
    assert done.exit_code in (0, 4)
    assert "The gate" in done.stdout.splitlines()[0]
    assert "Comparison" not in done.stdout
    assert all(Path(name).stat().st_size > 0 for name in names)
    assert done.stderr.count("comparison written to") == len(names)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("changes.docx", "'.docx' is none"),
        ("changes.xml", "no policy is named"),
        ("nowhere/changes.md", "there is no folder"),
    ],
)
def test_outputs_that_cannot_be_written(
    attn_audit: AttnAudit, base: Path, new: Path, output: str, message: str
) -> None:
    done = attn_audit("compare", base, new, "--output", output)
    assert done.exit_code == 2
    assert message in done.stderr


def test_reports_and_records_are_not_overwritten(
    attn_audit: AttnAudit, audited: Audited, base: Path
) -> None:
    other = audited(2.0, ".csv")
    before = (other.parent / "records.csv").read_bytes()
    for file in (other, other.parent / "records.csv"):
        done = attn_audit("compare", base, other, "--output", file)
        assert done.exit_code == 2
        assert "it is read by this command" in done.stderr
    assert (other.parent / "records.csv").read_bytes() == before


def test_a_policy_is_not_overwritten(
    attn_audit: AttnAudit, base: Path, new: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.txt"
    policy.write_text(POLICY)
    for words in (("compare", base, new), ("gate", base), ("report", base)):
        done = attn_audit(*words, "--policy", policy, "--output", policy)
        assert done.exit_code == 2
        assert "it is read by this command" in done.stderr
        assert policy.read_text() == POLICY
