"""A kind of output that the package does not know: one class, and every check works with it."""

from typing import Any

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit import audit
from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.task import (
    Binary,
    Multiclass,
    Multilabel,
    Task,
    allowed_labels,
    match_labels,
)
from attn_audit.results.report import Report
from tests.models.custom.toys import EXAMPLES, Pooling, attend_plainly, custom_of

N_WORDS = 30
LABELS = ("no", "maybe", "yes")


class NextWord(Multiclass):
    """The head scores a whole vocabulary, and some of its words are the labels."""

    name = "next word"
    of_labels = (17, 4, 9)

    @property
    def n_outputs(self) -> tuple[int, ...]:
        return (N_WORDS,)

    def from_outputs(self, outputs: Float[Tensor, "batch output"]) -> Float[Tensor, "batch label"]:
        return outputs[:, list(self.of_labels)]


def audited(module: torch.nn.Module, task: Any) -> Report:
    model = custom_of(module, labels=LABELS, task=task)
    return audit(model, EXAMPLES, iterations=40, restarts=1, reproducible=True)


def test_it_is_audited_as_the_same_labels_alone_are() -> None:
    whole = Pooling(attend_plainly, n_outputs=N_WORDS)
    chosen = Pooling(attend_plainly, n_outputs=len(LABELS))
    with torch.no_grad():
        for name, parameter in chosen.named_parameters():
            own = whole.get_parameter(name)
            is_head = name.startswith("output.")
            parameter.copy_(own[list(NextWord.of_labels)] if is_head else own)
    found, expected = audited(whole, NextWord), audited(chosen, "multiclass")
    assert found.model.task == "next word"
    assert_alike(found.model_dump()["metrics"], expected.model_dump()["metrics"])


def assert_alike(found: object, expected: object) -> None:
    """Equal but for rounding."""
    __tracebackhide__ = True
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for key in expected:
            assert_alike(found[key], expected[key])
    elif isinstance(expected, list | tuple):
        assert isinstance(found, list | tuple)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, float):
        assert isinstance(found, float)
        assert abs(found - expected) <= 1e-4
    else:
        assert found == expected


SENTIMENT = Binary(("negative", "positive"))
TOPICS = Multiclass(("World", "Sports", "Sci/Tech"))
STARS = Multiclass(("1 star", "2 stars", "3 stars"))


def example(*labels: str, candidates: tuple[str, ...] | None = None) -> Example:
    return Example("a", "text", None, labels or None, candidates, "test.jsonl:3")


def matched(task: Task, *labels: str) -> tuple[str, ...] | None:
    (found,) = match_labels(task, [example(*labels)])
    return found.labels


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("negative", "negative"),
        ("POSITIVE", "positive"),
        ("0", "negative"),
        ("1", "positive"),
        ("LABEL_1", "positive"),
        ("label_0", "negative"),
    ],
)
def test_a_label_is_known_by_name_or_index(text: str, name: str) -> None:
    assert matched(SENTIMENT, text) == (name,)


def test_a_name_goes_before_an_index() -> None:
    assert matched(Multiclass(("1", "0", "x")), "1") == ("1",)


def test_names_that_differ_in_case_alone_are_told_apart() -> None:
    task = Multiclass(("us", "US", "uk"))
    assert matched(task, "US") == ("US",)
    with pytest.raises(IncompatibleDataError, match="no label 'Us'"):
        match_labels(task, [example("Us")])


def test_a_number_is_no_index_where_names_hold_other_numbers() -> None:
    with pytest.raises(IncompatibleDataError, match="no label '1'"):
        match_labels(STARS, [example("1")])
    assert matched(Multiclass(("LABEL_0", "LABEL_1", "LABEL_2")), "2") == ("LABEL_2",)


@pytest.mark.parametrize("text", ["2", "LABEL_2", "-1", "1.0", "٢", "neutral"])
def test_an_unknown_label_lists_the_models_labels(text: str) -> None:
    with pytest.raises(IncompatibleDataError) as refused:
        match_labels(SENTIMENT, [example("0"), example("1"), example(text)])
    assert refused.value.message.startswith("test.jsonl:3 (example 'a'): the model has no label")
    assert refused.value.label == text
    assert "the model's labels: negative, positive" in refused.value.message
    assert "--label-map" in (refused.value.hint or "")


def test_examples_that_need_no_change_are_kept() -> None:
    examples = [example("positive"), example()]
    assert all(a is b for a, b in zip(match_labels(SENTIMENT, examples), examples, strict=True))


def test_a_model_of_one_label_is_not_given_two() -> None:
    with pytest.raises(IncompatibleDataError, match="2 labels, and the model gives exactly one"):
        match_labels(SENTIMENT, [example("0", "1")])


def test_two_spellings_of_a_label_are_one() -> None:
    task = Multilabel(("joy", "fear"))
    assert matched(task, "Joy", "0", "fear") == ("joy", "fear")


def test_candidates_are_matched_as_labels_are() -> None:
    (found,) = match_labels(TOPICS, [example("sports", candidates=("0", "sports"))])
    assert found.candidates == ("World", "Sports")
    assert allowed_labels(TOPICS, found) == (True, True, False)
    with pytest.raises(IncompatibleDataError, match="no label '7', which is this example's cand"):
        match_labels(TOPICS, [example("0", candidates=("0", "7"))])


def test_candidates_mean_nothing_to_a_sigmoid() -> None:
    (found,) = match_labels(SENTIMENT, [example("0", candidates=("0", "7"))])
    assert found.candidates == ("0", "7")
    assert allowed_labels(SENTIMENT, found) is None
