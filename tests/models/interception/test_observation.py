"""Which keys a query may attend to, from the scores."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.interception.observation import admissible_keys
from tests.models.interception.toys import LstmToy, MeanToy, audited_toy
from tests.models.interception.zoo import REFUSED, IdsClassifier, build, examples


@pytest.mark.parametrize(
    "masked",
    [torch.finfo(torch.float32).min, -torch.inf, -1e30, -1e6, -65504.0, -1e4 + 3],
    ids=["least number", "infinity", "XLNet", "Funnel", "float16", "GPT-1 and CTRL"],
)
@pytest.mark.parametrize("largest", [-40.0, 0.0, 40.0])
def test_masked_keys_are_not_admissible(masked: float, largest: float) -> None:
    scores = torch.tensor([largest, largest - 3, masked, masked]).reshape(1, 1, 1, 4)
    assert admissible_keys(scores).flatten().tolist() == [True, True, False, False]


def test_keys_whose_weight_underflows_are_admissible() -> None:
    scores = torch.tensor([0.0, -200.0, -500.0]).reshape(1, 1, 1, 3)
    assert scores.softmax(-1).flatten().tolist() == [1, 0, 0]
    assert admissible_keys(scores).all()


@pytest.mark.architectures
@pytest.mark.representative
@pytest.mark.parametrize("name", REFUSED)
def test_attention_in_chunks_is_refused(name: str) -> None:
    module = build(name)
    with pytest.raises(UnsupportedModelError, match="one weight for each token") as refused:
        InterceptedModel(IdsClassifier(module, name), examples())
    assert type(module).__name__ in refused.value.message
    assert refused.value.hint is not None
    assert "original_full" in refused.value.hint


@pytest.mark.parametrize("implementation", ["flash_attention_2", "flex_attention"])
def test_a_kernel_that_cannot_be_looked_into_is_named(implementation: str) -> None:
    toy = MeanToy()
    toy.config = SimpleNamespace(_attn_implementation=implementation)  # type: ignore[assignment]
    model = audited_toy(toy)
    assert f"MeanToy computes its attention with {implementation!r}" in str(
        model.no_attention_because
    )
    assert "--attention-implementation sdpa or eager" in str(model.no_attention_hint)


def test_a_compiled_model_is_refused() -> None:
    toy = MeanToy()
    toy._orig_mod = nn.Identity()  # as torch.compile names the model that it wraps
    with pytest.raises(UnsupportedModelError, match=r"torch\.compile") as refused:
        audited_toy(toy)
    assert refused.value.hint == "Give the model itself, before torch.compile."


def test_a_model_without_attention_has_no_layers_and_says_why() -> None:
    model = audited_toy(MeanToy())
    assert model.layers == ()
    assert "MeanToy calls neither a softmax nor" in str(model.no_attention_because)
    assert model.describe().no_attention_because == model.no_attention_because


def test_attention_that_does_not_reach_the_output_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="attention reach the output"):
        audited_toy(LstmToy(behind=torch.zeros_like), can_mask=False)


def test_a_softmax_over_the_labels_is_no_attention() -> None:
    class LabelsToy(MeanToy):
        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
            logits = super().forward(input_ids, attention_mask).logits
            return SimpleNamespace(logits=logits.softmax(-1).log())

    assert "LabelsToy calls neither" in str(audited_toy(LabelsToy()).no_attention_because)


def test_a_submodule_that_computes_none_is_named() -> None:
    toy = LstmToy()
    with pytest.raises(UnsupportedModelError, match="Linear, named to look in"):
        InterceptedModel(IdsClassifier(toy.eval(), ""), examples(), within=toy.head)


def test_a_model_that_looks_its_tokens_up_elsewhere_is_refused_with_what_to_do() -> None:
    class OtherTableToy(LstmToy):
        def get_input_embeddings(self) -> nn.Embedding:
            return nn.Embedding(3, 3)

    model = audited_toy(OtherTableToy())
    batch = model.collate(model.encode(examples()))
    with pytest.raises(UnsupportedModelError, match="does not look its tokens up") as refused:
        model.embed(batch)
    assert "by nn.Embedding or torch.nn.functional.embedding" in refused.value.message
    assert refused.value.hint is not None
