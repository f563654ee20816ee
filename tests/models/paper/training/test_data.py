import json
from pathlib import Path

import pytest

from attn_audit.data.example import Example
from attn_audit.data.source import DataSource
from attn_audit.errors import ConfigurationError, DataError, RowError, SplitNotFoundError
from attn_audit.models.paper.training.data import (
    hold_out,
    infer_task,
    read_splits,
    require_known_labels,
    takes_pairs,
)
from attn_audit.models.task import TASKS, Binary, Candidates, Multiclass, Multilabel, TaskKind

BINARY = Binary(("no", "yes"))


def labelled(*labels: tuple[str, ...] | None) -> list[Example]:
    return [
        Example(str(i), "a text", None, names, None, f"x.jsonl:{i}")
        for i, names in enumerate(labels)
    ]


def offered(label: str, *candidates: str) -> Example:
    return Example("c", "a text", None, (label,), candidates, "x.jsonl:9")


def test_two_labels_are_binary_in_alphabetical_order() -> None:
    assert infer_task(labelled(("yes",), ("no",), ("yes",))) == BINARY


def test_numbers_are_in_order_of_value() -> None:
    task = infer_task(labelled(("10",), ("9",), ("-1",)))
    assert task == Multiclass(("-1", "9", "10"))


@pytest.mark.parametrize("odd", [(), ("a", "b")], ids=["none", "two"])
def test_an_example_without_exactly_one_label_makes_it_multilabel(odd: tuple[str, ...]) -> None:
    assert infer_task(labelled(("a",), ("b",), odd)) == Multilabel(("a", "b"))


def test_candidates_make_answers_even_if_never_right() -> None:
    task = infer_task([offered("a", "a", "c"), offered("b", "a", "b")])
    assert task == Candidates(("a", "b", "c"))


def test_two_labels_may_be_multiclass_or_multilabel_if_asked() -> None:
    examples = labelled(("yes",), ("no",))
    for kind in (TaskKind.MULTICLASS, TaskKind.MULTILABEL):
        assert infer_task(examples, kind) == TASKS[kind](("no", "yes"))


def test_three_labels_are_not_binary() -> None:
    with pytest.raises(ConfigurationError, match="the data has 3: a, b, c"):
        infer_task(labelled(("a",), ("b",), ("c",)), TaskKind.BINARY)


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.CANDIDATES])
def test_two_labels_at_once_are_multilabel_only(kind: TaskKind) -> None:
    examples = [*labelled(("a",), ("a", "b")), offered("a", "a", "b")]
    with pytest.raises(RowError, match=rf"^x\.jsonl:1: .*2 labels \(a, b\), a {kind} task"):
        infer_task(examples, kind)


def test_without_candidates_there_is_no_choice_among_them() -> None:
    with pytest.raises(ConfigurationError, match="no training example has candidates"):
        infer_task(labelled(("a",), ("b",)), TaskKind.CANDIDATES)


def test_an_unlabelled_example_is_named() -> None:
    with pytest.raises(RowError, match=r"^x\.jsonl:1: the example has no label"):
        infer_task(labelled(("a",), None, ("b",)))


def test_a_single_label_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match=r"same label \(a\)"):
        infer_task(labelled(("a",), ("a",)))


def test_no_label_at_all_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match="nothing to learn"):
        infer_task(labelled((), ()))


def test_a_label_of_dev_alone_is_named() -> None:
    with pytest.raises(RowError, match=r"^x\.jsonl:1: label 'maybe' .*\(no, yes\)"):
        require_known_labels(labelled(("yes",), ("maybe",)), BINARY)


def test_a_candidate_of_dev_alone_is_named() -> None:
    task = Candidates(("a", "b"))
    with pytest.raises(RowError, match="label 'z' does not occur"):
        require_known_labels([offered("a", "a", "z")], task)


def test_two_labels_in_dev_alone_are_named() -> None:
    with pytest.raises(RowError, match="2 labels"):
        require_known_labels(labelled(("yes", "no")), BINARY)


def test_pairs_are_all_or_none() -> None:
    single, pair = Example("1", "a text", where="x:1"), Example("2", "a text", "b", where="x:2")
    assert not takes_pairs([single, single])
    assert takes_pairs([pair, pair])
    with pytest.raises(RowError, match=r"^x:2: the example has a second text, x:1 has none"):
        takes_pairs([single, pair])
    with pytest.raises(RowError, match=r"^x:1: the example has no second text, x:2 has one"):
        takes_pairs([pair, single])


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


def test_an_unlabelled_example_is_named_before_any_is_held_out() -> None:
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
