"""What the user's code raises during an audit is one line that names texts and place."""

from typing import Any

import pytest
import torch
from torch import Tensor

from attn_audit.checks.permutation import Permutation
from attn_audit.checks.reading import read_batch
from attn_audit.data.example import Example
from attn_audit.errors import AuditFailedError
from attn_audit.importance.gradient import gradient_importance
from attn_audit.importance.leave_one_out import leave_one_out_importance
from attn_audit.models.base import Batch
from attn_audit.models.custom.failures import failures_named
from attn_audit.models.custom.model import CustomInterceptedModel
from tests.models.custom.toys import (
    EXAMPLES,
    IDS,
    Pooling,
    attend_plainly,
    custom_of,
    model_of,
)

FORBIDDEN = IDS["w39"]


class Failing(Pooling):
    """Fails at one token before the attention, and behind it as soon as it is armed."""

    def __init__(self, forbidden: int = FORBIDDEN) -> None:
        super().__init__(attend_plainly)
        self.forbidden = forbidden
        self.is_armed = False

    def forward(self, ids: Tensor) -> Tensor:
        if bool((ids == self.forbidden).any()):
            raise ValueError("a token\nthat is forbidden")
        output = super().forward(ids)
        if self.is_armed:
            raise RuntimeError("armed")
        return output


def batch_of(model: CustomInterceptedModel, examples: Any = EXAMPLES) -> Batch:
    return model.collate(model.encode(examples))


def message_of(error: AuditFailedError) -> str:
    assert "\n" not in error.message
    assert error.exit_code == 3
    assert isinstance(error.__cause__, Exception)
    return error.message


def test_the_text_at_which_it_fails_is_named() -> None:
    model = model_of(custom_of(Failing()), EXAMPLES[:2])
    batch = batch_of(model)
    with pytest.raises(AuditFailedError) as caught:
        model.read(batch, [model.default_site])
    message = message_of(caught.value)
    assert message.startswith(
        "the adapter's code failed at example 'example-2': ValueError: a token that is forbidden ("
    )
    assert "test_failures.py, line " in message


def test_failures_of_all_texts_name_a_few() -> None:
    module = Failing(forbidden=-1)
    model = model_of(custom_of(module))
    module.is_armed = True
    texts = [Example(id=str(i), text="w5 w6 w7") for i in range(5)]
    with pytest.raises(AuditFailedError, match="at examples '0', '1', '2' and 2 more: RuntimeErr"):
        model.read(batch_of(model, texts), [model.default_site])


def test_every_way_into_the_module_is_guarded() -> None:
    module = Failing(forbidden=-1)
    model = model_of(custom_of(module))
    audited = read_batch(model, batch_of(model), model.default_site, seed=0)
    embeddings = model.embed(audited.batch)
    module.is_armed = True
    with pytest.raises(AuditFailedError):
        leave_one_out_importance(model, audited.batch)
    with pytest.raises(AuditFailedError):
        gradient_importance(model, audited.batch)
    with pytest.raises(AuditFailedError):
        model.forward(audited.batch, embeddings, hold_attention=True)
    with pytest.raises(AuditFailedError):
        Permutation(0.01, 10).run(audited)


def test_a_failing_encode_is_named_too() -> None:
    def encode(texts: list[list[str]]) -> Tensor:
        return torch.stack([torch.tensor([IDS[token] for token in tokens]) for tokens in texts])

    with pytest.raises(AuditFailedError, match="RuntimeError: stack expects each tensor to be"):
        model_of(custom_of(Pooling(attend_plainly), encode))


def test_so_is_a_failing_tokenize() -> None:
    def tokenize(text: str) -> list[str]:
        return text.split() if "w39" not in text else [][0]

    model = model_of(custom_of(Pooling(attend_plainly), tokenize=tokenize), EXAMPLES[:2])
    with pytest.raises(AuditFailedError, match="at example 'example-2': IndexError: list index"):
        model.encode(EXAMPLES)


def test_a_failure_of_torch_alone_has_no_line_of_the_users() -> None:
    """An id that the table does not have."""
    model = model_of(custom_of(Pooling(attend_plainly)))
    batch = batch_of(model)
    batch.inputs.arguments[0][0, 2] = 4000  # type: ignore[attr-defined]
    with pytest.raises(AuditFailedError, match="IndexError: index out of range in self"):
        model.read(batch, [model.default_site])


@pytest.mark.parametrize("error", [MemoryError(), torch.cuda.OutOfMemoryError()])
def test_running_out_of_memory_is_no_fault_of_the_users(error: Exception) -> None:
    with pytest.raises(type(error)), failures_named(list):
        raise error


def test_a_fault_of_ours_is_not_called_theirs() -> None:
    with pytest.raises(ZeroDivisionError), failures_named(list):
        1 / 0  # noqa: B018
