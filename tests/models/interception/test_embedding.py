"""Whether masks hide a token; the gradient in the embeddings against central differences."""

import pytest
import torch
from torch import Tensor

from attn_audit.data.example import Example
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.doubling import NoFloat32, doubled
from tests.models.interception.matrix import REPRESENTATIVE, audited, over, padded_batch, read
from tests.models.interception.patching import softmax_patched, softmax_recorded
from tests.models.interception.zoo import CONFIGURATIONS, VOCABULARY, IdsClassifier, build, examples


def removal_of(name: str, lengths: tuple[int, ...]) -> str:
    return InterceptedModel(IdsClassifier(build(name), name), examples(lengths)).removal


@pytest.mark.parametrize("lengths", [(9,), (1, 9, 2), (12, 9, 7, 11)])
def test_one_text_of_several_units_is_enough(lengths: tuple[int, ...]) -> None:
    assert removal_of("bert", lengths) == "mask"
    assert removal_of("convbert", lengths) == "delete"


@pytest.mark.parametrize("lengths", [(1,), (2, 1, 2)])
def test_masks_are_not_trusted_where_no_text_can_tell(lengths: tuple[int, ...]) -> None:
    assert removal_of("bert", lengths) == "delete"


NO_FLOAT64 = ("mixtral", "qwen3_moe", "gpt_oss", "deepseek_v3", "jamba")
"""Their experts are multiplied by a kernel that takes no float64."""

STEP = 1e-6
MAX_ERROR = 1e-5
"""Of the derivative: finite steps on curved functions."""

over_float64 = over(name for name in CONFIGURATIONS if name not in NO_FLOAT64)


@over_float64
def test_gradient_is_the_finite_difference(name: str) -> None:
    with NoFloat32():
        moving = Moving(doubled(name))
        assert moving.slope(hold_attention=False) == pytest.approx(moving.quotient(), rel=MAX_ERROR)


@over_float64
def test_with_attention_held_it_is_the_finite_difference_under_the_same_attention(
    name: str,
) -> None:
    with NoFloat32():
        moving = Moving(doubled(name))
        with softmax_recorded() as own:
            moving.score()
        with softmax_patched(lambda number, weights: own[number % len(own)]):  # in every pass
            quotient = moving.quotient()
        assert moving.slope(hold_attention=True) == pytest.approx(quotient, rel=MAX_ERROR)


@pytest.mark.parametrize("hold_attention", [False, True])
@over(dict.fromkeys((*REPRESENTATIVE, *NO_FLOAT64)))
def test_own_embeddings_give_the_prediction(name: str, hold_attention: bool) -> None:
    model = audited(name)
    batch = padded_batch(model)
    with torch.no_grad():
        logits = model.forward(batch, model.embed(batch), hold_attention)
    assert torch.allclose(logits, read(model, batch).logits, rtol=1e-5, atol=1e-5)


def test_only_audited_tokens_have_a_gradient() -> None:
    model = audited("bart")
    batch = padded_batch(model)
    embeddings = model.embed(batch).requires_grad_()
    score = model.forward(batch, embeddings, hold_attention=False).sum()
    (gradient,) = torch.autograd.grad(score, embeddings)
    has_gradient = (gradient != 0).any(dim=2)
    assert torch.equal(has_gradient, batch.inputs.units != NOT_AUDITED)


class Moving:
    """A model in float64 whose texts' embeddings move along one random direction.

    No token comes twice, so that a row of the embedding table is the embedding of one position.
    """

    def __init__(self, model: InterceptedModel) -> None:
        self.model = model
        self.batch = self.model.collate(self.model.encode(texts_of_distinct_tokens()))
        self.is_audited = self.batch.inputs.units != NOT_AUDITED
        generator = torch.Generator().manual_seed(0)
        shape = self.model.embed(self.batch).shape
        self.direction = torch.randn(shape, generator=generator).double()
        self.direction *= self.is_audited.unsqueeze(-1)
        self.mixture = torch.rand(self.batch.inputs.units.shape[0], 3, generator=generator)

    @torch.no_grad()
    def score(self) -> float:
        """A mixture of the logits."""
        return float((self.model.classifier.logits(self.batch.inputs) * self.mixture).sum())

    def slope(self, hold_attention: bool) -> float:
        """By the product's gradient."""
        embeddings = self.model.embed(self.batch).requires_grad_()
        logits = self.model.forward(self.batch, embeddings, hold_attention)
        torch.testing.assert_close(logits, self.model.classifier.logits(self.batch.inputs))
        (gradient,) = torch.autograd.grad((logits * self.mixture).sum(), embeddings)
        return float((gradient * self.direction).sum())

    def quotient(self) -> float:
        """By moving the table itself, whoever looks it up."""
        return (self._score_after(STEP) - self._score_after(-STEP)) / (2 * STEP)

    def _score_after(self, step: float) -> float:
        table = self.model.classifier.embedding_table()
        assert table is not None
        own = table.detach().clone()
        ids = self.batch.inputs.keywords["input_ids"][self.is_audited]
        table.data[ids] += step * self.direction[self.is_audited]
        try:
            return self.score()
        finally:
            table.data.copy_(own)


def texts_of_distinct_tokens() -> list[Example]:
    """Three texts that share no token."""
    generator = torch.Generator().manual_seed(0)
    ids: Tensor = torch.randperm(VOCABULARY - 5, generator=generator) + 5
    texts = torch.split(ids[:22], [9, 6, 7])
    return [
        Example(id=str(i), text=" ".join(map(str, text.tolist()))) for i, text in enumerate(texts)
    ]
