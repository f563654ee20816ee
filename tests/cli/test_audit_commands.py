"""`audit`, `correlate`, `permute`, `adversarial`: what goes in and what comes out."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit

REPOSITORY = Path(__file__).parents[2]


def test_a_report_in_the_terminal(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    outcome = attn_audit("audit", model, data, "--permutations", 3, "--iterations", 2)
    assert outcome.exit_code == 0
    assert "Does the prediction change when attention is shuffled?" in outcome.stdout
    assert outcome.stderr.startswith("kept in ")


@pytest.mark.parametrize(
    ("command", "check"),
    [("correlate", "correlation"), ("permute", "permutation"), ("adversarial", "adversarial")],
)
def test_one_check_alone(
    attn_audit: AttnAudit, model: Path, data: Path, command: str, check: str
) -> None:
    outcome = attn_audit(command, model, data, "--format", "json")
    found = {name.partition(".")[0] for name in json.loads(outcome.stdout)["metrics"]}
    assert found - {"data", "performance"} == {check}


def test_checks_of_an_audit_can_be_chosen(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    outcome = attn_audit(
        "audit", model, data, "--checks", "permutation,correlation", "--format", "json"
    )
    assert json.loads(outcome.stdout)["settings"]["checks"] == ["correlation", "permutation"]


def test_output_and_records_are_files(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    outcome = attn_audit(
        "permute", model, data, "--output", "report.json", "--records", "records.jsonl"
    )
    assert outcome.exit_code == 0
    assert outcome.stdout == ""
    assert "report written to report.json" in outcome.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["records"]["path"] == "records.jsonl"
    assert len((tmp_path / "records.jsonl").read_text().splitlines()) == 8
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_a_text_report_is_a_file_too_and_quiet_says_nothing(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    outcome = attn_audit("permute", model, data, "--output", "report.txt", "--quiet")
    assert (outcome.stdout, outcome.stderr) == ("", "")
    assert "Attention audit" in (tmp_path / "report.txt").read_text()


def test_a_report_goes_to_several_files_at_once(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    outcome = attn_audit(
        *("permute", model, data, "--records", "records.csv", "--reproducible"),
        *("--output", "out/r.json", "--output", "r.json", "--output", "r.md"),
    )
    assert outcome.exit_code == 0
    assert outcome.stdout == ""
    reports = [json.loads((tmp_path / name).read_text()) for name in ("out/r.json", "r.json")]
    assert [r["records"]["path"] for r in reports] == ["../records.csv", "records.csv"]
    assert (tmp_path / "r.md").read_text().startswith("## Attention audit")


def test_a_policy_is_told_of_in_the_files(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    outcome = attn_audit(
        *("permute", model, data, "--policy", "default", "--quiet"),
        *("--output", "r.json", "--output", "r.xml", "--output", "r.sarif", "--output", "r.html"),
    )
    assert outcome.exit_code == 4
    assert "inconclusive" in (tmp_path / "r.xml").read_text()
    assert json.loads((tmp_path / "r.sarif").read_text())["version"] == "2.1.0"
    assert "inconclusive" in (tmp_path / "r.html").read_text()


def test_a_configuration_names_one_output_or_several(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    config = tmp_path / "attn-audit.toml"
    config.write_text('model = "model.pt"\ndata = "data.jsonl"\noutput = ["a.json", "a.csv"]\n')
    assert attn_audit("permute").exit_code == 0
    assert attn_audit("permute", "--output", "b.md").exit_code == 0  # a flag wins over the file
    written = {path.name for path in tmp_path.iterdir()} - {"model.pt", "data.jsonl", config.name}
    assert written == {"a.json", "a.csv", "b.md"}


def test_data_comes_from_standard_input(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    outcome = attn_audit("permute", model, "-", "--format", "json", input=data.read_text())
    assert json.loads(outcome.stdout)["data"]["n_examples"] == 8


def test_data_comes_from_a_split_of_a_folder(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "validation.jsonl.gz").write_bytes(gzip.compress(data.read_bytes()))
    outcome = attn_audit("permute", model, folder, "--split", "dev", "--format", "json")
    assert json.loads(outcome.stdout)["data"]["n_examples"] == 8


@pytest.mark.parametrize("command", ["permute", "inspect", "shown"])
def test_a_file_has_no_splits(attn_audit: AttnAudit, model: Path, data: Path, command: str) -> None:
    named = ("--shown", "scores") if command == "shown" else (model,)
    outcome = attn_audit(command, *named, data, "--split", "tset")
    assert outcome.exit_code == 2
    assert f"error: --split tset: {data} is a file, which has no splits" in outcome.stderr


def test_fields_and_labels_can_be_renamed(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "d.csv").write_text("sentence,mood\nw5 w6 w7,good\nw8 w9,bad\n")
    outcome = attn_audit(
        *("permute", model, "d.csv", "--text-field", "sentence", "--label-field", "mood"),
        *("--label-map", "good=label1,bad=label0", "--format", "json"),
    )
    assert json.loads(outcome.stdout)["metrics"]["performance.accuracy"]["n"] == 2


def test_flags_win_over_the_discovered_configuration(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "attn-audit.toml").write_text(
        'model = "model.pt"\ndata = "data.jsonl"\nseed = 5\nepsilon = 0.2\nformat = "json"\n'
    )
    settings = json.loads(attn_audit("adversarial", "--seed", "6").stdout)["settings"]
    assert (settings["seed"], settings["epsilon"]) == (6, 0.2)


def test_a_model_in_a_file_is_named_as_on_the_command_line(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    quick = ("--checks", "permutation", "--format", "json")
    typed = json.loads(attn_audit("audit", "model.pt", "data.jsonl", *quick).stdout)
    (tmp_path / "attn-audit.toml").write_text('model = "model.pt"\ndata = "data.jsonl"\n')
    written = json.loads(attn_audit("audit", *quick).stdout)
    for report in (typed, written):
        assert (report["model"]["source"], report["data"]["source"]) == ("model.pt", "data.jsonl")


def test_a_named_configuration_is_relative_to_its_own_folder(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "settings"
    folder.mkdir()
    (folder / "a.toml").write_text('model = "../model.pt"\ndata = "../data.jsonl"\n')
    assert attn_audit("permute", "--config", folder / "a.toml").exit_code == 0


@pytest.mark.parametrize(
    "file", sorted((REPOSITORY / "sample_configs").glob("*.toml")), ids=lambda file: file.name
)
def test_sample_configurations_run_as_they_are(attn_audit: AttnAudit, file: Path) -> None:
    few = ("--limit", "4", "--iterations", "5", "--threads", "1")
    outcome = attn_audit("audit", "--config", file, *few)
    assert outcome.exit_code == 0, outcome.stderr
    assert "Attention audit" in outcome.stdout


def test_the_demo_writes_files_too(attn_audit: AttnAudit, tmp_path: Path) -> None:
    outcome = attn_audit("demo", "--output", "demo.md", "--quiet")
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert (tmp_path / "demo.md").read_text().startswith("## Attention audit")


def test_the_demo_shows_report_texts_and_what_to_run_next(attn_audit: AttnAudit) -> None:
    outcome = attn_audit("demo")
    assert outcome.exit_code == 0
    assert "Attention audit" in outcome.stdout
    assert "What to run next" in outcome.stdout


def test_inspect_describes_a_model(attn_audit: AttnAudit, model: Path) -> None:
    assert "BiLSTM encoder, additive attention" in attn_audit("inspect", model).stdout
    described = json.loads(attn_audit("inspect", model, "--format", "json").stdout)
    assert described["labels"] == ["label0", "label1"]


def test_version(attn_audit: AttnAudit) -> None:
    assert attn_audit("--version").stdout.startswith("attn-audit 0.")


def _heed_interrupts() -> None:
    """Of a shell's background jobs, children inherit that interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupted_audit_leaves_no_half_written_file(tmp_path: Path, model: Path) -> None:
    texts = '{"text": "w5 w6 w7 w8 w9 w10"}\n' * 4_000
    (tmp_path / "many.jsonl").write_text(texts)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "attn_audit", "audit", str(model), "many.jsonl"),
            *("--records", "records.jsonl", "--output", "report.json"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,
    )
    for _ in range(600):
        if any(tmp_path.glob(".records.jsonl.*.part")) or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate(timeout=60)
    assert process.returncode == 130, messages
    assert "interrupted" in messages
    assert "Traceback" not in messages
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.jsonl", "model.pt"]
