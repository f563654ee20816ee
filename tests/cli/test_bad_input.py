"""Bad input: one clear message, the documented exit code, no traceback, nothing written."""

import json
import random
from pathlib import Path

import pytest
import torch

from tests.cli.conftest import AttnAudit


def refused(attn_audit: AttnAudit, *words: object, code: int = 2) -> str:
    """The message of a command that must fail."""
    outcome = attn_audit(*words)
    assert outcome.exit_code == code, outcome.stderr
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: ")
    return outcome.stderr


def rows(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_nothing_given_names_the_demo(attn_audit: AttnAudit) -> None:
    message = refused(attn_audit, "audit")
    assert "no MODEL and no DATA" in message
    assert "attn-audit demo" in message


def test_a_model_alone_says_that_data_is_missing(attn_audit: AttnAudit, model: Path) -> None:
    assert "no DATA given" in refused(attn_audit, "permute", model)


def test_missing_model(attn_audit: AttnAudit, data: Path) -> None:
    assert "no model at nowhere.pt" in refused(attn_audit, "audit", "nowhere.pt", data)


def test_a_checkpoint_of_another_kind(attn_audit: AttnAudit, data: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pt")
    assert "bare weights" in refused(attn_audit, "audit", "other.pt", data)


def test_another_format_version(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    torch.save({**torch.load(model, weights_only=True), "format_version": 9}, model)
    assert "format version 9" in refused(attn_audit, "audit", model, data)


def test_weights_that_are_no_numbers_are_exit_code_3(
    attn_audit: AttnAudit, model: Path, data: Path
) -> None:
    content = torch.load(model, weights_only=True)
    content["weights"]["attention.score.weight"][0, 0] = float("nan")
    torch.save(content, model)
    message = refused(attn_audit, "audit", model, data, code=3)
    assert "'attention.score.weight' holds NaN" in message


def test_missing_data(attn_audit: AttnAudit, model: Path) -> None:
    assert "no data at nowhere.jsonl" in refused(attn_audit, "audit", model, "nowhere.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "w5", ', "bad.jsonl:2"),
        ("[1, 2]", "bad.jsonl:2"),
        ('{"label": "label0"}', "no field 'text'"),
        ('{"text": ""}', "bad.jsonl:2"),
        ('{"text": "   "}', "bad.jsonl:2"),
        ('{"text": 7}', "bad.jsonl:2"),
        ('{"text": null}', "bad.jsonl:2"),
        ('{"text": "w5", "label": true}', "bad.jsonl:2"),
        ('{"text": "w5", "label": {"a": 1}}', "bad.jsonl:2"),
        ('{"text": "w5", "label": "label9"}', "no label 'label9'"),
        ('{"text": "w5", "labels": ["label0", "label1"]}', "2 labels"),
        ('{"text": "w5", "candidates": "label0"}', "bad.jsonl:2"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(
    attn_audit: AttnAudit, model: Path, tmp_path: Path, line: str, message: str
) -> None:
    rows(tmp_path / "bad.jsonl", '{"text": "w5 w6"}', line)
    found = refused(attn_audit, "audit", model, "bad.jsonl")
    assert "bad.jsonl:2" in found
    assert message in found


def test_unknown_candidate(attn_audit: AttnAudit, shared: Path, tmp_path: Path) -> None:
    folder = shared / "reference" / "goldens" / "pair" / "cnn_dot_4"
    line = json.dumps({"text": "w5", "text_pair": "w6", "candidates": ["1", "9"]})
    rows(tmp_path / "bad.jsonl", line)
    assert "no label '9'" in refused(attn_audit, "audit", folder, "bad.jsonl")


def test_a_single_text_for_a_model_of_pairs(
    attn_audit: AttnAudit, shared: Path, tmp_path: Path
) -> None:
    folder = shared / "reference" / "goldens" / "pair" / "cnn_dot_4"
    rows(tmp_path / "bad.jsonl", '{"text": "w5"}')
    assert "no second text" in refused(attn_audit, "audit", folder, "bad.jsonl")


def test_no_such_split(attn_audit: AttnAudit, model: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    rows(tmp_path / "folder" / "train.jsonl", '{"text": "w5"}')
    message = refused(attn_audit, "audit", model, "folder")
    assert "no split 'test' (found: train)" in message


def test_no_such_field(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    message = refused(attn_audit, "audit", model, data, "--text-field", "sentence")
    assert "no field 'sentence'" in message


@pytest.mark.parametrize("texts", [["w5"], ["w5 w6", "w5 w6 w7 w8", "never seen before", "…"]])
def test_short_and_unknown_texts_are_audited(
    attn_audit: AttnAudit, model: Path, tmp_path: Path, texts: list[str]
) -> None:
    rows(tmp_path / "d.jsonl", *(json.dumps({"text": text}) for text in texts))
    assert attn_audit("audit", model, "d.jsonl").exit_code == 0


@pytest.mark.parametrize(
    ("n_words", "checks"),
    [(5000, "correlation,permutation,adversarial"), (500, "attended,adversarial")],
)
def test_a_text_of_many_words_is_audited(
    attn_audit: AttnAudit, model: Path, tmp_path: Path, n_words: int, checks: str
) -> None:
    """What leaves out every word takes the square of their number."""
    text = " ".join(random.Random(0).choices([f"w{i}" for i in range(4, 60)], k=n_words))
    rows(tmp_path / "d.jsonl", json.dumps({"text": text}))
    words = ("--measures", "gradient", "--checks", checks, "--format", "json")
    report = json.loads(attn_audit("audit", model, "d.jsonl", *words).stdout)
    assert report["n_units"]["maximum"] == n_words
    assert report["metrics"]["adversarial.n_exact"]["value"] == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_a_device_that_is_not_there(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    message = refused(attn_audit, "audit", model, data, "--device", "cuda")
    assert "no CUDA device" in message


@pytest.mark.parametrize(
    ("option", "path", "message"),
    [
        ("--output", "nowhere/report.json", "there is no folder nowhere"),
        ("--records", "nowhere/records.csv", "there is no folder nowhere"),
        ("--output", ".", "suffix"),
        ("--output", "report.docx", "suffix"),
        ("--output", "gate.xml", "no policy is named"),
        ("--output", "gate.sarif", "--policy default"),
        ("--records", "records.xlsx", "suffix"),
        ("--output", "folder.json", "it is a folder"),
        ("--records", "data.jsonl", "it is read by this command"),
    ],
)
def test_outputs_are_checked_before_anything_is_computed(
    attn_audit: AttnAudit,
    monkeypatch: pytest.MonkeyPatch,
    model: Path,
    data: Path,
    tmp_path: Path,
    option: str,
    path: str,
    message: str,
) -> None:
    (tmp_path / "folder.json").mkdir()
    before = data.read_text()
    monkeypatch.setattr("attn_audit.engine.audit.run_audit", None)  # calling it would crash
    assert message in refused(attn_audit, "audit", model, data, option, path)
    assert data.read_text() == before


@pytest.mark.parametrize("key", ["adapter", "trust_remote_code"])
def test_code_named_in_a_discovered_configuration(
    attn_audit: AttnAudit, tmp_path: Path, key: str
) -> None:
    (tmp_path / "attn-audit.toml").write_text(f'{key} = "evil:run"\n')
    assert "names code to run" in refused(attn_audit, "audit")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sead = 3\n", "Did you mean 'seed'?"),
        ("seed = 'three'\n", "seed"),
        ("seed = [", "cannot read the configuration"),
        ("checks = ['premutation']\n", "premutation"),
        ("[model]\npath = 'x'\n", "model"),
        ("epsilon = 0\n", "epsilon"),
        ("label_map = 'a'\n", "label map"),
    ],
)
def test_wrong_configurations_are_named(
    attn_audit: AttnAudit, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "attn-audit.toml").write_text(content)
    assert message in refused(attn_audit, "audit")


def test_a_configuration_that_is_not_there(attn_audit: AttnAudit) -> None:
    message = refused(attn_audit, "audit", "--config", "nowhere.toml")
    assert "there is no such file" in message


@pytest.mark.parametrize("value", ["0", "many", "-3"])
def test_a_wrong_batch_size(attn_audit: AttnAudit, model: Path, data: Path, value: str) -> None:
    assert "--batch-size" in refused(attn_audit, "audit", model, data, "--batch-size", value)


def test_exact_where_it_does_not_apply(attn_audit: AttnAudit, shared: Path) -> None:
    folder = shared / "reference" / "goldens" / "pair" / "cnn_dot_4"
    message = refused(
        attn_audit, "adversarial", folder, folder / "inputs.jsonl", "--method", "exact"
    )
    assert "--method exact" in message


def test_a_crash_is_exit_code_3_without_traceback(
    attn_audit: AttnAudit, monkeypatch: pytest.MonkeyPatch, model: Path, data: Path
) -> None:
    def crash(*words: object, **named: object) -> None:
        raise RuntimeError("something \x1b[31munforeseen")

    monkeypatch.setattr("attn_audit.engine.audit.run_audit", crash)
    message = refused(attn_audit, "audit", model, data, code=3)
    assert "crashed: RuntimeError: something" in message
    assert "\x1b" not in message


def test_records_never_replace_a_split_or_a_part_of_the_model(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "split").mkdir()
    data.rename(tmp_path / "split" / "test.jsonl")
    message = refused(attn_audit, "audit", model, "split", "--records", "split/test.jsonl")
    assert "read by this command" in message


def test_a_model_named_in_a_configuration_is_not_looked_for_elsewhere(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "settings").mkdir()
    rows(tmp_path / "settings" / "a.toml", 'model = "model.pt"', 'data = "../data.jsonl"')
    message = refused(attn_audit, "audit", "--config", "settings/a.toml")
    assert "no model at settings/model.pt" in message


def test_a_vocabulary_for_a_checkpoint_that_has_its_own(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    message = refused(attn_audit, "audit", model, data, "--vocabulary", "words.json")
    assert "--vocabulary is for folders" in message
