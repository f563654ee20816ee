"""A function from texts to probabilities, as an API gives them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import AuditFailedError, ConfigurationError, IncompatibleDataError
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.measures.registry import applicable
from attn_audit.models.black_box import BlackBoxModel, wrap_predict
from attn_audit.models.contract import Site

TEXTS = ("a  fine film", "dull", " not  bad , really ")
EXAMPLES = [Example(id=str(i), text=text) for i, text in enumerate(TEXTS)]
WEIGHTS = {"fine": 2.0, "dull": -2.0, "bad": -1.0, "not": 0.5, "[UNK]": 0.25}


def positive(texts: list[str]) -> np.ndarray:
    odds = np.array([sum(WEIGHTS.get(word, 0.0) for word in text.split()) for text in texts])
    probability: np.ndarray = 1 / (1 + np.exp(-odds))
    return probability


def both(texts: list[str]) -> np.ndarray:
    return np.stack([1 - positive(texts), positive(texts)], axis=1)


def wrapped(predict: Callable[[list[str]], Any] = both, **more: Any) -> BlackBoxModel:
    return wrap_predict(predict, ["no", "yes"], **more)


def erased(model: BlackBoxModel, keep: Sequence[bool], operator: str | None = None) -> float:
    """The probability of yes of the third text with some of its words."""
    batch = model.collate(model.encode(EXAMPLES[2:]))
    logits = model.erase(batch, torch.tensor([[keep]]), operator)
    return float(model.task.probabilities(logits)[0, 0, 1])


def test_words_are_its_units_in_the_texts_own_places() -> None:
    (encoded,) = wrapped().encode(EXAMPLES[2:])
    assert [(unit.text, unit.start) for unit in encoded.units] == [
        ("not", 1), ("bad", 6), (",", 10), ("really", 12),
    ]  # fmt: skip


def test_its_readings_are_what_the_function_says() -> None:
    model = wrapped()
    batch = model.collate(model.encode(EXAMPLES))
    (reading,) = model.read(batch, [Site(0)])
    found = model.task.probabilities(reading.logits)
    assert np.allclose(found.numpy(), both(list(TEXTS)), atol=1e-6)
    assert reading.attention.shape == (3, 0, 4)


def test_each_text_is_asked_for_once_as_it_stands_without_its_words() -> None:
    asked: list[str] = []

    def noting(texts: list[str]) -> np.ndarray:
        asked.extend(texts)
        return both(texts)

    model = wrapped(noting)
    batch = model.collate(model.encode(EXAMPLES[2:]))
    keep = torch.tensor(
        [[[True] * 4, [True, False, True, True], [True, False, True, True], [False] * 4]]
    )
    model.erase(batch, keep)
    assert asked == [TEXTS[2], "not  , really"]
    asked.clear()
    model.erase(batch, keep, "neutral")
    assert asked == [TEXTS[2], " not  [UNK] , really ", " [UNK]  [UNK] [UNK] [UNK] "]


def test_leaving_one_out_is_the_function_on_the_shorter_text() -> None:
    model = wrapped()
    found = leave_out(model, model.collate(model.encode(EXAMPLES[2:]))).distance[0]
    without = positive(["bad , really", "not , really", "not bad really", "not bad ,"])
    assert found.tolist() == pytest.approx(abs(without - positive([TEXTS[2]])), abs=1e-6)


def test_another_word_may_stand_for_those_that_are_left_out() -> None:
    keep = (True, False, True, True)
    assert erased(wrapped(), keep, "neutral") == pytest.approx(positive(["not [UNK]"])[0], abs=1e-6)
    other = wrapped(neutral="dull")
    assert erased(other, keep, "neutral") == pytest.approx(positive(["not dull"])[0], abs=1e-6)
    assert "replaced by dull" in str(other.describe().details["left out"])


def test_without_any_word_the_text_itself_stands() -> None:
    assert erased(wrapped(), [False] * 4) == pytest.approx(positive([TEXTS[2]])[0], abs=1e-6)


def test_only_leaving_one_out_applies() -> None:
    assert applicable(wrapped()) == ("leave_one_out",)


@pytest.mark.parametrize(
    "given",
    [
        lambda texts: positive(texts),
        lambda texts: positive(texts)[:, None],
        lambda texts: both(texts).tolist(),
        lambda texts: torch.tensor(both(texts), requires_grad=True),
    ],
)
def test_what_holds_the_probabilities_does_not_matter(given: Callable[[list[str]], Any]) -> None:
    assert erased(wrapped(given), [True] * 4) == pytest.approx(positive([TEXTS[2]])[0], abs=1e-6)


def test_several_labels_have_probabilities_of_their_own() -> None:
    def predict(texts: list[str]) -> list[list[float]]:
        return [[0.9, 0.8] for _ in texts]

    model = wrapped(predict, multilabel=True)
    batch = model.collate(model.encode(EXAMPLES))
    (reading,) = model.read(batch, [Site(0)])
    assert model.task.probabilities(reading.logits)[0].tolist() == pytest.approx([0.9, 0.8])


def test_a_probability_of_one_is_at_the_end_of_what_can_be_told() -> None:
    model = wrapped(lambda texts: [[0.0, 1.0]] * len(texts))
    batch = model.collate(model.encode(EXAMPLES))
    assert leave_out(model, batch).lost.isnan().any()


def failing(texts: list[str]) -> None:
    raise KeyError("no such endpoint")


@pytest.mark.parametrize(
    ("predict", "error", "problem"),
    [
        (failing, AuditFailedError, "predict failed on 1 texts, the first of them ' not  bad"),
        (lambda texts: None, ConfigurationError, "predict returned None, which is no array"),
        (lambda texts: "yes", ConfigurationError, "predict returned 'yes', which is no array"),
        (lambda texts: [[0.5, 0.5]] * 9, ConfigurationError, "an array of 9 x 2 for 1 texts"),
        (lambda texts: [[0.2, 0.3, 0.5]], ConfigurationError, "array of 1 x 3 .* labels no, yes"),
        (lambda texts: [[float("nan"), 1]], AuditFailedError, "NaN or infinity for the text ' not"),
        (lambda texts: [[-3.0, 4.0]], ConfigurationError, "numbers from -3 to 4, which are no"),
        (lambda texts: [[0.9, 0.8]], ConfigurationError, "sum to 1.7, not to 1, for the text ' n"),
    ],
)  # fmt: skip
def test_what_is_no_probability_is_refused_by_name(
    predict: Callable[[list[str]], Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem):
        erased(wrapped(predict), [True] * 4)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"labels": "yes"}, "labels must be a list of names"),
        ({"labels": ["yes"]}, "there must be 2 or more"),
        ({"labels": ["yes", "yes"]}, "each once"),
        ({"neutral": " "}, "neutral must be a word"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        wrap_predict(**{"predict": both, "labels": ["no", "yes"], **arguments})


def test_pairs_are_refused() -> None:
    with pytest.raises(IncompatibleDataError, match="predict takes one"):
        wrapped().encode([Example(id="a", text="one", text_pair="two")])
