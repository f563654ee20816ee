"""The contract, as the paper's models fulfil it; every unit left out at once, as by itself."""

import random
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.capacity import Capacity
from attn_audit.models.contract import Reading
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.erased_logits import Sharing, erased_logits
from attn_audit.models.interception.removal import Deletion
from attn_audit.models.paper import classifier
from attn_audit.models.paper.checkpoint import MARKERS, Checkpoint, Tokenizer, Vocabulary
from attn_audit.models.paper.classifier import PaperClassifier, PaperModel
from attn_audit.models.paper.network import (
    Activation,
    AdditiveAttention,
    Architecture,
    AttentionKind,
    AttentionPoolingNetwork,
    EncoderKind,
)
from attn_audit.models.task import Multiclass, TaskKind, mask_candidates
from tests.tiny import KINDS, WORDS, tiny_examples, tiny_model


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(map(str, kind)))
def model(request: pytest.FixtureRequest) -> PaperModel:
    encoder, attention, is_pair = request.param
    kind = TaskKind.CANDIDATES if is_pair else TaskKind.BINARY
    return tiny_model(encoder, attention, is_pair=is_pair, kind=kind, n_labels=4 if is_pair else 2)


@pytest.fixture
def batch(model: PaperModel) -> InterceptedBatch:
    is_pair = model.network.architecture.is_pair
    return model.collate(model.encode(tiny_examples(5, is_pair=is_pair)))


def read(model: PaperModel, batch: InterceptedBatch) -> Reading:
    return model.read(batch, [model.default_site])[0]


def test_padding_and_batch_size_change_nothing(model: PaperModel, batch: InterceptedBatch) -> None:
    together = read(model, batch)
    for i, encoded in enumerate(batch.encoded):
        alone = read(model, model.collate([encoded]))
        n = encoded.n_units
        assert torch.allclose(alone.logits[0], together.logits[i], atol=1e-4)
        assert torch.allclose(alone.attention[0], together.attention[i, :, :n], atol=1e-6)
        assert not together.attention[i, :, n:].any()


def test_own_attention_replays_the_prediction(model: PaperModel, batch: InterceptedBatch) -> None:
    reading = read(model, batch)
    replayed = reading.replay(reading.attention.unsqueeze(1)).squeeze(1)
    assert torch.allclose(replayed, reading.logits, atol=1e-6)


def test_attention_rows_sum_to_one(model: PaperModel, batch: InterceptedBatch) -> None:
    assert torch.allclose(read(model, batch).attention.sum(-1), torch.tensor(1.0), atol=1e-6)


@pytest.mark.parametrize("hold_attention", [False, True])
def test_forward_with_own_embeddings_predicts_the_same(
    model: PaperModel, batch: InterceptedBatch, hold_attention: bool
) -> None:
    logits = model.forward(batch, model.embed(batch), hold_attention)
    assert torch.allclose(logits, read(model, batch).logits, atol=1e-4)


def test_erasing_is_reading_the_shorter_text(model: PaperModel, batch: InterceptedBatch) -> None:
    torch.manual_seed(1)
    keep = torch.rand(len(batch), 4, batch.unit_mask.shape[1]) < 0.7
    erased = model.erase(batch, keep)
    for i, encoded in enumerate(batch.encoded):
        words = encoded.example.text.split()
        for variant in range(4):
            rest = " ".join(w for w, k in zip(words, keep[i, variant].tolist(), strict=False) if k)
            if not rest:
                continue
            shorter = Example(id="x", text=rest, text_pair=encoded.example.text_pair)
            alone = read(model, model.collate(model.encode([shorter]))).logits[0]
            assert torch.allclose(erased[i, variant], alone, atol=1e-4)


def test_erasing_everything_leaves_the_readout_of_no_input(
    model: PaperModel, batch: InterceptedBatch
) -> None:
    nothing = torch.zeros(len(batch), 1, batch.unit_mask.shape[1], dtype=torch.bool)
    logits = model.erase(batch, nothing).squeeze(1)
    zero = torch.zeros_like(read(model, batch).attention).unsqueeze(1)
    assert torch.allclose(logits, read(model, batch).replay(zero).squeeze(1), atol=1e-6)


def test_embedding_gradient_is_the_finite_difference(
    model: PaperModel, batch: InterceptedBatch
) -> None:
    model.network.double()
    batch = model.collate(batch.encoded)
    embeddings = model.embed(batch).requires_grad_()
    torch.manual_seed(2)
    direction = torch.randn_like(embeddings) * (batch.inputs.units >= 0).unsqueeze(-1)
    logits = model.forward(batch, embeddings, hold_attention=False)
    (gradient,) = torch.autograd.grad(logits.sum(), embeddings)
    step = 1e-6
    ahead = model.forward(batch, embeddings + step * direction, hold_attention=False).sum()
    behind = model.forward(batch, embeddings - step * direction, hold_attention=False).sum()
    difference = (ahead - behind) / (2 * step)
    assert torch.allclose((gradient * direction).sum(), difference, rtol=1e-4, atol=1e-6)


def test_linear_readout_gives_the_logits() -> None:
    model = tiny_model(kind=TaskKind.MULTILABEL, n_labels=3)
    batch = model.collate(model.encode(tiny_examples(6)))
    reading = read(model, batch)
    readout = reading.linear_readout
    assert readout is not None
    mixed = torch.einsum("bu,bul->bl", reading.attention[:, 0], readout.unit_logits)
    assert torch.allclose(readout.offset + mixed, reading.logits, atol=1e-6)


def test_pairs_have_no_linear_readout() -> None:
    model = tiny_model(is_pair=True, kind=TaskKind.CANDIDATES, n_labels=3)
    reading = read(model, model.collate(model.encode(tiny_examples(3, is_pair=True))))
    assert reading.linear_readout is None


def test_disallowed_candidates_have_probability_zero() -> None:
    model = tiny_model(is_pair=True, kind=TaskKind.CANDIDATES, n_labels=3)
    example = Example(id="a", text="w5 w6", text_pair="w7", candidates=("label0", "label2"))
    other = Example(id="b", text="w5 w6", text_pair="w7")
    reading = read(model, model.collate(model.encode([example, other])))
    probabilities = model.task.probabilities(reading.logits)
    assert probabilities[0, 1] == 0
    assert torch.allclose(probabilities.sum(-1), torch.ones(2).double())
    assert (probabilities[1] > 0).all()


def test_unknown_words_are_audited_in_their_own_spelling() -> None:
    model = tiny_model()
    (encoded,) = model.encode([Example(id="a", text="w5 Überraschung w6")])
    assert [unit.text for unit in encoded.units] == ["w5", "Überraschung", "w6"]


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (Example(id="a", text="w5", labels=("label7",), where="x:3"), "x:3 .*no label 'label7'"),
        (Example(id="a", text="w5", labels=("label0", "label1")), "2 labels"),
        (Example(id="a", text="\u200b"), None),
    ],
)
def test_refuses_examples_that_do_not_fit(example: Example, message: str | None) -> None:
    model = tiny_model()
    if message is None:
        assert model.encode([example])[0].n_units == 1
        return
    with pytest.raises(IncompatibleDataError, match=message):
        model.encode([example])


def test_refuses_a_single_text_for_a_model_of_pairs() -> None:
    model = tiny_model(is_pair=True, kind=TaskKind.CANDIDATES, n_labels=3)
    with pytest.raises(IncompatibleDataError, match="no second text"):
        model.encode([Example(id="a", text="w5")])


def test_refuses_an_unknown_candidate() -> None:
    model = tiny_model(is_pair=True, kind=TaskKind.CANDIDATES, n_labels=3)
    example = Example(id="a", text="w5", text_pair="w6", candidates=("label0", "label9"))
    with pytest.raises(IncompatibleDataError, match="label9"):
        model.encode([example])


def test_long_texts_are_erased_in_several_batches() -> None:
    model = tiny_model(EncoderKind.CNN, AttentionKind.DOT)
    batch = model.collate(model.encode(tiny_examples(4, lengths=(8, 15))))
    torch.manual_seed(1)
    keep = torch.rand(len(batch), 9, batch.unit_mask.shape[1]) < 0.7
    at_once = model.erase(batch, keep)
    model.capacity = Capacity(memory=2**20, cache=2**20, n_tokens=40)
    assert torch.allclose(model.erase(batch, keep), at_once, atol=1e-5)


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


def batch_of(model: PaperModel, texts: list[Example]) -> InterceptedBatch:
    return model.collate(model.encode(texts))


def each_in_turn(batch: InterceptedBatch) -> Tensor:
    """Keep everything, then everything but each unit."""
    n_units = batch.unit_mask.shape[1]
    but_one = ~torch.eye(n_units, dtype=torch.bool)
    return torch.cat([torch.ones_like(but_one[:1]), but_one]).expand(len(batch), -1, -1)


def assert_equal_to_passes(model: PaperModel, batch: InterceptedBatch, tolerance: float) -> None:
    keep = each_in_turn(batch)
    found = model.erase(batch, keep)
    passes = erased_logits(Deletion(model.classifier), batch, keep, Sharing.TEXTS, 8192)
    expected = mask_candidates(passes, batch.allowed)
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("kind", "task"),
    [*((kind, TASKS[0]) for kind in KINDS), *((KINDS[-1], task) for task in TASKS[1:])],
)
def test_is_what_passes_give_at_every_length(
    kind: tuple[EncoderKind, AttentionKind, bool], task: tuple[TaskKind, int]
) -> None:
    encoder, attention, is_pair = kind
    model = tiny_model(
        encoder, attention, is_pair=is_pair, kind=task[0], n_labels=task[1], scale=2.0
    )
    texts = examples(list(range(1, 21)), task[0])
    assert_equal_to_passes(model, batch_of(model, texts), 1e-5)
    model.network.double()
    assert_equal_to_passes(model, batch_of(model, texts[::5]), 1e-10)


@settings(max_examples=20)
@given(
    st.sampled_from(KINDS),
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.integers(0, 1_000),
)
def test_is_what_passes_give_whatever_stands_together(
    kind: tuple[EncoderKind, AttentionKind, bool], lengths: list[int], seed: int
) -> None:
    encoder, attention, is_pair = kind
    model = tiny_model(encoder, attention, is_pair=is_pair, seed=seed)
    model.network.double()
    assert_equal_to_passes(model, batch_of(model, examples(lengths, seed=seed)), 1e-10)


@pytest.mark.parametrize("encoder", EncoderKind)
def test_padding_and_batch_size_change_no_text_without_a_unit(encoder: EncoderKind) -> None:
    model = tiny_model(encoder)
    texts = examples([7, 1, 12, 3])
    batch = batch_of(model, texts)
    together = model.erase(batch, each_in_turn(batch))
    for i, text in enumerate(texts):
        single = batch_of(model, [text])
        alone = model.erase(single, each_in_turn(single))[0]
        torch.testing.assert_close(together[i, : len(alone)], alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("encoder", EncoderKind)
def test_portions_give_the_same(encoder: EncoderKind) -> None:
    model = tiny_model(encoder)
    model.network.double()
    model.capacity = replace(model.capacity, n_tokens=120)
    assert_equal_to_passes(model, batch_of(model, examples([9, 2, 31, 5, 9])), 1e-10)


@pytest.mark.parametrize(("encoder", "attention", "is_pair"), KINDS)
def test_a_text_of_one_unit_leaves_the_readout_of_no_input(
    encoder: EncoderKind, attention: AttentionKind, is_pair: bool
) -> None:
    model = tiny_model(encoder, attention, is_pair=is_pair)
    batch = batch_of(model, examples([1, 4, 1]))
    reading = model.read(batch, [model.default_site])[0]
    of_nothing = reading.replay(torch.zeros_like(reading.attention).unsqueeze(1))[:, 0]
    left = model.erase(batch, each_in_turn(batch))[:, 1]
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
    assert_equal_to_passes(model, batch, 1e-10)


@pytest.mark.parametrize(
    ("kernel_sizes", "activation", "is_pair"),
    [*((sizes, Activation.RELU, False) for sizes in ((1,), (3,), (3, 3), (15, 1)))]
    + [((5, 1, 11), activation, True) for activation in Activation],
)
def test_kernels_of_any_widths_in_any_order(
    kernel_sizes: tuple[int, ...], activation: Activation, is_pair: bool
) -> None:
    model = random_model(
        encoder=EncoderKind.CNN,
        kernel_sizes=kernel_sizes,
        activation=activation,
        is_pair=is_pair,
        hidden_size=3,
    )
    assert_equal_to_passes(model, batch_of(model, examples([1, 2, 5, 17])), 1e-10)


@pytest.mark.parametrize("is_pair", [False, True])
@pytest.mark.parametrize("activation", Activation)
def test_averages_with_any_activation(activation: Activation, is_pair: bool) -> None:
    model = random_model(
        encoder=EncoderKind.AVERAGE,
        activation=activation,
        has_projection=is_pair,
        is_pair=is_pair,
        hidden_size=8,
    )
    assert_equal_to_passes(model, batch_of(model, examples([1, 2, 5, 17])), 1e-10)


def random_model(**sizes: object) -> PaperModel:
    """In float64."""
    torch.manual_seed(0)
    fixed = {"attention": "additive", "vocabulary_size": 40, "embedding_size": 6, "n_logits": 2}
    architecture = Architecture.model_validate({**fixed, **sizes})
    task = Multiclass(("label0", "label1"))
    network = AttentionPoolingNetwork(architecture).double()
    words = Tokenizer.WHITESPACE, Vocabulary([*MARKERS, *WORDS])
    checkpoint = Checkpoint("in memory", architecture, task, *words, weights={})
    return PaperModel(PaperClassifier(network, checkpoint))


# --- which texts are left to passes --------------------------------------------------------------


def is_each_in_turn(batch: InterceptedBatch, keep: Tensor) -> bool:
    return classifier.is_each_in_turn(batch.unit_mask, keep)


def test_only_all_units_in_turn_are_left_out_at_once() -> None:
    model = tiny_model()
    batch = batch_of(model, examples([2, 6, 4]))
    keep = each_in_turn(batch)
    assert is_each_in_turn(batch, keep)
    assert is_each_in_turn(batch, keep & batch.unit_mask.unsqueeze(1))
    assert not is_each_in_turn(batch, keep.flip(1))
    assert not is_each_in_turn(batch, keep[:, :-1])
    two = keep.clone()
    two[-1, 1, :2] = False
    assert not is_each_in_turn(batch, two)
