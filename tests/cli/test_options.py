"""Options reach the settings; what they cannot mean is refused in words that say what they can."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from attn_audit.cli.options import OPTIONS, SWITCHES
from attn_audit.data.example import Example
from attn_audit.models.contract import AuditedModel
from attn_audit.settings import KEYS, AuditSettings
from tests.cli.conftest import AttnAudit
from tests.tiny import tiny_model


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> list[AuditSettings]:
    """The settings of every audit that was asked for; none is carried out."""
    found: list[AuditSettings] = []

    def note(settings: AuditSettings, **_: Any) -> None:
        found.append(settings)

    monkeypatch.setattr("attn_audit.engine.audit.run_audit", note)
    monkeypatch.setattr("attn_audit.cli.results.write_report", lambda *_, **__: None)
    monkeypatch.setattr(
        "attn_audit.cli.last_report.keeping", lambda s: nullcontext(Mock(settings=s))
    )
    return found


@pytest.fixture
def inspected(
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[AuditSettings, tuple[Example, ...]]]:
    """What every inspected model was loaded with, and tried out on."""
    found: list[tuple[AuditSettings, tuple[Example, ...]]] = []

    def load(settings: AuditSettings, trial: tuple[Example, ...]) -> AuditedModel:
        found.append((settings, trial))
        return tiny_model()

    for module in ("inputs", "sampling"):
        monkeypatch.setattr(f"attn_audit.engine.{module}.load_named_model", load)
    return found


def test_every_setting_has_an_option_and_every_option_is_a_setting() -> None:
    assert set(OPTIONS) - {*SWITCHES, "config", "more_data"} == set(KEYS)


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("--layer", "3", 3),
        ("--layer", "last", "last"),
        ("--layer", "all", "all"),
        ("--head", "11", 11),
        ("--head", "mean", "mean"),
        ("--head", "all", "all"),
        ("--rows", "all", "all"),
        ("--unit", "word", "word"),
        ("--removal", "delete", "delete"),
        ("--dtype", "bfloat16", "bfloat16"),
        ("--attention-implementation", "eager", "eager"),
        ("--max-length", "64", 64),
        ("--task", "binary", "binary"),
        ("--revision", "main", "main"),
        ("--adapter", "mine.py:load", "mine.py:load"),
        ("--batch-size", "7", 7),
    ],
)
def test_a_flag_is_a_setting(
    attn_audit: AttnAudit,
    settings: list[AuditSettings],
    flag: str,
    value: str,
    expected: object,
) -> None:
    outcome = attn_audit("audit", "m", "d", flag, value)
    assert outcome.exit_code == 0, outcome.stderr
    assert getattr(settings[0], flag[2:].replace("-", "_")) == expected


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        (
            ("--checks", "correlation", "--checks", "permutation,adversarial"),
            "checks",
            ("correlation", "permutation", "adversarial"),
        ),
        (
            ("--measures", "gradient", "--measures", "leave_one_out"),
            "measures",
            ("gradient", "leave_one_out"),
        ),
        (
            ("--label-map", "0=no,1=yes", "--label-map", "2=perhaps"),
            "label_map",
            {"0": "no", "1": "yes", "2": "perhaps"},
        ),
    ],
)
def test_a_repeated_list_goes_on(
    attn_audit: AttnAudit,
    settings: list[AuditSettings],
    words: tuple[str, ...],
    name: str,
    expected: object,
) -> None:
    outcome = attn_audit("audit", "m", "d", *words)
    assert outcome.exit_code == 0, outcome.stderr
    assert getattr(settings[0], name) == expected


@pytest.mark.parametrize("command", ["audit", "plan", "permute", "verify", "train", "inspect"])
def test_an_option_of_one_value_is_not_taken_twice(attn_audit: AttnAudit, command: str) -> None:
    outcome = attn_audit(command, "m", "d", "--device", "cpu", "--device", "auto")
    assert outcome.exit_code == 2
    assert "--device is given 2 times, and takes one value" in outcome.stderr


def test_a_repeated_label_of_a_repeated_map_is_refused(attn_audit: AttnAudit) -> None:
    outcome = attn_audit("audit", "m", "d", "--label-map", "0=no", "--label-map", "0=yes")
    assert outcome.exit_code == 2
    assert "names '0' twice" in outcome.stderr


def test_a_repeated_switch_is_a_switch(
    attn_audit: AttnAudit, settings: list[AuditSettings]
) -> None:
    assert attn_audit("audit", "m", "d", "-q", "--quiet").exit_code == 0


def test_code_is_trusted_by_a_switch(attn_audit: AttnAudit, settings: list[AuditSettings]) -> None:
    attn_audit("audit", "m", "d")
    attn_audit("audit", "m", "d", "--trust-remote-code")
    assert [found.trust_remote_code for found in settings] == [False, True]


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--layer", "x", "--layer: `last`, `all`, `best` or a whole number, not 'x'"),
        ("--head", "first", "--head: `mean`, `all` or a whole number, not 'first'"),
        ("--batch-size", "many", "--batch-size: `auto` or a whole number, not 'many'"),
        ("--layer", "-1", "--layer: must be greater than or equal to 0"),
        ("--max-length", "0", "--max-length: must be greater than or equal to 1"),
        ("--adapter", "mine.py", "package.module:function or file.py:function, not 'mine.py'"),
    ],
)
def test_a_wrong_value_is_refused(
    attn_audit: AttnAudit, flag: str, value: str, message: str
) -> None:
    outcome = attn_audit("audit", "m", "d", flag, value)
    assert outcome.exit_code == 2
    assert message in outcome.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("command", "without"),
    [
        ("permute", ("--measures", "--removal", "--method", "--checks")),
        ("adversarial", ("--measures", "--removal", "--permutations", "--checks")),
        ("correlate", ("--epsilon", "--method", "--permutations", "--checks")),
    ],
)
def test_a_check_has_its_own_options_and_all_that_name_the_attention(
    attn_audit: AttnAudit, command: str, without: tuple[str, ...]
) -> None:
    shown = attn_audit(command, "--help").stdout
    assert not [flag for flag in without if flag in shown]
    for flag in ("--layer", "--head", "--rows", "--unit", "--adapter", "--dtype"):
        assert flag in shown


def test_the_help_says_why_single_precision_is_the_default(attn_audit: AttnAudit) -> None:
    shown = " ".join(attn_audit("audit", "--help").stdout.replace("│", " ").split())
    assert "half precision moves probabilities by about 1e-3" in shown


def test_inspect_tries_a_model_out_on_short_texts_among_the_first(
    attn_audit: AttnAudit,
    inspected: list[tuple[AuditSettings, tuple[Example, ...]]],
    tmp_path: Path,
) -> None:
    rows = [json.dumps({"sentence": "w " * (30 - i)}) for i in range(20)]
    (tmp_path / "d.jsonl").write_text("\n".join(rows))
    outcome = attn_audit(
        *("inspect", "org/name", "d.jsonl", "--text-field", "sentence", "--dtype", "float64"),
        *("--revision", "v1", "--trust-remote-code", "--max-length", "32", "--task", "binary"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    settings, trial = inspected[0]
    assert [len(example.text.split()) for example in trial] == [12, 13, 24]
    assert (settings.model, settings.revision, settings.dtype) == ("org/name", "v1", "float64")
    assert settings.trust_remote_code


def test_inspect_needs_no_texts(
    attn_audit: AttnAudit, inspected: list[tuple[AuditSettings, tuple[Example, ...]]]
) -> None:
    assert attn_audit("inspect", "org/name").exit_code == 0
    assert inspected[0][1] == ()


def test_inspect_needs_a_model(attn_audit: AttnAudit) -> None:
    outcome = attn_audit("inspect")
    assert outcome.exit_code == 2
    assert "no MODEL given" in outcome.stderr
