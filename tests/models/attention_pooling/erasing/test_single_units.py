"""Every unit left out at once, against running each shorter text by itself."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.models.attention_pooling.architecture import (
    Activation,
    Architecture,
    AttentionKind,
    EncoderKind,
)
from attn_audit.models.attention_pooling.attention import AdditiveAttention
from attn_audit.models.attention_pooling.batch import TokenBatch, TokenEncoded, pad
from attn_audit.models.attention_pooling.erasing import single_units
from attn_audit.models.attention_pooling.erasing.shorter_texts import logits_of_shorter_texts
from attn_audit.models.attention_pooling.erasing.single_units import logits_without_each_unit
from attn_audit.models.attention_pooling.model import AttentionPoolingModel
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.tokenizer import END, START
from attn_audit.models.task import TaskKind
from tests.tiny import KINDS, WORDS, tiny_model

TASKS = (
    (TaskKind.BINARY, 2),
    (TaskKind.MULTICLASS, 3),
    (TaskKind.MULTILABEL, 4),
    (TaskKind.CANDIDATES, 4),
)


def examples(lengths: list[int], kind: TaskKind = TaskKind.BINARY, seed: int = 0) -> list[Example]:
    """Random texts with second texts; of tasks with candidates, every other example has some."""
    draw = random.Random(seed)
    return [
        Example(
            id=f"example-{i}",
            text=" ".join(draw.choices(WORDS, k=n)),
            text_pair=" ".join(draw.choices(WORDS, k=draw.randint(1, 6))),
            candidates=("label0", "label2") if kind is TaskKind.CANDIDATES and i % 2 else None,
        )
        for i, n in enumerate(lengths)
    ]


def leave_out_each(batch: TokenBatch) -> Tensor:
    """Keep everything, then everything but each unit."""
    n_units = batch.unit_mask.shape[1]
    but_one = ~torch.eye(n_units, dtype=torch.bool)
    return torch.cat([torch.ones_like(but_one[:1]), but_one]).expand(len(batch), -1, -1)


@torch.no_grad()
def assert_equal_to_the_plain_way(
    network: AttentionPoolingNetwork, batch: TokenBatch, tolerance: float
) -> None:
    found = logits_without_each_unit(network, batch)
    expected = logits_of_shorter_texts(network, batch, leave_out_each(batch))
    for i, length in enumerate((batch.lengths - 2).tolist()):
        variants = slice(length + 1)
        torch.testing.assert_close(
            found[i, variants], expected[i, variants], rtol=tolerance, atol=tolerance
        )


def batch_of(model: AttentionPoolingModel, texts: list[Example]) -> TokenBatch:
    return model.collate(model.encode(texts))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task[0]))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind)))
def test_is_the_plain_way_at_every_length(
    kind: tuple[EncoderKind, AttentionKind, bool], task: tuple[TaskKind, int]
) -> None:
    encoder, attention, is_pair = kind
    model = tiny_model(
        encoder, attention, is_pair=is_pair, kind=task[0], n_labels=task[1], scale=2.0
    )
    texts = examples(list(range(1, 41)), task[0])
    batch = batch_of(model, texts)
    assert_equal_to_the_plain_way(model.network, batch, 1e-5)
    forbidden = model.erase(batch, leave_out_each(batch)).isneginf()
    assert forbidden.any() == (task[0] is TaskKind.CANDIDATES)
    model.network.double()
    assert_equal_to_the_plain_way(model.network, batch_of(model, texts[::8]), 1e-10)


@settings(max_examples=20)
@given(
    st.sampled_from(KINDS),
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.integers(0, 1_000),
)
def test_is_the_plain_way_whatever_stands_together(
    kind: tuple[EncoderKind, AttentionKind, bool], lengths: list[int], seed: int
) -> None:
    encoder, attention, is_pair = kind
    model = tiny_model(encoder, attention, is_pair=is_pair, seed=seed)
    model.network.double()
    assert_equal_to_the_plain_way(
        model.network, batch_of(model, examples(lengths, seed=seed)), 1e-10
    )


@pytest.mark.parametrize("encoder", EncoderKind)
def test_padding_and_batch_size_change_nothing(encoder: EncoderKind) -> None:
    model = tiny_model(encoder)
    texts = examples([7, 1, 12, 3])
    batch = batch_of(model, texts)
    together = model.erase(batch, leave_out_each(batch))
    for i, text in enumerate(texts):
        single = batch_of(model, [text])
        alone = model.erase(single, leave_out_each(single))[0]
        torch.testing.assert_close(together[i, : len(alone)], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("encoder", EncoderKind)
def test_portions_give_the_same(encoder: EncoderKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_units, "MAX_POSITIONS", 30)
    model = tiny_model(encoder)
    model.network.double()
    assert_equal_to_the_plain_way(model.network, batch_of(model, examples([9, 2, 31, 5, 9])), 1e-10)


@pytest.mark.parametrize(("encoder", "attention", "is_pair"), KINDS)
def test_a_text_of_one_unit_leaves_the_readout_of_no_input(
    encoder: EncoderKind, attention: AttentionKind, is_pair: bool
) -> None:
    model = tiny_model(encoder, attention, is_pair=is_pair)
    batch = batch_of(model, examples([1, 4, 1]))
    reading = model.read(batch, [model.default_site])[0]
    of_nothing = reading.replay(torch.zeros_like(reading.attention).unsqueeze(1))[:, 0]
    left = model.erase(batch, leave_out_each(batch))[:, 1]
    torch.testing.assert_close(left[[0, 2]], of_nothing[[0, 2]])


@pytest.mark.parametrize("encoder", EncoderKind)
def test_a_unit_that_outweighs_all_others_leaves_their_own_weights(encoder: EncoderKind) -> None:
    """The others' share is below the smallest number as long as that unit is there."""
    model = tiny_model(encoder)
    attention = model.network.double().attention
    assert isinstance(attention, AdditiveAttention)
    attention.score.weight.mul_(3_000)
    batch = batch_of(model, examples([6, 11]))
    assert model.read(batch, [model.default_site])[0].attention.max() == 1
    assert_equal_to_the_plain_way(model.network, batch, 1e-10)


@pytest.mark.parametrize("activation", Activation)
@pytest.mark.parametrize("kernel_sizes", [(1,), (3,), (5, 1, 11), (3, 3), (15, 1)])
@pytest.mark.parametrize("is_pair", [False, True])
def test_kernels_of_any_widths_in_any_order(
    kernel_sizes: tuple[int, ...], activation: Activation, is_pair: bool
) -> None:
    network = random_network(
        encoder=EncoderKind.CNN,
        kernel_sizes=kernel_sizes,
        activation=activation,
        is_pair=is_pair,
        hidden_size=3,
    )
    assert_equal_to_the_plain_way(network, random_texts(network, [1, 2, 5, 17]), 1e-10)


@pytest.mark.parametrize("has_projection", [False, True])
@pytest.mark.parametrize("activation", Activation)
def test_averages_with_any_activation(activation: Activation, has_projection: bool) -> None:
    network = random_network(
        encoder=EncoderKind.AVERAGE,
        activation=activation,
        has_projection=has_projection,
        is_pair=False,
        hidden_size=8,
    )
    assert_equal_to_the_plain_way(network, random_texts(network, [1, 2, 5, 17]), 1e-10)


def random_network(**settings: object) -> AttentionPoolingNetwork:
    torch.manual_seed(0)
    sizes = {"vocabulary_size": 30, "embedding_size": 6, "n_logits": 2}
    architecture = Architecture.model_validate({"attention": "additive", **sizes, **settings})
    return AttentionPoolingNetwork(architecture).double().requires_grad_(False)


def random_texts(network: AttentionPoolingNetwork, lengths: list[int]) -> TokenBatch:
    rows = [[START, *torch.randint(4, 30, (length,)).tolist(), END] for length in lengths]
    token_ids, n_positions = pad(rows, torch.device("cpu"))
    encoded = TokenEncoded(Example("x", "w"), (), False, None, (), None)
    question = None
    if network.architecture.is_pair:
        size = network.architecture.state_size
        question = torch.randn(len(lengths), size, dtype=torch.float64)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return TokenBatch((encoded,) * len(lengths), mask, token_ids, n_positions, None, question)
