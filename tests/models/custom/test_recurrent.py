"""Recurrent classifiers: the encoder runs once for all variants, and once only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_audit.checks.base import read_batch
from attn_audit.checks.permutation import Permutation
from attn_audit.measures.gradient import gradients
from attn_audit.measures.registry import COMPUTATIONS, applicable
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel
from tests.models.custom.toys import (
    END,
    EXAMPLES,
    PAD,
    Pooling,
    attend_plainly,
    custom_of,
    masked,
    model_of,
)

BEHIND = {"linear": lambda pooled: pooled, "relu": torch.relu, "tanh": torch.tanh}


class Recurrent(nn.Module):
    """A bidirectional encoder of states, additive attention over the tokens, and an output."""

    def __init__(
        self,
        layer: Callable[..., nn.Module] = nn.LSTM,
        is_packed: bool = True,
        behind: str = "linear",
    ) -> None:
        super().__init__()
        self.pooling = Pooling(attend_plainly, n_outputs=2, behind=BEHIND[behind])
        self.encoder = layer(8, 6, batch_first=True, bidirectional=True)
        self.is_packed = is_packed
        with torch.no_grad():
            for parameter in self.encoder.parameters():
                parameter.mul_(3)

    def states(self, ids: Tensor) -> Tensor:
        embedded = self.pooling.embedding(ids)
        if not self.is_packed:  # only right for texts of one length
            unpacked: Tensor = self.encoder(embedded)[0]
            return unpacked
        lengths = (ids != PAD).sum(dim=1).cpu()
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(
            self.encoder(packed)[0], batch_first=True, total_length=ids.shape[1]
        )
        return states

    def forward(self, ids: Tensor) -> Tensor:
        states = self.states(ids)
        weights = masked(self.pooling.score(states.tanh()).squeeze(-1), ids > END).softmax(-1)
        pooled = self.pooling.behind(torch.einsum("bp,bph->bh", weights, states))
        output: Tensor = self.pooling.output(pooled)
        return output


@contextmanager
def counted_calls(module: nn.Module) -> Iterator[list[int]]:
    """Rows of every call of a module within."""
    rows: list[int] = []
    own = module.forward

    def forward(*args: object) -> object:
        rows.append(1)
        return own(*args)

    module.forward = forward
    yield rows
    del module.forward


def audited_model(module: Recurrent) -> CustomInterceptedModel:
    return model_of(custom_of(module, task="multiclass"))


@cache
def plainly_audited() -> CustomInterceptedModel:
    """Shared by all tests, so left as it is."""
    return audited_model(Recurrent())


@pytest.mark.parametrize(
    ("layer", "is_packed"), [(nn.LSTM, True), (nn.LSTM, False), (nn.GRU, True), (nn.RNN, True)]
)
def test_the_encoder_is_not_run_again_for_each_variant(
    layer: Callable[..., nn.Module], is_packed: bool
) -> None:
    module = Recurrent(layer, is_packed)
    model = audited_model(module)
    findings = model.describe().findings
    assert findings is not None
    assert findings.replay == "resume"
    assert model.batches_texts == is_packed
    batch = model.collate(model.encode(EXAMPLES if is_packed else EXAMPLES[:1]))
    with counted_calls(module.encoder) as calls:
        audited = read_batch(model, batch, model.default_site, seed=0)
        Permutation(0.01, 20).run(audited)
    assert len(calls) == 1


def test_outputs_under_other_attention_are_those_of_whole_passes() -> None:
    model = plainly_audited()
    module = model.module
    assert isinstance(module, Recurrent)
    batch = model.collate(model.encode(EXAMPLES))
    (reading,) = model.read(batch, [model.default_site])
    n_units = batch.unit_mask.shape[1]
    weights = torch.rand(len(batch), 3, n_units) * batch.unit_mask.unsqueeze(1)
    weights /= weights.sum(dim=-1, keepdim=True)
    states = module.states(batch.inputs.arguments[0])[:, 1:-1]
    expected = module.pooling.output(torch.einsum("bvp,bph->bvh", weights, states))
    expected = expected - expected[..., :1]
    found = reading.replay(weights.unsqueeze(2))
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("behind", BEHIND)
def test_the_readout_is_linear_where_it_is_linear_and_only_there(behind: str) -> None:
    model = plainly_audited() if behind == "linear" else audited_model(Recurrent(behind=behind))
    assert model.describe().linear_readout == (behind == "linear")


@pytest.mark.parametrize(
    ("task", "output"),
    [("binary", "probabilities"), ("multiclass", "probabilities"), ("multiclass", "logits")],
)
def test_a_softmax_at_the_end_hides_no_linear_readout(task: str, output: str) -> None:
    class Normalised(Recurrent):
        def forward(self, ids: Tensor) -> Tensor:
            logits = super().forward(ids)
            return logits.softmax(-1) if output == "probabilities" else logits.log_softmax(-1)

    model = model_of(custom_of(Normalised(), task=task, output=output))
    assert model.describe().linear_readout
    assert torch.allclose(second_label(model), second_label(plainly_audited()), atol=1e-6)


def second_label(model: CustomInterceptedModel) -> Tensor:
    batch = model.collate(model.encode(EXAMPLES))
    return read_batch(model, batch, model.default_site, seed=0).probabilities[:, -1]


def test_the_gradient_goes_through_the_encoder() -> None:
    model = plainly_audited()
    module = model.module
    assert isinstance(module, Recurrent)
    batch = model.collate(model.encode(EXAMPLES))
    found = gradients(model, batch)[..., 0]
    ids = batch.inputs.arguments[0]
    embedded = module.pooling.embedding(ids).detach().requires_grad_()
    weights = model.read(batch, [model.default_site])[0].attention[:, 0]
    lengths = (ids != PAD).sum(dim=1)
    packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
    states, _ = pad_packed_sequence(module.encoder(packed)[0], batch_first=True)
    logits = module.pooling.output(torch.einsum("bp,bph->bh", weights, states[:, 1:-1]))
    predicted = logits.detach().argmax(dim=1, keepdim=True)
    odds = logits.gather(1, predicted) - logits.gather(1, 1 - predicted)
    (gradient,) = torch.autograd.grad(odds.sum(), embedded)
    expected = (gradient * embedded.detach()).sum(-1).abs()[:, 1:-1] * batch.unit_mask
    assert torch.allclose(found.float(), expected, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_numbers_and_keeps_them() -> None:
    found = {}
    for name in ("cpu", "cuda"):
        device = torch.device(name)
        model = model_of(custom_of(Recurrent(), task="multiclass"), device=device)
        batch = model.collate(model.encode(EXAMPLES))
        audited = read_batch(model, batch, model.default_site, seed=0)
        importance = [COMPUTATIONS[name].scores(model, batch) for name in applicable(model)]
        found[name] = torch.stack([audited.explanation, *importance])
        assert all(tensor.device.type == name for tensor in (audited.attention, *importance))
    assert torch.allclose(found["cpu"], found["cuda"].cpu(), atol=1e-4)
