from types import SimpleNamespace

import pytest

from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.huggingface.configuration import task_of
from attn_audit.models.task import Binary, Multiclass, Multilabel


def config(*labels: str, problem_type: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(id2label=dict(enumerate(labels)), problem_type=problem_type)


def test_two_classes_are_one_logit() -> None:
    assert task_of(config("neg", "pos"), "m", None) == Binary(("neg", "pos"))
    assert task_of(config("neg", "pos"), "m", "binary").n_logits == 1


def test_several_classes_compete() -> None:
    task = task_of(config("a", "b", "c", problem_type="single_label_classification"), "m", None)
    assert task == Multiclass(("a", "b", "c"))


@pytest.mark.parametrize("labels", [("joy",), ("joy", "fear"), ("joy", "fear", "rage")])
def test_labels_of_their_own(labels: tuple[str, ...]) -> None:
    found = task_of(config(*labels, problem_type="multi_label_classification"), "m", None)
    assert found == Multilabel(labels)


@pytest.mark.parametrize(
    ("name", "sides"), [("LABEL_0", ("0", "1")), ("toxic", ("not toxic", "toxic"))]
)
def test_one_sigmoid_has_two_sides(name: str, sides: tuple[str, str]) -> None:
    assert task_of(config(name), "m", "binary") == Binary(sides)


def test_labels_stand_in_the_order_of_their_numbers() -> None:
    mixed = SimpleNamespace(id2label={"1": "pos", "0": "neg"}, problem_type=None)
    assert task_of(mixed, "m", None).labels == ("neg", "pos")


def test_one_output_is_a_regression_unless_it_is_said_to_be_a_sigmoid() -> None:
    with pytest.raises(UnsupportedModelError, match="m has a head with one output") as refused:
        task_of(config("LABEL_0"), "m", None)
    assert "--task binary" in (refused.value.hint or "")


@pytest.mark.parametrize("labels", [("score",), ("a", "b")])
def test_a_regression_is_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedModelError, match="m is a regression model"):
        task_of(config(*labels, problem_type="regression"), "m", "binary")


def test_several_outputs_are_no_sigmoid() -> None:
    with pytest.raises(ConfigurationError, match="--task binary: the model has 3 outputs"):
        task_of(config("a", "b", "c"), "m", "binary")
    with pytest.raises(ConfigurationError, match="2 outputs, each a label of its own"):
        task_of(config("a", "b", problem_type="multi_label_classification"), "m", "binary")


def test_labels_must_be_told_apart() -> None:
    with pytest.raises(UnsupportedModelError, match="names two labels 'a'"):
        task_of(config("a", "b", "a"), "m", None)


def test_every_output_must_have_a_label() -> None:
    gap = SimpleNamespace(id2label={0: "a", 2: "b"}, problem_type=None)
    with pytest.raises(UnsupportedModelError, match="names no label 1"):
        task_of(gap, "m", None)
