"""PyTorch's own transformer encoder, as a user's module."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from attn_audit.checks.base import read_batch
from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel
from attn_audit.models.self_check import self_check
from tests.models.custom.toys import EXAMPLES, N_IDS, PAD, custom_of, model_of


class Transformer(nn.Module):
    """Two layers of four heads; read out at the start marker, or as the mean of the tokens."""

    def __init__(self, is_mean: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(N_IDS, 16)
        self.positions = nn.Embedding(32, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.output = nn.Linear(16, 2)
        self.is_mean = is_mean

    def forward(self, ids: Tensor) -> Tensor:
        is_padding = ids == PAD
        embedded = self.embedding(ids) + self.positions(torch.arange(ids.shape[1]))
        states = self.encoder(embedded, src_key_padding_mask=is_padding)
        real = (~is_padding).unsqueeze(-1)
        mean = (states * real).sum(dim=1) / real.sum(dim=1)
        output: Tensor = self.output(mean if self.is_mean else states[:, 0])
        return output


@cache
def transformer(is_mean: bool) -> CustomInterceptedModel:
    """Shared by all tests, so left as it is."""
    return model_of(custom_of(Transformer(is_mean), embedding="embedding"))


@pytest.fixture(params=[False, True], ids=["first", "mean"])
def model(request: pytest.FixtureRequest) -> CustomInterceptedModel:
    return transformer(request.param)


def test_every_head_of_every_layer_is_seen(model: CustomInterceptedModel) -> None:
    assert [layer.n_heads for layer in model.layers] == [4, 4]
    assert model.layers[0].name == "encoder.layers.0.self_attn"


def test_the_readout_is_found(model: CustomInterceptedModel) -> None:
    findings = model.describe().findings
    assert findings is not None
    assert findings.readout == ("every token" if model.module.is_mean else "first token")


def test_what_is_audited_is_the_model_itself(model: CustomInterceptedModel) -> None:
    encoded = model.encode(EXAMPLES)
    assert all(check.passed for check in self_check(model, encoded, model.default_site))
    audited = read_batch(model, model.collate(encoded), model.default_site, seed=0)
    assert (audited.mass < 1).all()
    assert torch.allclose(audited.explanation.sum(dim=1), torch.ones(len(EXAMPLES)).double())


def test_importance_is_that_of_the_tokens(model: CustomInterceptedModel) -> None:
    batch = model.collate(model.encode(EXAMPLES))
    assert (gradients(model, batch)[..., 0] > 0).equal(batch.unit_mask)
    assert (leave_out(model, batch).distance > 0).equal(batch.unit_mask)
