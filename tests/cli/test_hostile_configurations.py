"""Configurations, policies and reports made to do harm: exit code 2, and nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attn_audit.results import storage
from attn_audit.results.report import Report
from attn_audit.results.storage import HASH, content_sha256
from tests.cli.conftest import AttnAudit

Edit = Callable[[dict[str, Any]], object]


def refused(attn_audit: AttnAudit, *words: object) -> str:
    outcome = attn_audit(*words)
    assert outcome.exit_code == 2, outcome.stderr
    assert outcome.stdout == ""
    return outcome.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seed = " + "9" * 5000, "cannot read the configuration"),
        ("a = " + "[" * 5000, "cannot read the configuration"),
        ("a = 1\n" + "#" * 2**20, "it is longer than 1 MiB"),
        ("a = '\0'", "cannot read the configuration"),
        ('"\\u001b[31m" = 1', r"unknown setting '\x1b[31m'"),
        ("seed = nan", "seed"),
        ("seed = 99999999999999999999", "seed"),
        ("threads = 1000000", "threads: must be less than or equal to 1024"),
        ("permutations = 1000000000000", "permutations: must be less than or equal to"),
        ("text_field = ['text']", "text_field"),
        ("label_map = { a = 1 }", "label_map"),
        ("output = 'report.exe'", "suffix"),
    ],
)
@pytest.mark.parametrize("words", [(), ("--config", "attn-audit.toml")], ids=["found", "named"])
def test_a_configuration(
    attn_audit: AttnAudit,
    model: Path,
    data: Path,
    tmp_path: Path,
    content: str,
    message: str,
    words: tuple[str, ...],
) -> None:
    (tmp_path / "attn-audit.toml").write_text(content)
    assert message in refused(attn_audit, "audit", model, data, *words)


@pytest.mark.parametrize("key", ["output", "records", "figures"])
@pytest.mark.parametrize("name", ["../report.json", "/tmp/report.json", "a/../../report.json"])
def test_a_configuration_that_was_found_writes_nothing_outside_of_its_folder(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path, key: str, name: str
) -> None:
    (tmp_path / "attn-audit.toml").write_text(f'{key} = "{name}"')
    message = refused(attn_audit, "audit", model, data)
    assert f"{key} = '{name}' lies outside of its folder" in message


def test_nor_through_a_link(attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/tmp")
    (tmp_path / "attn-audit.toml").write_text('output = "link/report.json"')
    assert "lies outside of its folder" in refused(attn_audit, "audit", model, data)


@pytest.mark.parametrize("command", ["report", "gate"])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda c: c["sampled_examples"][0].update(attention=[1.0]),
            "1 values of attention for 5 units",
        ),
        (lambda c: c["sampled_examples"][0].pop("units"), "units: is missing"),
        (lambda c: c["sampled_examples"][0].update(deep=[[[1]]]), "deep: there is no such field"),
        (lambda c: c["n_units"]["histogram"]["counts"].pop(), "counts between"),
        (lambda c: c["n_units"].update(mean=None), "no mean, extremes or quantiles"),
        (lambda c: c["n_units"].update(mean=float("nan")), "n_units.mean"),
    ],
)
def test_a_report_that_was_forged_and_contradicts_itself(
    attn_audit: AttnAudit, report: Path, command: str, edit: Edit, message: str
) -> None:
    content = json.loads(report.read_text())
    edit(content)
    report.write_text(json.dumps({**content, HASH: content_sha256(content)}))
    assert message in refused(attn_audit, command, report)


def test_a_report_longer_than_any(
    attn_audit: AttnAudit, report: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "MAX_BYTES", 1000)
    assert "it is longer than 0 MiB" in refused(attn_audit, "gate", report)


def test_a_device_without_end_is_no_report(attn_audit: AttnAudit) -> None:
    assert "cannot use the report /dev/zero" in refused(attn_audit, "gate", "/dev/zero")


def test_nor_are_records(attn_audit: AttnAudit, report: Path) -> None:
    content = json.loads(report.read_text())
    content["records"]["path"] = "/dev/zero"
    report.write_text(json.dumps({**content, HASH: content_sha256(content)}))
    assert "are no file: /dev/zero" in refused(attn_audit, "compare", report, report)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("min_examples = " + "9" * 5000, "cannot read the policy"),
        ("#" * (2**20 + 1), "it is longer than 1 MiB"),
        ("bound = " + "[" * 3000, "cannot read the policy"),
        ('[[bound]]\nmetric = "\\u001b[2J"\nmin = 1', r"\x1b[2J"),
    ],
)
def test_a_policy(
    attn_audit: AttnAudit, report: Path, tmp_path: Path, content: str, message: str
) -> None:
    assert Report.load(report).settings.seed == 0
    (tmp_path / "policy.toml").write_text(content)
    assert message in refused(attn_audit, "gate", report, "--policy", "policy.toml")
