"""Where the search finds several attentions or none, `attention` and `embedding` name one."""

import pytest
import torch
from torch import Tensor, nn

from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.measures.gradient import gradients
from tests.models.custom.toys import EXAMPLES, Pooling, attend_plainly, custom_of, model_of


class Sparsemax(nn.Module):
    """The projection onto the simplex: many weights are exactly 0.

    Source: Martins & Astudillo (2016), algorithm 1.
    """

    def forward(self, scores: Tensor) -> Tensor:
        ordered = scores.sort(dim=-1, descending=True).values
        total = ordered.cumsum(dim=-1)
        ranks = torch.arange(1, scores.shape[-1] + 1)
        support = (1 + ranks * ordered > total).sum(dim=-1, keepdim=True)
        threshold = (total.gather(-1, support - 1) - 1) / support
        return (scores - threshold).clamp_min(0)


class ExpOverSum(nn.Module):
    """A softmax by hand, of shape (batch, position, 1)."""

    def forward(self, scores: Tensor) -> Tensor:
        return scores.exp().unsqueeze(2) / scores.exp().sum(dim=1)[:, None, None]


class ByHand(Pooling):
    """Weights that no softmax makes."""

    def __init__(self, weights: nn.Module) -> None:
        super().__init__(self.pool)
        self.weights = weights

    def pool(self, states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
        weights = self.weights(scores.masked_fill(~mask, -1e4))
        weights = weights if weights.dim() == 3 else weights.unsqueeze(2)
        pooled: Tensor = (weights * states).sum(dim=1)
        return pooled


@pytest.mark.parametrize("weights", [Sparsemax(), ExpOverSum()])
def test_weights_that_no_softmax_makes_are_a_named_modules_output(weights: nn.Module) -> None:
    module = ByHand(weights)
    model = model_of(custom_of(module, attention="weights"))
    batch = model.collate(model.encode(EXAMPLES))
    (reading,) = model.read(batch, [model.default_site])
    made: list[Tensor] = []
    handle = weights.register_forward_hook(lambda m, args, output: made.append(output))
    model.classifier.logits(batch.inputs)
    handle.remove()
    expected = made[0].reshape(len(EXAMPLES), -1)[:, 1:-1]
    assert torch.allclose(reading.attention[:, 0], expected, atol=1e-6)
    assert model.describe().linear_readout


def test_without_a_name_they_are_not_found() -> None:
    model = model_of(custom_of(ByHand(Sparsemax())))
    assert "ByHand calls neither a softmax nor" in str(model.no_attention_because)
    assert "attention=..." in str(model.no_attention_hint)


def test_a_named_module_without_weights_over_the_tokens_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="Linear, named to look in, neither"):
        model_of(custom_of(Pooling(attend_plainly), attention="output"))


class TwoAttentions(nn.Module):
    """Two poolings side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Pooling(attend_plainly), Pooling(attend_plainly)
        nn.init.normal_(self.second.score.weight)

    def forward(self, ids: Tensor) -> Tensor:
        output: Tensor = self.first(ids) + self.second(ids)
        return output


def test_of_several_attentions_all_are_layers() -> None:
    model = model_of(custom_of(TwoAttentions()))
    assert [layer.name for layer in model.layers] == ["first", "second"]


def test_a_name_picks_one_of_several() -> None:
    every = model_of(custom_of(TwoAttentions()))
    one = model_of(custom_of(TwoAttentions(), attention="first"))
    assert [layer.name for layer in one.layers] == ["first"]
    batch = one.collate(one.encode(EXAMPLES))
    (found,) = one.read(batch, [one.default_site])
    (first,) = every.read(batch, [type(every.default_site)(layer=0)])
    assert torch.equal(found.attention, first.attention)


def test_of_several_tables_one_must_be_named() -> None:
    model = model_of(custom_of(TwoAttentions()))
    batch = model.collate(model.encode(EXAMPLES))
    with pytest.raises(ConfigurationError, match=r"first.embedding, second.embedding") as caught:
        gradients(model, batch)[..., 0]
    assert "embedding=" in str(caught.value.hint)


def test_the_gradient_is_taken_at_the_named_table() -> None:
    alone = model_of(custom_of(Pooling(attend_plainly)))
    both = model_of(custom_of(TwoAttentions(), embedding="first.embedding"))
    batch = alone.collate(alone.encode(EXAMPLES))
    expected = gradients(alone, batch)[..., 0]
    assert torch.allclose(gradients(both, batch)[..., 0], expected, atol=1e-6)


def test_a_module_without_a_look_up_has_no_gradient() -> None:
    class OneHot(Pooling):
        def forward(self, ids: Tensor) -> Tensor:
            states = self.embedding.weight[ids]
            return self.output(attend_plainly(states, states.sum(-1), ids > 3))  # type: ignore[no-any-return]

    module = OneHot(attend_plainly)
    module.output = nn.Linear(8, 1)
    model = model_of(custom_of(module))
    with pytest.raises(UnsupportedModelError, match="no gradient can be taken"):
        gradients(model, model.collate(model.encode(EXAMPLES)))[..., 0]
