"""Texts in, logits out: shorter texts, second texts, words, candidates."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from attn_audit.checks.base import read_batch
from attn_audit.data.example import Example
from attn_audit.errors import (
    ConfigurationError,
    IncompatibleDataError,
    InvalidWeightsError,
    UnsupportedModelError,
)
from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.contract import Batch
from attn_audit.models.custom.classifier import ModuleOutput
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.self_check import self_check
from tests.models.custom.toys import (
    EXAMPLES,
    IDS,
    TEXTS,
    Pooling,
    attend_plainly,
    between_markers,
    custom_of,
    model_of,
    pad_ids,
)


def collated(model: CustomInterceptedModel, examples: Any = EXAMPLES) -> Batch:
    return model.collate(model.encode(examples))


def probability(module: nn.Module, tokens: list[str]) -> float:
    output: Tensor = module(pad_ids([tokens]))
    return float(output.sigmoid())


def test_the_columns_of_tokens_have_units_and_markers_have_none() -> None:
    model = between_markers()
    inputs = model.classifier.collate(model.encode(EXAMPLES[:2]))
    none = NOT_AUDITED
    assert inputs.units.tolist() == [[none, 0, 1, 2, 3, 4, none], [none, 0, 1, 2, *[none] * 3]]
    assert inputs.real.tolist() == [[True] * 7, [True] * 5 + [False] * 2]


def test_leaving_a_token_out_is_the_shorter_text() -> None:
    module = Pooling(attend_plainly)
    model = model_of(custom_of(module, partial(pad_ids, width=12)))
    found = leave_out(model, collated(model)).distance
    for i, text in enumerate(TEXTS):
        tokens = text.split()
        for j in range(len(tokens)):
            rest = tokens[:j] + tokens[j + 1 :]
            moved = abs(probability(module, rest) - probability(module, tokens))
            assert float(found[i, j]) == pytest.approx(moved, abs=1e-6)


def test_leaving_the_only_token_out_changes_nothing() -> None:
    model = between_markers()
    batch = collated(model, [Example(id="a", text="w5")])
    assert leave_out(model, batch).distance.tolist() == [[0.0]]


def test_a_word_goes_with_all_its_tokens() -> None:
    module = Pooling(attend_plainly)
    texts = ["w5-w9 w13", "w8 w30-w11-w6 w17", "w5 w22-w12"]
    examples = [Example(id=text, text=text) for text in texts]

    def tokenize(text: str) -> list[str]:
        return text.replace("-", " ").split()

    words, tokens = (
        model_of(custom_of(module, tokenize=tokenize), examples, unit) for unit in ("word", "token")
    )
    assert (words.unit, tokens.unit) == ("word", "token")
    batch = collated(words, examples)
    assert [[unit.text for unit in item.units] for item in batch.encoded] == [
        text.split() for text in texts
    ]
    by_word = read_batch(words, batch, words.default_site, seed=0).explanation
    by_token = read_batch(tokens, collated(tokens, examples), tokens.default_site, seed=0)
    assert float(by_word[0, 0]) == pytest.approx(float(by_token.explanation[0, :2].sum()))
    left_out = leave_out(words, batch).distance
    moved = abs(probability(module, ["w13"]) - probability(module, ["w5", "w9", "w13"]))
    assert float(left_out[0, 0]) == pytest.approx(moved, abs=1e-6)


def test_long_texts_are_cut_where_that_is_asked_for() -> None:
    model = model_of(custom_of(Pooling(attend_plainly)), max_length=4)
    encoded = model.encode(EXAMPLES)
    assert [item.n_units for item in encoded] == [4, 3, 4, 4]
    assert [item.truncated for item in encoded] == [True, False, True, False]


@pytest.mark.parametrize("left", [False, True])
def test_an_encode_that_cuts_texts_itself_is_noticed(left: bool) -> None:
    def encode(texts: list[list[str]]) -> Tensor:
        return pad_ids([tokens[:6] for tokens in texts], left=left)

    model = model_of(custom_of(Pooling(attend_plainly), encode), EXAMPLES[:2])
    with pytest.raises(IncompatibleDataError, match=r"8 columns, too few .* 7 tokens") as caught:
        collated(model)
    assert "example-2" in str(caught.value)
    assert "--max-length" in str(caught.value.hint)


class OfPairs(nn.Module):
    """Attention over the first text, given the mean of the second."""

    def __init__(self) -> None:
        super().__init__()
        self.pooling = Pooling(attend_plainly, n_outputs=3)

    def forward(self, second: Tensor, first: Tensor) -> Tensor:
        question = self.pooling.embedding(second)[:, 1:-1].mean(dim=1)
        states = self.pooling.hidden(self.pooling.embedding(first) + question.unsqueeze(1))
        scores = self.pooling.score(states.tanh()).squeeze(-1)
        output: Tensor = self.pooling.output(attend_plainly(states, scores, first > 3))
        return output


PAIRS = [
    Example(id="a", text="w5 w9 w13 w7", text_pair="w8 w30 w11", candidates=("x", "z")),
    Example(id="b", text="w6 w17 w4", text_pair="w12 w21 w4"),
    Example(id="c", text="w6 w22", text_pair="w12 w5 w9"),
]


def pair_model() -> CustomInterceptedModel:
    def encode(first: list[list[str]], second: list[list[str]]) -> tuple[Tensor, Tensor]:
        return pad_ids(second), pad_ids(first)

    said: dict[str, Any] = {"labels": ["x", "y", "z"], "task": "candidates", "takes_pairs": True}
    return model_of(custom_of(OfPairs(), encode, **said), PAIRS)


def test_of_a_pair_the_first_text_is_audited() -> None:
    model = pair_model()
    batch = collated(model, PAIRS)
    assert [item.n_units for item in batch.encoded] == [4, 3, 2]
    self_check(model, batch.encoded, model.default_site)


def test_the_gradient_is_that_of_the_first_text_where_both_share_a_table() -> None:
    model = pair_model()
    batch = collated(model, PAIRS)
    table = model.module.get_submodule("pooling.embedding").weight
    first_tokens = torch.tensor([IDS[word] for word in ("w5", "w6", "w6")])
    assert isinstance(table, Tensor)
    assert torch.equal(model.embed(batch)[:, 1], table[first_tokens])
    assert (gradients(model, batch)[..., 0] > 0).equal(batch.unit_mask)


def test_an_answer_that_is_not_allowed_has_probability_0() -> None:
    model = pair_model()
    audited = read_batch(model, collated(model, PAIRS), model.default_site, seed=0)
    assert audited.probabilities[0, 1] == 0
    assert (audited.probabilities[1:] > 0).all()


def test_a_pair_needs_a_second_text() -> None:
    with pytest.raises(IncompatibleDataError, match="takes pairs of texts"):
        pair_model().encode(EXAMPLES)


def test_a_single_text_has_no_second() -> None:
    model = between_markers()
    with pytest.raises(IncompatibleDataError, match="takes one") as caught:
        model.encode(PAIRS)
    assert "takes_pairs=True" in str(caught.value.hint)


def test_labels_of_the_data_get_the_models_names() -> None:
    model = between_markers()
    (encoded,) = model.encode([Example(id="a", text="w5 w6", labels=("Good",))])
    assert encoded.example.labels == ("good",)
    with pytest.raises(IncompatibleDataError, match="no label 'great'"):
        model.encode([Example(id="a", text="w5 w6", labels=("great",))])


def test_the_description_says_what_an_adapter_gave() -> None:
    custom = custom_of(Pooling(attend_plainly), training={"seed": 2})
    description = model_of(custom).describe()
    assert description.format == "adapter"
    assert description.training == {"seed": 2}
    assert description.architecture == "Pooling (Embedding, Linear)"
    assert description.n_parameters == sum(
        parameter.numel() for parameter in Pooling(attend_plainly).parameters()
    )
    assert description.layers[0].name == "Pooling"
    assert description.findings is not None
    assert description.findings.removal == "delete"
    assert description.findings.masking_leaks is None


def test_weights_that_are_no_numbers_are_refused() -> None:
    module = Pooling(attend_plainly)
    with torch.no_grad():
        module.score.weight[0, 3] = torch.nan
    with pytest.raises(InvalidWeightsError, match=r"'score\.weight' holds NaN"):
        model_of(custom_of(module))


def test_a_forward_that_keeps_no_gradient_is_told_so() -> None:
    class Detached(Pooling):
        @torch.no_grad()
        def forward(self, ids: Tensor) -> Tensor:
            return super().forward(ids)

    with pytest.raises(UnsupportedModelError, match="lets attention reach the output") as caught:
        model_of(custom_of(Detached(attend_plainly)))
    assert "no_grad" in str(caught.value.hint)


def test_tokens_that_the_module_does_not_know_need_data() -> None:
    examples = [Example(id="a", text="one two three"), Example(id="b", text="four")]
    with pytest.raises(ConfigurationError, match="it cannot be told where"):
        model_of(custom_of(Pooling(attend_plainly)), examples)


LABELS = ["a", "b", "c"]
LOGITS = torch.tensor([[0.5, -1.0, 2.0], [3.0, 0.0, -2.0]])


@dataclass
class Returned:
    """As transformers returns it."""

    logits: Tensor


def said(**fields: Any) -> CustomModel:
    return custom_of(nn.Linear(1, 1), **fields)


MULTICLASS = said(labels=LABELS, task="multiclass")
MULTILABEL = said(labels=LABELS, task="multilabel")
ONE_SIGMOID = said()


@pytest.mark.parametrize(
    "returned",
    [LOGITS, (LOGITS, "weights"), [LOGITS], {"logits": LOGITS}, Returned(LOGITS)],
    ids=["tensor", "tuple", "list", "dict", "object"],
)
def test_logits_may_come_in_several_ways(returned: object) -> None:
    assert torch.equal(ModuleOutput.of(MULTILABEL, returned, 2).logits, LOGITS)


def test_labels_that_compete_are_relative_to_the_first() -> None:
    expected = torch.tensor([[0.0, -1.5, 1.5], [0.0, -3.0, -5.0]])
    assert torch.allclose(ModuleOutput.of(MULTICLASS, LOGITS, 2).logits, expected)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_one_sigmoid_may_have_an_axis_or_not(shape: tuple[int, ...]) -> None:
    found = ModuleOutput.of(ONE_SIGMOID, torch.tensor([0.3, -0.7]).reshape(shape), 2).logits
    assert torch.allclose(found, torch.tensor([[0.3], [-0.7]]))


def test_two_outputs_of_a_binary_task_become_the_log_odds_of_the_second() -> None:
    found = ModuleOutput.of(ONE_SIGMOID, LOGITS[:, :2], 2).logits
    assert torch.allclose(found, torch.tensor([[-1.5], [-3.0]]))


@given(st.lists(st.floats(-15, 15), min_size=3, max_size=3))
def test_probabilities_are_made_logits_again(logits: list[float]) -> None:
    expected = torch.tensor([logits], dtype=torch.float64)
    softmax = said(labels=LABELS, task="multiclass", output="probabilities")
    found = ModuleOutput.of(softmax, expected.softmax(-1), 1).logits
    assert torch.allclose(found, expected - expected[:, :1], atol=1e-6)
    sigmoids = said(labels=LABELS, task="multilabel", output="probabilities")
    assert torch.allclose(
        ModuleOutput.of(sigmoids, expected.sigmoid(), 1).logits, expected, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_probabilities_of_0_and_1_have_finite_logits(dtype: torch.dtype) -> None:
    ends = torch.tensor([[0.0], [1.0]], dtype=dtype)
    low, high = ModuleOutput.of(said(output="probabilities"), ends, 2).logits[:, 0].tolist()
    assert -1000 < low < -10
    assert 10 < high < 1000


def test_half_precision_is_computed_with_in_single() -> None:
    assert ModuleOutput.of(MULTILABEL, LOGITS.half(), 2).logits.dtype == torch.float32


def test_the_number_of_outputs_must_be_that_of_the_labels() -> None:
    with pytest.raises(ConfigurationError, match=r"2 x 3 for 2 texts.* 4 labels needs 2 x 4"):
        ModuleOutput.of(said(labels=[*LABELS, "d"], task="multiclass"), LOGITS, 2)


@pytest.mark.parametrize(("shape", "is_squeezed"), [((3,), True), ((3, 1), False), ((2,), False)])
def test_squeezing_is_named_where_the_axis_of_the_batch_is_gone(
    shape: tuple[int, ...], is_squeezed: bool
) -> None:
    with pytest.raises(ConfigurationError, match="needs 1 x 3") as caught:
        ModuleOutput.of(MULTICLASS, torch.zeros(shape), 1)
    assert (caught.value.hint is not None) == is_squeezed


def test_a_binary_task_has_one_output_or_two() -> None:
    with pytest.raises(ConfigurationError, match="needs 2 x 1 or 2 x 2"):
        ModuleOutput.of(ONE_SIGMOID, LOGITS, 2)


@pytest.mark.parametrize("returned", [None, "text", (), torch.tensor([[1, 2, 3]])])
def test_what_holds_no_numbers_is_refused(returned: object) -> None:
    with pytest.raises(ConfigurationError, match="the adapter's module returned a"):
        ModuleOutput.of(MULTICLASS, returned, 1)


def test_numbers_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="numbers from -2 to 3") as caught:
        ModuleOutput.of(
            said(labels=LABELS, task="multilabel", output="probabilities"), LOGITS, 2
        ).require_probabilities()
    assert 'output="logits"' in str(caught.value.hint)


def test_probabilities_of_competing_labels_sum_to_1() -> None:
    with pytest.raises(ConfigurationError, match=r"sum to 1\.5, not to 1") as caught:
        ModuleOutput.of(
            said(labels=LABELS, task="multiclass", output="probabilities"),
            torch.full((2, 3), 0.5),
            2,
        ).require_probabilities()
    assert 'task="multilabel"' in str(caught.value.hint)


def test_wrong_outputs_are_found_before_the_audit() -> None:
    with pytest.raises(ConfigurationError, match="needs"):
        model_of(custom_of(Pooling(attend_plainly, n_outputs=4)))
