"""What a module may return, and what is made of it."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from attn_audit.errors import ConfigurationError
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.outputs import require_outputs, task_logits
from tests.models.custom.toys import Pooling, attend_plainly, custom_of, model_of

LABELS = ["a", "b", "c"]
LOGITS = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.0, -2.0]])


@dataclass
class Returned:
    """As transformers returns it."""

    logits: Tensor


def said(**fields: Any) -> CustomModel:
    return custom_of(nn.Linear(1, 1), **fields)


MULTICLASS = said(labels=LABELS, task="multiclass")
MULTILABEL = said(labels=LABELS, task="multilabel")
ONE_SIGMOID = said()


@pytest.mark.parametrize(
    "returned",
    [LOGITS, (LOGITS, "weights"), [LOGITS], {"logits": LOGITS}, Returned(LOGITS)],
    ids=["tensor", "tuple", "list", "dict", "object"],
)
def test_logits_may_come_in_several_ways(returned: object) -> None:
    assert torch.equal(task_logits(MULTILABEL, returned, 2), LOGITS)


def test_labels_that_compete_are_relative_to_the_first() -> None:
    expected = torch.tensor([[0.0, -1.5, 1.5], [0.0, -3.0, -5.0]])
    assert torch.allclose(task_logits(MULTICLASS, LOGITS, 2), expected)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_one_sigmoid_may_have_an_axis_or_not(shape: tuple[int, ...]) -> None:
    found = task_logits(ONE_SIGMOID, torch.tensor([0.3, -0.7]).reshape(shape), 2)
    assert torch.allclose(found, torch.tensor([[0.3], [-0.7]]))


def test_two_outputs_of_a_binary_task_become_the_log_odds_of_the_second() -> None:
    found = task_logits(ONE_SIGMOID, LOGITS[:, :2], 2)
    assert torch.allclose(found, torch.tensor([[-1.5], [-3.0]]))


@given(st.lists(st.floats(-15, 15), min_size=3, max_size=3))
def test_probabilities_are_made_logits_again(logits: list[float]) -> None:
    expected = torch.tensor([logits], dtype=torch.float64)
    softmax = said(labels=LABELS, task="multiclass", output="probabilities")
    found = task_logits(softmax, expected.softmax(-1), 1)
    assert torch.allclose(found, expected - expected[:, :1], atol=1e-6)
    sigmoids = said(labels=LABELS, task="multilabel", output="probabilities")
    assert torch.allclose(task_logits(sigmoids, expected.sigmoid(), 1), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_probabilities_of_0_and_1_have_finite_logits(dtype: torch.dtype) -> None:
    ends = torch.tensor([[0.0], [1.0]], dtype=dtype)
    low, high = task_logits(said(output="probabilities"), ends, 2)[:, 0].tolist()
    assert -1000 < low < -10
    assert 10 < high < 1000


def test_half_precision_is_computed_with_in_single() -> None:
    assert task_logits(MULTILABEL, LOGITS.half(), 2).dtype == torch.float32


def test_the_number_of_outputs_must_be_that_of_the_labels() -> None:
    with pytest.raises(ConfigurationError, match=r"2 x 3 for 2 texts.* 4 labels needs 2 x 4"):
        task_logits(said(labels=[*LABELS, "d"], task="multiclass"), LOGITS, 2)


def test_a_binary_task_has_one_output_or_two() -> None:
    with pytest.raises(ConfigurationError, match="needs 2 x 1 or 2 x 2"):
        task_logits(ONE_SIGMOID, LOGITS, 2)


@pytest.mark.parametrize("returned", [None, "text", (), torch.tensor([[1, 2, 3]])])
def test_what_holds_no_numbers_is_refused(returned: object) -> None:
    with pytest.raises(ConfigurationError, match="the adapter's module returned a"):
        task_logits(MULTICLASS, returned, 1)


def test_numbers_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="numbers from -2 to 3") as caught:
        require_outputs(said(labels=LABELS, task="multilabel", output="probabilities"), LOGITS, 2)
    assert 'output="logits"' in str(caught.value.hint)


def test_probabilities_of_competing_labels_sum_to_1() -> None:
    with pytest.raises(ConfigurationError, match=r"sum to 1\.5, not to 1") as caught:
        require_outputs(
            said(labels=LABELS, task="multiclass", output="probabilities"),
            torch.full((2, 3), 0.5),
            2,
        )
    assert 'task="multilabel"' in str(caught.value.hint)


def test_wrong_outputs_are_found_before_the_audit() -> None:
    with pytest.raises(ConfigurationError, match="needs"):
        model_of(custom_of(Pooling(attend_plainly, n_outputs=4)))
