"""What a user says of a model is checked before anything is run."""

from typing import Any

import jaxtyping
import pytest
from torch import nn

import attn_audit
from attn_audit.errors import ConfigurationError
from attn_audit.models.custom.custom_model import CustomModel
from tests.models.custom.toys import Pooling, attend_plainly


def said(**fields: Any) -> CustomModel:
    given: dict[str, Any] = {
        "module": Pooling(attend_plainly),
        "encode": len,
        "labels": ["bad", "good"],
        "task": "binary",
    }
    return CustomModel(**(given | fields))


def test_it_is_a_public_name() -> None:
    assert attn_audit.CustomModel is CustomModel


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"module": "model.pt"}, "module must be a torch.nn.Module, not str"),
        ({"module": nn.Linear}, "module must be a torch.nn.Module, not the class Linear"),
        ({"encode": None}, "encode must be a function, not NoneType"),
        ({"tokenize": "words"}, "tokenize must be a function, not str"),
        ({"output": "scores"}, "output must be logits or probabilities, not 'scores'"),
        ({"training": ["seed"]}, "training must be names with numbers or words, not"),
        ({"training": {"seed": [1]}}, "training must be names with numbers or words, not"),
        ({"takes_pairs": "yes"}, "takes_pairs must be True or False, not 'yes'"),
        ({"labels": "ab"}, "labels must be a list of names, not 'ab'"),
        ({"labels": [0, 1]}, "labels must be a list of names"),
        ({"labels": ["a", "a"]}, "a name stands twice in labels"),
        ({"labels": ["a", "b", "c"]}, "a binary task has 2 labels, not 3"),
        ({"labels": ["a"], "task": "multiclass"}, "has several labels, not 1"),
        ({"task": "binari"}, "there is no task 'binari'"),
        ({"attention": "scores"}, "Pooling has no such submodule"),
        ({"embedding": "output.bias"}, "Pooling has no such submodule"),
        ({"attention": 3}, "Pooling has no such submodule"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    fields: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Types are checked in tests alone: users must get an error of ours.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ConfigurationError, match=message):
        said(**fields)


@pytest.mark.parametrize(
    ("fields", "nearest"),
    [({"task": "binari"}, "binary"), ({"attention": "scores"}, "score")],
)
def test_the_nearest_name_is_told(fields: dict[str, Any], nearest: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        said(**fields)
    assert caught.value.hint == f"Did you mean {nearest!r}?"


def test_an_embedding_without_a_table_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="has no weight of two axes"):
        said(module=nn.Sequential(nn.Linear(2, 2), nn.ReLU()), embedding="1")
