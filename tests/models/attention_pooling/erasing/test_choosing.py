"""Which texts without units are computed all at once, and which one by one."""

import pytest
import torch
from torch import Tensor

from attn_audit.models.attention_pooling.erasing import choosing
from attn_audit.models.attention_pooling.model import AttentionPoolingModel
from attn_audit.models.base import Batch
from tests.tiny import tiny_examples, tiny_model


@pytest.fixture
def model() -> AttentionPoolingModel:
    return tiny_model()


@pytest.fixture
def batch(model: AttentionPoolingModel) -> Batch:
    return model.collate(model.encode(tiny_examples(5, lengths=(2, 6))))


def ways_taken(
    model: AttentionPoolingModel,
    batch: Batch,
    keep: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    taken = []
    for way in ("logits_of_shorter_texts", "logits_without_each_unit"):
        original = getattr(choosing, way)

        def spy(*arguments: object, way: str = way, original=original) -> Tensor:  # type: ignore[no-untyped-def]
            taken.append(way)
            logits: Tensor = original(*arguments)
            return logits

        monkeypatch.setattr(choosing, way, spy)
    model.erase(batch, keep)
    return taken


def each_in_turn(batch: Batch) -> Tensor:
    """The whole text, and then without its first, second, ... unit."""
    n_units = batch.unit_mask.shape[1]
    keep = torch.ones(len(batch), n_units + 1, n_units, dtype=torch.bool)
    keep[:, 1:] = ~torch.eye(n_units, dtype=torch.bool)
    return keep


@pytest.mark.parametrize("padding_is_kept", [True, False])
def test_each_unit_in_turn_is_left_out_at_once(
    model: AttentionPoolingModel,
    batch: Batch,
    padding_is_kept: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keep = each_in_turn(batch)
    if not padding_is_kept:
        keep &= batch.unit_mask.unsqueeze(1)
    assert ways_taken(model, batch, keep, monkeypatch) == ["logits_without_each_unit"]
    one_by_one = torch.cat([model.erase(batch, keep[:, [v]]) for v in range(keep.shape[1])], dim=1)
    torch.testing.assert_close(model.erase(batch, keep), one_by_one, rtol=1e-5, atol=1e-5)


def test_two_units_are_left_out_text_by_text(
    model: AttentionPoolingModel, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = each_in_turn(batch)
    keep[-1, 1, :2] = False
    assert ways_taken(model, batch, keep, monkeypatch) == ["logits_of_shorter_texts"]


def test_another_order_is_left_out_text_by_text(
    model: AttentionPoolingModel, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = each_in_turn(batch).flip(1)
    assert ways_taken(model, batch, keep, monkeypatch) == ["logits_of_shorter_texts"]


def test_a_few_variants_are_not_worth_all(
    model: AttentionPoolingModel, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = each_in_turn(batch)[:, :-1]
    assert ways_taken(model, batch, keep, monkeypatch) == ["logits_of_shorter_texts"]
