"""The contract, as the paper's models fulfil it."""

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.capacity import Capacity
from attn_audit.models.contract import Reading
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.paper.architecture import AttentionKind, EncoderKind
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.task import TaskKind
from tests.tiny import KINDS, tiny_examples, tiny_model


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(map(str, kind)))
def model(request: pytest.FixtureRequest) -> PaperModel:
    encoder, attention, is_pair = request.param
    kind = TaskKind.CANDIDATES if is_pair else TaskKind.BINARY
    return tiny_model(encoder, attention, is_pair=is_pair, kind=kind, n_labels=4 if is_pair else 2)


@pytest.fixture
def batch(model: PaperModel) -> InterceptedBatch:
    is_pair = model.network.architecture.is_pair
    return model.collate(model.encode(tiny_examples(12, is_pair=is_pair)))


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
    keep = torch.rand(len(batch), 5, batch.unit_mask.shape[1]) < 0.7
    erased = model.erase(batch, keep)
    for i, encoded in enumerate(batch.encoded):
        words = encoded.example.text.split()
        for variant in range(5):
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
