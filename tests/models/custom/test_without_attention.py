"""A user's module without attention: leaving units out and gradients are right all the same."""

import pytest
import torch
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.measures.gradient_x_input import gradient_x_input
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.measures.registry import applicable
from attn_audit.models.contract import Site
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel, build_custom_model
from attn_audit.models.options import ModelOptions
from attn_audit.models.self_check import self_check
from tests.models.custom.toys import CPU, EXAMPLES, IDS, N_IDS, PAD, TEXTS, pad_ids


class Convolution(nn.Module):
    """A convolution of three tokens, its maximum over the text, and logits."""

    def __init__(self, *, sees_padding: bool = False, ends_in_softmax: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(N_IDS, 8)
        self.convolution = nn.Conv1d(8, 8, 3, padding=1)
        self.output = nn.Linear(8, 3)
        self.sees_padding, self.ends_in_softmax = sees_padding, ends_in_softmax

    def forward(self, ids: Tensor) -> Tensor:
        embedded = self.embedding(ids)
        real = torch.ones_like(ids, dtype=torch.bool) if self.sees_padding else ids != PAD
        hidden = self.convolution((embedded * real.unsqueeze(-1)).mT)
        hidden = hidden.masked_fill(~real.unsqueeze(1), -torch.inf).amax(-1)
        logits: Tensor = self.output(hidden)
        return logits.softmax(-1) if self.ends_in_softmax else logits


def model_of(module: nn.Module, *, output: str = "logits", is_blind: bool = False) -> (
    CustomInterceptedModel
):  # fmt: skip
    custom = CustomModel(
        module,
        encode=lambda texts: pad_ids(texts, before=0, after=0),
        labels=("a", "b", "c"),
        task="multiclass",
        output=output,  # type: ignore[arg-type]
    )
    return build_custom_model(custom, EXAMPLES, CPU, ModelOptions(without_attention=is_blind))


def logits_of(module: nn.Module, words: list[str]) -> Tensor:
    with torch.no_grad():
        logits: Tensor = module(torch.tensor([[IDS[word] for word in words]]))[0]
    return logits


def test_there_are_no_layers_and_the_reason_is_said() -> None:
    model = model_of(Convolution())
    assert model.layers == ()
    assert "Convolution calls neither a softmax" in str(model.no_attention_because)
    assert "rollout" not in applicable(model)
    assert "attention_gradient" not in applicable(model)
    description = model.describe()
    assert description.no_attention_because == model.no_attention_because
    assert (description.layers, description.findings) == ((), None)
    assert description.details["left out"] == "deleted or replaced by the unknown token"


def test_readings_have_no_rows_and_the_models_own_outputs() -> None:
    module = Convolution()
    model = model_of(module)
    batch = model.collate(model.encode(EXAMPLES))
    (reading,) = model.read(batch, [Site(0)])
    expected = torch.stack([logits_of(module, text.split()) for text in TEXTS])
    expected = expected - expected[:, :1]
    assert torch.allclose(reading.logits, expected, atol=1e-5)
    assert reading.attention.shape == (len(TEXTS), 0, 7)


def test_leaving_one_out_is_the_module_on_the_shorter_text() -> None:
    module = Convolution()
    model = model_of(module)
    batch = model.collate(model.encode(EXAMPLES))
    found = leave_out(model, batch).distance
    for i, text in enumerate(TEXTS):
        words = text.split()
        whole = logits_of(module, words).double().softmax(-1)
        for j in range(len(words)):
            without = logits_of(module, words[:j] + words[j + 1 :]).double().softmax(-1)
            assert found[i, j] == pytest.approx(float((whole - without).abs().sum() / 2), abs=1e-6)


def test_gradient_x_input_is_that_of_the_log_odds() -> None:
    module = Convolution()
    model = model_of(module)
    batch = model.collate(model.encode(EXAMPLES))
    found = gradient_x_input(model, batch)
    for i, text in enumerate(TEXTS):
        ids = torch.tensor([[IDS[word] for word in text.split()]])
        leaf = module.embedding(ids).detach().requires_grad_()
        hidden = module.convolution(leaf.mT).amax(-1)
        logits = module.output(hidden)[0]
        predicted = int(logits.argmax())
        others = torch.cat([logits[:predicted], logits[predicted + 1 :]])
        (gradient,) = torch.autograd.grad(logits[predicted] - others.logsumexp(0), leaf)
        expected = (gradient * leaf).sum(-1)[0].double()
        assert torch.allclose(found[i, : ids.shape[1]].double(), expected, atol=1e-5)


def test_the_self_check_asks_nothing_of_attention() -> None:
    model = model_of(Convolution())
    found = self_check(model, model.encode(EXAMPLES), model.default_site)
    assert [check.name for check in found] == [
        "evaluation mode", "two passes agree", "padding changes nothing",
    ]  # fmt: skip


def test_a_softmax_over_labels_is_no_attention() -> None:
    model = model_of(Convolution(ends_in_softmax=True), output="probabilities")
    assert model.layers == ()


def test_texts_that_padding_changes_stand_alone() -> None:
    model = model_of(Convolution(sees_padding=True))
    assert not model.batches_texts
    assert "since its output for a text changes" in str(model.describe().details["batches"])


class Pairs(Convolution):
    """Attention over pairs of tokens: no one of them has a weight."""

    def forward(self, ids: Tensor) -> Tensor:
        pairs = torch.nn.functional.avg_pool1d(self.embedding(ids).mT, 2, ceil_mode=True).mT
        weights = pairs.sum(-1).softmax(-1).unsqueeze(1)
        logits: Tensor = self.output((weights @ pairs).squeeze(1))
        return logits


def test_attention_that_is_not_over_the_tokens_is_refused_unless_nobody_asks_for_it() -> None:
    with pytest.raises(UnsupportedModelError) as refused:
        model_of(Pairs())
    assert "--without-attention" in str(refused.value.hint)
    blind = model_of(Pairs(), is_blind=True)
    assert blind.no_attention_because == "it was not looked for, as was asked"
