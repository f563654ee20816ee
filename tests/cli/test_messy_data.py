"""Messy data: everything that is wrong at once, what helps, and what was left out."""

import csv
import json
import random
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit

FAST = ("--checks", "permutation", "--permutations", "2", "--quiet")


def table(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",") -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)
    return path


def lines(path: Path, *rows: object) -> Path:
    path.write_text(
        "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    )
    return path


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """300 tickets: 3 blank, 2 ids twice, labels in three spellings, two that are no class."""
    draw = random.Random(1)
    rows = [["id", "created", "text", "label"]]
    for i in range(300):
        n_words = 450 if i == 123 else draw.randint(5, 12)
        text = " ".join(f"w{draw.randint(4, 59)}" for _ in range(n_words))
        label = ["label0", " LABEL1 ", "neg", "label1 "][i % 4]
        label = {42: "neutral", 77: "n/a", 142: "neutral"}.get(i, label)
        name = "T-1" if i in (50, 60) else f"T-{i}"
        rows.append([name, "2026-01-01", "  " if i in (7, 18, 200) else text, label])
    return table(tmp_path / "tickets.csv", rows, ";")


def test_a_messy_table_has_a_result_in_two_runs(
    attn_audit: AttnAudit, model: Path, tickets: Path, tmp_path: Path
) -> None:
    first = attn_audit("audit", model, tickets, *FAST)
    assert (first.exit_code, first.stdout) == (2, "")
    message = first.stderr
    assert message.startswith("error: tickets.csv: 79 rows of 300 cannot be audited\n")
    assert "3 rows without a text (tickets.csv:9: 'text' is blank; also tickets.csv:20, " in message
    assert (
        "2 rows with the id of an earlier row (tickets.csv:52: id 'T-1' is also that of " in message
    )
    assert "`--ignore-field id` gives every row" in message
    assert "does not have: 'neg' 71, 'neutral' 2, 'n/a' 1 (tickets.csv:4: " in message
    (option,) = re.findall(r"`--label-map (.*?)`", message)
    (named,) = shlex.split(option)
    assert named == "neg=NAME,neutral=NAME,n/a=NAME"
    assert message.splitlines()[-1] == (
        "hint: The data's labels: LABEL1, label0, label1, n/a, neg, neutral. `--on-bad-row skip` "
        "leaves all of these rows out, and the report counts them."
    )
    said = "neg=label0,neutral=,n/a=", "--on-bad-row", "skip"
    outputs = [
        word for name in ("r.json", "r.html", "r.md", "r.txt") for word in ("--output", name)
    ]
    second = attn_audit("audit", model, tickets, "--label-map", *said, *FAST, *outputs)
    assert (second.exit_code, second.stderr) == (0, "")
    data = json.loads((tmp_path / "r.json").read_text())["data"]
    assert (data["n_rows"], data["n_examples"], data["n_labelled"]) == (300, 292, 292)
    assert {rows["fault"]: rows["n"] for rows in data["left_out"]} == {
        "no_text": 3, "repeated_id": 2, "unwanted_label": 3,
    }  # fmt: skip
    for name in ("r.html", "r.md", "r.txt"):
        found = " ".join((tmp_path / name).read_text().split())
        assert "8 rows of 300: 3 without a text (tickets.csv:9" in found, name


def test_a_gate_bounds_what_was_left_out(
    attn_audit: AttnAudit, model: Path, tickets: Path, tmp_path: Path
) -> None:
    (tmp_path / "gate.toml").write_text('[[bound]]\nmetric = "data.left_out"\nmax = 0.05\n')
    said = ("--on-bad-row", "skip", "--policy", "gate.toml")
    outcome = attn_audit("audit", model, tickets, *said, *FAST)
    assert outcome.exit_code == 1
    assert "data.left_out" in outcome.stdout
    renamed = attn_audit("audit", model, tickets, *said, "--label-map", "neg=label0", *FAST)
    assert renamed.exit_code == 0


@pytest.mark.parametrize("on_bad_row", ["stop", "skip"])
def test_a_label_is_renamed_to_one_that_the_model_has(
    attn_audit: AttnAudit, model: Path, tickets: Path, on_bad_row: str
) -> None:
    said = ("--on-bad-row", on_bad_row, "--label-map", "neg=lable0,neutral=")
    outcome = attn_audit("audit", model, tickets, *said, *FAST)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "--label-map neg=lable0: the model has no label 'lable0'" in outcome.stderr
    assert "Did you mean 'label0'?" in outcome.stderr


def test_check_data_ends_as_an_audit_would(
    attn_audit: AttnAudit, model: Path, tickets: Path, data: Path
) -> None:
    stopped = attn_audit("check-data", model, tickets)
    assert (stopped.exit_code, stopped.stdout) == (2, "")
    assert "79 rows of 300 cannot be audited" in stopped.stderr
    skipped = attn_audit("check-data", model, tickets, "--on-bad-row", "skip")
    assert (skipped.exit_code, skipped.stderr) == (0, "")
    assert skipped.stdout.startswith("tickets.csv: 221 rows of 300 can be audited\n")
    assert "left out: 74 rows with a label that the model does not have: tickets.csv:4, " in (
        skipped.stdout
    )
    assert (
        attn_audit("check-data", model, data).stdout == "data.jsonl: 8 rows of 8 can be audited\n"
    )


def test_rows_that_cannot_be_read_do_not_end_the_others(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    good = {"text": "w5 w6", "label": "label0"}
    lines(tmp_path / "a.jsonl", "{", good, '{"text": 7}', "[1]", {"text": "w5", "label": {}}, good)
    stopped = attn_audit("check-data", model, "a.jsonl")
    assert stopped.exit_code == 2
    assert "4 rows of 6 cannot be audited" in stopped.stderr
    assert "2 rows cannot be read (a.jsonl:1: malformed JSON" in stopped.stderr
    assert "1 row without a text (a.jsonl:3: 'text' must be a string" in stopped.stderr
    assert "1 row with labels that cannot be used (a.jsonl:5" in stopped.stderr
    assert attn_audit("audit", model, "a.jsonl", "--on-bad-row", "skip", *FAST).exit_code == 0
    (tmp_path / "b.csv").write_text("text,label\nw5,label0\nw5\nw6,label1\n")
    outcome = attn_audit("check-data", model, "b.csv", "--on-bad-row", "skip")
    assert "2 rows of 3" in outcome.stdout


def test_a_single_bad_row_is_said_in_its_own_words_with_the_way_on(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    good = {"text": "w5 w6", "label": "label0"}
    lines(tmp_path / "a.jsonl", good, {"text": " ", "label": "label0"})
    stopped = attn_audit("audit", model, "a.jsonl")
    assert stopped.exit_code == 2
    assert stopped.stderr.startswith("error: a.jsonl:2: 'text' is blank\n")
    assert "`--on-bad-row skip` leaves" in stopped.stderr


def test_a_single_unknown_label_stands_beside_all_of_the_datas(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    rows = [{"text": f"w{i}", "label": f"label{i % 2}"} for i in range(50)]
    lines(tmp_path / "a.jsonl", {"text": "w5", "label": "so, so"}, *rows)
    stopped = attn_audit("audit", model, "a.jsonl")
    assert stopped.exit_code == 2
    assert stopped.stderr.startswith("error: a.jsonl:1 (example '")
    assert "the model has no label 'so, so'" in stopped.stderr
    assert "The data's labels: label0, label1, so, so." in stopped.stderr
    assert """`--label-map '"so, so=NAME"'`""" in stopped.stderr
    named = ("--label-map", '"so, so=label1"')
    assert attn_audit("check-data", model, "a.jsonl", *named).exit_code == 0


@pytest.mark.parametrize("skip", [(), ("--on-bad-row", "skip")])
def test_nothing_left_to_audit_is_an_error(
    attn_audit: AttnAudit, model: Path, tmp_path: Path, skip: tuple[str, ...]
) -> None:
    lines(tmp_path / "a.jsonl", {"text": " "}, {"text": ""})
    stopped = attn_audit("audit", model, "a.jsonl", *skip)
    assert (stopped.exit_code, stopped.stdout) == (2, "")
    lines(tmp_path / "b.jsonl", {"text": "w5", "label": "x"})
    stopped = attn_audit("audit", model, "b.jsonl", "--label-map", "x=", *skip)
    assert stopped.exit_code == 2
    assert "b.jsonl: no row is left to audit" in stopped.stderr


def test_ids_and_labels_can_be_left_unread(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    row = {"id": "same", "text": "w5 w6", "label": "unheard of", "labels": ["of"]}
    lines(tmp_path / "a.jsonl", row, {**row, "label0": 1})
    said = ("--ignore-field", "label,id", "--format", "json")
    outcome = attn_audit("audit", model, "a.jsonl", *said, *FAST)
    assert outcome.exit_code == 0
    report = json.loads(outcome.stdout)
    assert (report["data"]["n_examples"], report["data"]["n_labelled"]) == (2, 0)
    assert report["settings"]["ignore_field"] == ["label", "id"]
    wrong = attn_audit("audit", model, "a.jsonl", "--ignore-field", "text")
    assert wrong.exit_code == 2
    assert "--ignore-field" in wrong.stderr


def test_several_files_are_one_data_set(attn_audit: AttnAudit, model: Path, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.ndjson"):
        lines(tmp_path / name, {"text": f"w5 {name}"}, {"text": "w6"})
    lines(tmp_path / "c.jsonl", {"id": "1", "text": "w5"}, {"id": "1", "text": "w5"})
    for words in (
        ("a.jsonl", "b.ndjson"),
        ("--data", "a.jsonl", "--data", "b.ndjson"),
        ("[ab].*json*",),
    ):
        assert attn_audit("check-data", model, *words).stdout.endswith(
            ": 4 rows of 4 can be audited\n"
        )
    assert (
        "'1' is also that of c.jsonl:1" in attn_audit("audit", model, "b.ndjson", "c.jsonl").stderr
    )
    outcome = attn_audit("check-data", model, "*.tsv")
    assert (outcome.exit_code, "No file matches" in outcome.stderr) == (2, True)
    outcome = attn_audit("check-data", model, "a.jsonl", "-", input='{"text": "w5"}\n')
    assert (outcome.exit_code, "only files can be read together" in outcome.stderr) == (2, True)


def test_a_report_of_what_was_left_out_is_verified(
    attn_audit: AttnAudit, model: Path, tickets: Path
) -> None:
    files = ("--output", "r.json", "--records", "r.parquet")
    assert attn_audit("audit", model, tickets, "--on-bad-row", "skip", *FAST, *files).exit_code == 0
    outcome = attn_audit("verify", "r.json", model, tickets)
    assert outcome.exit_code == 0, outcome.stdout
