import json
from pathlib import Path

import pytest

from attn_audit.data.example import Example
from attn_audit.data.source import DataSource
from attn_audit.errors import ConfigurationError, DataError, RowError, SplitNotFoundError
from attn_audit.models.paper.training import hold_out, read_splits

EXAMPLES = [Example(str(i), "a text", None, ("even" if i % 2 else "odd",)) for i in range(100)]


def test_a_tenth_is_held_out() -> None:
    train, dev = hold_out(EXAMPLES, seed=0)
    assert (len(train), len(dev)) == (90, 10)
    assert sorted([*train, *dev], key=EXAMPLES.index) == EXAMPLES


def test_the_seed_decides_which_whatever_the_order() -> None:
    ids = {example.id for example in hold_out(EXAMPLES, seed=0)[1]}
    assert {example.id for example in hold_out(EXAMPLES[::-1], seed=0)[1]} == ids
    assert {example.id for example in hold_out(EXAMPLES, seed=1)[1]} != ids


def test_the_only_example_of_a_label_stays() -> None:
    rare = [Example(f"r{i}", "a text", None, (f"rare{i}",)) for i in range(100)]
    train, dev = hold_out([*EXAMPLES, *rare], seed=0)
    assert {label for example in dev for label in example.labels or ()} <= {"even", "odd"}
    assert len(train) + len(dev) == 200


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_examples_are_refused(n: int) -> None:
    with pytest.raises(DataError, match=f"{n} examples are too few"):
        hold_out(EXAMPLES[:n], seed=0)


def test_an_unlabelled_example_is_named() -> None:
    with pytest.raises(RowError, match=r"^x\.jsonl:2: the example has no label"):
        hold_out([*EXAMPLES, Example("u", "a text", where="x.jsonl:2")], seed=0)


def write_split(folder: Path, name: str, n: int = 20) -> Path:
    file = folder / f"{name}.jsonl"
    rows = [{"text": f"{name} {i}", "label": str(i % 2)} for i in range(n)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["dev", "validation"])
def test_a_folder_has_its_own_dev_split(tmp_path: Path, name: str) -> None:
    write_split(tmp_path, "train")
    write_split(tmp_path, name, n=6)
    splits = read_splits(DataSource(str(tmp_path), "train"), None, seed=0)
    assert (len(splits.train), len(splits.dev), splits.is_held_out) == (20, 6, False)


def test_a_split_of_another_name_can_be_asked_for(tmp_path: Path) -> None:
    for name in ("train", "dev", "other"):
        write_split(tmp_path, name)
    splits = read_splits(DataSource(str(tmp_path), "train"), "other", seed=0)
    assert splits.dev[0].text == "other 0"


def test_without_a_dev_split_a_tenth_is_held_out(tmp_path: Path) -> None:
    file = write_split(tmp_path, "train")
    for location in (tmp_path, file):
        splits = read_splits(DataSource(str(location), "train"), None, seed=0)
        assert (len(splits.train), len(splits.dev), splits.is_held_out) == (18, 2, True)


def test_a_dev_split_asked_for_has_to_be_there(tmp_path: Path) -> None:
    write_split(tmp_path, "train")
    with pytest.raises(SplitNotFoundError, match="other"):
        read_splits(DataSource(str(tmp_path), "train"), "other", seed=0)


def test_the_training_examples_do_not_decide_when_to_stop(tmp_path: Path) -> None:
    file = write_split(tmp_path, "train")
    with pytest.raises(ConfigurationError, match="is the training data itself"):
        read_splits(DataSource(str(file), "train"), "dev", seed=0)
