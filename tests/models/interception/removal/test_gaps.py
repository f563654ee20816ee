"""Tokens left out of the computation, against the same tokens masked."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from attn_audit import Example, wrap
from attn_audit.models.interception.classifier import InterceptedBatch, ModelInputs
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.interception.removal.base import Variants, removed_positions
from attn_audit.models.interception.removal.gaps import Gaps
from attn_audit.models.interception.removal.masking import Masking
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint
from tests.models.interception.matrix import assert_close

FIRST_PLACES: Mapping[str, int | None] = {
    "bert": 0,
    "mpnet": None,
    "gpt2": 0,
    "llama": 0,
    "deberta-v2": None,
}
"""The number of the first place, or None where distances are counted over the tokens left."""

TEXTS = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:6])]


def of_kind(checkpoint: Checkpoint, kind: str) -> InterceptedModel:
    folder = checkpoint(kind)
    module: nn.Module = AutoModelForSequenceClassification.from_pretrained(folder)
    return wrap(module, AutoTokenizer.from_pretrained(folder))


def first_place(gaps: Gaps, batch: InterceptedBatch) -> int | None:
    exact = gaps.exact(batch)
    return None if exact is None else exact.first_place


def some_units(batch: InterceptedBatch) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    n_batch, n_units = batch.unit_mask.shape
    keep = torch.rand(n_batch, 4, n_units, generator=generator) < 0.6
    rows = torch.arange(n_batch)
    keep[rows, :, batch.readout_units] |= (batch.readout_units >= 0).unsqueeze(1)
    return keep


def n_computed(model: InterceptedModel, run: Callable[[], Tensor]) -> int:
    """Positions that leave the first layer of an encoder."""
    n_positions = 0

    def count(module: nn.Module, args: Any, output: Tensor) -> None:
        nonlocal n_positions
        n_positions += output.shape[0] * output.shape[1]

    layer = model.module.get_submodule("bert.encoder.layer.0.output")
    with layer.register_forward_hook(count):
        run()
    return n_positions


@pytest.mark.parametrize("kind", FIRST_PLACES)
def test_masked_tokens_are_left_out_where_that_is_the_same(
    checkpoint: Checkpoint, kind: str
) -> None:
    model = of_kind(checkpoint, kind)
    batch = model.collate(model.encode(TEXTS))
    gaps = Gaps(model.classifier, model.classifier.logits)
    assert first_place(gaps, batch) == FIRST_PLACES[kind]
    keep = some_units(batch)
    found = model.erase(batch, keep, "mask")
    for variant, kept in enumerate((keep & batch.unit_mask.unsqueeze(1)).unbind(1)):
        gone = (batch.inputs.units >= 0) & ~kept.gather(1, batch.inputs.units.clamp_min(0))
        with torch.no_grad():
            masked = model.classifier.logits(model.classifier.mask(batch.inputs, gone))
        assert_close(found[:, variant], masked)


def test_places_are_counted_from_where_the_model_counts_them(checkpoint: Checkpoint) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert"))
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=70,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = wrap(RobertaForSequenceClassification(config).eval(), tokenizer)
    batch = model.collate(model.encode(TEXTS))
    gaps = Gaps(model.classifier, model.classifier.logits)
    assert first_place(gaps, batch) == tokenizer.pad_token_id + 1


def test_fewer_tokens_are_computed(checkpoint: Checkpoint) -> None:
    model = of_kind(checkpoint, "bert")
    batch = model.collate(model.encode(TEXTS))
    keep = some_units(batch)
    model.erase(batch, keep, "mask")  # tries
    n_with_gaps = n_computed(model, lambda: model.erase(batch, keep, "mask"))
    model.classifier.first_places = ()
    model.__dict__.pop("removals")
    n_masked = n_computed(model, lambda: model.erase(batch, keep, "mask"))
    assert n_with_gaps < 0.8 * n_masked


def test_a_longer_text_is_tried_by_itself(checkpoint: Checkpoint) -> None:
    """As of a window of so many tokens, which shorter texts fit in."""
    model = of_kind(checkpoint, "bert")
    short, *_, long = sorted(model.encode(TEXTS), key=lambda item: item.n_tokens)
    narrow, wide = model.collate([short]), model.collate([long])

    def windowed(inputs: ModelInputs) -> Tensor:
        n_places = inputs.units.shape[1]
        factor = 1 if n_places <= narrow.inputs.n_positions else n_places
        return model.classifier.logits(inputs) * factor

    gaps = Gaps(model.classifier, windowed)
    assert [first_place(gaps, batch) for batch in (narrow, wide, narrow)] == [0, None, 0]
    assert Gaps(model.classifier, windowed).exact(wide) is None


def test_what_lies_before_the_first_attention_is_computed_once(
    checkpoint: Checkpoint,
) -> None:
    model = of_kind(checkpoint, "bert")
    batch = model.collate(model.encode(TEXTS))
    masking = model.removals["mask"]
    assert isinstance(masking, Masking)
    exact = masking._gaps.exact(batch)
    assert exact is not None
    assert exact.shares_start
    table, n_looked_up = model.module.get_submodule("bert.embeddings.word_embeddings"), 0

    def count(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        nonlocal n_looked_up
        n_looked_up += args[0].numel()

    n_units = batch.unit_mask.shape[1]
    keep = ~torch.eye(n_units, dtype=torch.bool).expand(len(TEXTS), -1, -1)
    example, variant = torch.nonzero(keep.any(dim=2) & batch.unit_mask, as_tuple=True)
    variants = Variants(example, variant, keep[example, variant] & batch.unit_mask[example])
    is_suited = masking.suits(batch, keep & batch.unit_mask.unsqueeze(1))[example, variant]
    variants = variants.take(is_suited)
    with torch.no_grad(), table.register_forward_pre_hook(count):
        found = masking.runner(batch)(variants)
    assert n_looked_up == batch.inputs.units.numel()
    whole = batch.inputs.take(variants.example)
    gone = removed_positions(whole.units, variants.keep)
    with torch.no_grad():
        assert_close(found, model.classifier.logits(model.classifier.mask(whole, gone)))
