"""A text alone against the same text padded in a batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from attn_audit.models.contract import Batch, Reading
from attn_audit.models.interception.classifier import NOT_AUDITED, InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.matrix import assert_close, audited, over, padded_batch, read
from tests.models.interception.passes import random_attention
from tests.models.interception.zoo import (
    CONFIGURATIONS,
    COUNTS_PADDING,
    DECODERS,
    MIXES_NEIGHBOURS,
    POOLS,
    examples,
)

ENCODERS = (name for name in CONFIGURATIONS if name not in {*MIXES_NEIGHBOURS, *DECODERS})


@over((*ENCODERS, *COUNTS_PADDING))
def test_padding_changes_nothing(name: str) -> None:
    assert_same_alone(audited(name))


@over(name for name in DECODERS if name not in COUNTS_PADDING)
def test_padding_a_decoder_left_changes_nothing(name: str) -> None:
    assert_same_alone(audited(name, "left"))


@over((*MIXES_NEIGHBOURS, *POOLS))
def test_padding_changes_the_output_of_models_that_mix_neighbours(name: str) -> None:
    # Of the module itself: convolutions, trigrams and pairs of tokens take padding in.
    assert_other_output_alone(audited(name))


@over(COUNTS_PADDING)
def test_padding_left_changes_the_output_of_models_that_count_it(name: str) -> None:
    assert_other_output_alone(audited(name, "left"))


@dataclass(frozen=True)
class Text:
    """What a batch shows of one of its texts."""

    logits: Tensor
    attention: Tensor
    replayed: Tensor
    gradient: Tensor


def texts_of(
    model: InterceptedModel, batch: InterceptedBatch, given: list[Tensor]
) -> Iterator[Text]:
    """Every text of a batch, without what is padding.

    Args:
        model: A model.
        batch: One or several texts.
        given: For each text the attention that is replayed: (variant, row, unit).
    """
    reading = read(model, batch)
    attention = torch.zeros(len(batch), given[0].shape[0], *reading.attention.shape[1:])
    for i, one in enumerate(given):
        attention[i, :, reading.row_mask[i], : one.shape[-1]] = one
    replayed = reading.replay(attention)
    gradient = gradient_of(model, batch)
    for i, encoded in enumerate(batch.encoded):
        yield Text(
            logits=reading.logits[i],
            attention=reading.attention[i, reading.row_mask[i], : encoded.n_units],
            replayed=replayed[i],
            gradient=gradient[i, batch.inputs.units[i] != NOT_AUDITED],
        )


def gradient_of(model: InterceptedModel, batch: Batch) -> Tensor:
    """Of one mixture of the logits in the embeddings."""
    embeddings = model.embed(batch).requires_grad_()
    logits = model.forward(batch, embeddings, hold_attention=False)
    (gradient,) = torch.autograd.grad((logits * torch.tensor([1.0, -0.5, 0.3])).sum(), embeddings)
    return gradient


def random_rows(reading: Reading, example: int, n_units: int) -> Tensor:
    rows = random_attention(reading, 2)[example, :, reading.row_mask[example]]
    return rows[..., :n_units]


def assert_same_alone(model: InterceptedModel) -> None:
    __tracebackhide__ = True
    batch = padded_batch(model)
    reading = read(model, batch)
    given = [random_rows(reading, i, e.n_units) for i, e in enumerate(batch.encoded)]
    for i, padded in enumerate(texts_of(model, batch, given)):
        (alone,) = texts_of(model, model.collate([batch.encoded[i]]), [given[i]])
        assert_close(padded.logits, alone.logits)
        assert_close(padded.attention, alone.attention)
        assert_close(padded.replayed, alone.replayed)
        assert_close(padded.gradient, alone.gradient)


def assert_other_output_alone(model: InterceptedModel) -> None:
    __tracebackhide__ = True
    batch = model.collate(model.encode(examples((10, 5), seed=2)))
    longer, shorter = (read(model, model.collate([encoded])).logits[0] for encoded in batch.encoded)
    together = read(model, batch).logits
    assert_close(together[0], longer)  # which is not padded
    assert not torch.allclose(together[1], shorter, atol=0.01)
