import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from typer.testing import CliRunner, Result

from attn_audit.cli import app
from attn_audit.cli.train import DEFAULTS, TRAIN
from attn_audit.models.paper.checkpoint import Tokenizer, read_checkpoint
from attn_audit.models.paper.network import AttentionKind, EncoderKind
from attn_audit.models.paper.training.loop import Precision, TrainingSettings
from attn_audit.models.task import Binary, Multilabel, TaskKind

Run = Callable[..., Result]
SMALL = ("--hidden-size", "8", "--embedding-size", "4", "--epochs", "2", "--device", "cpu")


@pytest.fixture
def run() -> Run:
    return lambda *words: CliRunner().invoke(app, ["train", *(str(word) for word in words)])


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    yield
    torch.set_num_threads(n_threads)


def write_rows(file: Path, n: int, **more: Any) -> Path:
    rows = [{"text": f"a {w} film", "label": w, **more} for w in ["good", "bad"] * (n // 2)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    write_rows(folder / "train.jsonl", 40)
    write_rows(folder / "dev.jsonl", 10)
    return folder


def test_a_model_is_written_and_told_about(run: Run, data: Path, tmp_path: Path) -> None:
    result = run(data, "--output", tmp_path / "model.pt", *SMALL)
    assert result.exit_code == 0, result.output
    found = read_checkpoint(tmp_path / "model.pt")
    assert found.task == Binary(("bad", "good"))
    assert found.training["data"] == "films"
    assert found.training["threads"] == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0] == "training on 40 examples, early stopping on 10"
    assert lines[1].startswith("epoch 1: loss 0.")
    assert "binary task (bad, good), 4 words" in lines
    assert lines[-1] == f"model written to {tmp_path / 'model.pt'}"


def test_quiet_says_nothing(run: Run, data: Path, tmp_path: Path) -> None:
    assert run(data, "--output", tmp_path / "m.pt", *SMALL, "--quiet").output == ""


def test_a_single_file_has_a_tenth_held_out(run: Run, data: Path, tmp_path: Path) -> None:
    result = run(data / "train.jsonl", "--output", tmp_path / "m.pt", *SMALL, "--seed", "3")
    first = result.stderr.splitlines()[0]
    assert first.startswith("training on 36 examples, early stopping on 4, held out")
    assert read_checkpoint(tmp_path / "m.pt").training["dev_is_held_out"] is True


def test_pretrained_words_are_counted(run: Run, data: Path, tmp_path: Path) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("good 1 2 3 4\nelsewhere 1 2 3 4\n")
    result = run(data, "--output", tmp_path / "m.pt", *SMALL, "--embeddings", vectors)
    assert "4 words, 1 of them with pretrained vectors" in result.stderr


def test_fields_can_have_other_names(run: Run, tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", 40, question="which")
    words = ("--text-pair-field", "question", "--label-map", "good=1,bad=0", "--precision")
    result = run(file, "--output", tmp_path / "m.pt", *SMALL, *words, "float16")
    assert result.exit_code == 0, result.output
    found = read_checkpoint(tmp_path / "m.pt")
    assert found.architecture.is_pair
    assert found.task.labels == ("0", "1")
    assert {tensor.dtype for tensor in found.weights.values()} == {torch.float16}


def test_the_output_is_checked_before_the_data_is_read(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path / "no-data", "--output", tmp_path / "nowhere" / "m.pt")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
    assert "no-data" not in result.stderr


def test_the_data_is_never_overwritten(run: Run, data: Path, tmp_path: Path) -> None:
    file, vectors = data / "train.jsonl", tmp_path / "vectors.txt"
    vectors.write_text("good 1 2\n")
    before = file.read_bytes()
    assert run(data, "--output", file).exit_code == 2
    assert run(data, "--embeddings", vectors, "--output", vectors).exit_code == 2
    assert (file.read_bytes(), vectors.read_text()) == (before, "good 1 2\n")


@pytest.mark.parametrize(
    "words", [("--epochs", "0"), ("--threads", "0"), ("--encoder", "cnn", "--hidden-size", "6")]
)
def test_settings_out_of_range_are_usage_errors(
    run: Run, data: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    result = run(data, "--output", tmp_path / "m.pt", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert not list(tmp_path.glob("*.pt*"))


def test_flags_offer_every_choice_and_the_same_defaults() -> None:
    offered = {name: get_args(row)[0] for name, row in TRAIN.items()}
    for name, kind in (
        ("encoder", EncoderKind),
        ("attention", AttentionKind),
        ("tokenizer", Tokenizer),
        ("precision", Precision),
    ):
        assert set(get_args(offered[name])) == set(kind)
    assert set(get_args(get_args(offered["task"])[0])) == set(TaskKind)
    for name, value in TrainingSettings().plain().items():
        assert DEFAULTS.get(name) == value


def write_lists(file: Path, lists: list[list[float]], n: int = 12) -> Path:
    rows = [{"text": f"a film {i}", "labels": lists[i % len(lists)]} for i in range(n)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("lists", "labels"),
    [
        ([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]], ("0", "1", "2")),
        ([[1, 0], [0, 1]], ("0", "1")),
        ([[0], [0, 2]], ("0", "2")),
    ],
)
def test_multi_hot_lists_make_as_many_labels_as_they_have_places(
    run: Run, tmp_path: Path, lists: list[list[float]], labels: tuple[str, ...]
) -> None:
    write_lists(tmp_path / "train.jsonl", lists)
    write_lists(tmp_path / "dev.jsonl", lists)
    result = run(tmp_path, "--output", tmp_path / "model.pt", *SMALL)
    assert result.exit_code == 0, result.output
    found = read_checkpoint(tmp_path / "model.pt")
    assert found.task == Multilabel(labels)


def test_one_hot_lists_are_classes_where_the_user_says_so(run: Run, tmp_path: Path) -> None:
    write_lists(tmp_path / "train.jsonl", [[1, 0], [0, 1]])
    write_lists(tmp_path / "dev.jsonl", [[1, 0], [0, 1]])
    result = run(tmp_path, "--task", "binary", "--output", tmp_path / "model.pt", *SMALL)
    assert result.exit_code == 0, result.output
    found = read_checkpoint(tmp_path / "model.pt")
    assert found.task == Binary(("0", "1"))


def test_the_dev_split_has_lists_for_the_same_labels(run: Run, tmp_path: Path) -> None:
    write_lists(tmp_path / "train.jsonl", [[1, 1, 0]])
    write_lists(tmp_path / "dev.jsonl", [[1, 1, 0, 0]])
    result = run(tmp_path, "--output", tmp_path / "model.pt", *SMALL)
    assert result.exit_code != 0
    assert "dev.jsonl:1" in str(result.exception) + result.output


def test_training_takes_minus_one_for_no_label_and_says_how_to_name_it(
    run: Run, tmp_path: Path
) -> None:
    for split in ("train", "dev"):
        rows = [{"text": f"a film {i}", "label": (-1) ** i} for i in range(12)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = (tmp_path, "--output", tmp_path / "model.pt", *SMALL)
    result = run(*words)
    assert "train.jsonl:2: its label is -1" in str(result.exception) + result.output
    assert "--label-map -1=NAME" in result.output
    assert run(*words, "--label-map", "-1=bad,1=good").exit_code == 0


def test_training_reads_a_table_as_it_is_told(run: Run, tmp_path: Path) -> None:
    for split in ("train", "dev"):
        content = "text,label\n" + '"Great" film,good\n"Bad" film,bad\n' * 6
        (tmp_path / f"{split}.csv").write_text(content)
    words = (tmp_path, "--output", tmp_path / "model.pt", *SMALL)
    assert "--quoting none" in run(*words).output
    assert run(*words, "--quoting", "none").exit_code == 0
