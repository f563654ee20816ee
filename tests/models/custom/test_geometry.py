"""Whose weight is it? Read right however a module lays its attention out, or refused."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import Tensor

from attn_audit.data.example import Example, length_batches
from attn_audit.errors import SelfCheckError, UnsupportedModelError
from attn_audit.measures.gradient import gradients
from attn_audit.models.contract import EncodedExample, RowChoice
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel
from attn_audit.models.interception.erased_logits import Sharing
from attn_audit.models.self_check import self_check
from tests.models.custom.geometry import (
    REFUSED,
    RIGHT,
    AveragesShortTexts,
    BatchFirst,
    BothWays,
    CentredOverAll,
    CountsRowsAndAveragesShortTexts,
    Geometric,
    HalvesShortTexts,
    Reordered,
    SummaryOfLongTexts,
    TurnsLongTexts,
    encode,
)
from tests.models.custom.toys import (
    EXAMPLES,
    PAD,
    Pooling,
    attend_plainly,
    custom_of,
    masked,
    model_of,
)
from tests.tiny import WORDS

LENGTHS = (3, 5, 5, 2, 9, 5, 7, 3, 12, 5, 4, 2, 6, 5, 1, 8)
TEXTS = [
    Example(str(i), " ".join(WORDS[(7 * i + 5 * j) % len(WORDS)] for j in range(n)))
    for i, n in enumerate(LENGTHS)
]
LONGER = [example for example in TEXTS if len(example.text.split()) > 4]

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]

ALONE = {
    "mirrored": "variants",
    "sorted, states put back": "variants",
    "looked up sorted, states put back": "variants",
    "sorted, logits put back": "nothing",
    "looked up sorted, logits put back": "nothing",
    "batch turned": "variants",
    "sees padding": "variants",
    "text by text": "variants",
    "square text by text": "variants",
    "no number beside others": "variants",
}
"""What a batch of texts changes, and what may be computed together of one text."""


Pair = tuple[str, Geometric, CustomInterceptedModel]


@cache
def made(name: str) -> Pair:
    """Shared by all tests, so left as it is."""
    module = RIGHT[name]()
    return name, module, model_of(custom_of(module, encode, task="multiclass"))


@pytest.fixture(scope="module", params=RIGHT)
def pair(request: pytest.FixtureRequest) -> Pair:
    return made(request.param)


def batches(model: CustomInterceptedModel, size: int) -> list[list[EncodedExample]]:
    """As an audit makes them, and in the order in which the texts come."""
    encoded = model.encode(TEXTS)
    limits = model.batch_limits(size)
    sorted_ = length_batches([e.n_tokens for e in encoded], limits.n_examples, limits.n_tokens)
    n = limits.n_examples
    as_given = [list(range(i, min(i + n, len(encoded)))) for i in range(0, len(encoded), n)]
    return [[encoded[i] for i in batch] for batch in (*sorted_, *as_given)]


def truth(module: Geometric, item: EncodedExample) -> tuple[Tensor, Tensor]:
    """A text's weights and logits, alone."""
    with torch.no_grad():
        logits = module(encode([item.example.text.split()]))
    return module.seen[: item.n_units], logits[0] - logits[0, 0]


def test_weights_are_those_of_the_text_alone_in_every_batch(pair: Pair) -> None:
    _, module, model = pair
    for items in batches(model, 7):
        batch = model.collate(items)
        (reading,) = model.read(batch, [model.default_site])
        mass = reading.mass.unsqueeze(-1)
        shown = (reading.attention * mass).sum(1) / mass.sum(1)
        for row, logits, item in zip(shown, reading.logits, items, strict=True):
            weights, expected = truth(module, item)
            assert torch.allclose(row[: item.n_units], weights, atol=1e-4)
            assert torch.allclose(logits, expected, atol=1e-4)


def test_other_attention_reaches_the_text_that_it_is_given_to(pair: Pair) -> None:
    _, _, model = pair
    generator = torch.Generator().manual_seed(0)
    for items in batches(model, 7)[:3]:
        batch = model.collate(items)
        (reading,) = model.read(batch, [model.default_site])
        shape = (len(items), 24, *reading.admissible.shape[1:])
        draws = torch.rand(shape, generator=generator) * reading.admissible.unsqueeze(1)
        draws /= draws.sum(-1, keepdim=True).clamp_min(1e-9)
        found = reading.replay(draws)
        for i, item in enumerate(items[:2]):
            (alone,) = model.read(model.collate([item]), [model.default_site])
            for variant in (0, 11, 23):
                own = torch.zeros(1, 1, *alone.attention.shape[1:])
                given = draws[i, variant, reading.row_mask[i], : item.n_units]
                own[0, 0, alone.row_mask[0]] = given
                expected = alone.replay(own)
                assert torch.allclose(found[i, variant], expected[0, 0], atol=1e-4)


def test_only_what_a_batch_changes_is_audited_one_text_at_a_time(pair: Pair) -> None:
    name, _, model = pair
    findings = model.describe().findings
    assert findings is not None
    assert findings.sharing == ALONE.get(name, "texts")
    assert (findings.not_shared_because is not None) == (name in ALONE)
    assert (findings.no_gradient_because is None) == (name != "text by text")  # row by row


@pytest.mark.parametrize("looked_up", ["sorted", "looked up sorted"])
def test_a_batch_that_is_sorted_before_the_attention_is_told_from_one_whose_attention_is(
    looked_up: str,
) -> None:
    findings = {}
    for back in ("states", "logits"):
        _, _, model = made(f"{looked_up}, {back} put back")
        findings[back] = str(model.describe().findings)
    assert "before its attention with the texts in another order" in findings["states"]
    assert "before its attention" not in findings["logits"]


def test_the_self_check_passes_and_says_that_places_were_tried(pair: Pair) -> None:
    name, _, model = pair
    checks = self_check(model, model.encode(EXAMPLES), model.default_site)
    is_told = checks[-1].name == "changing a token moves its own weight most"
    assert is_told == (name != "sees padding")  # neighbours move as much there


@pytest.mark.parametrize("name", REFUSED)
def test_columns_that_are_no_order_of_the_tokens_are_refused(name: str) -> None:
    module = Reordered(REFUSED[name])
    with pytest.raises(UnsupportedModelError, match="do not stand for the tokens in their order"):
        model_of(custom_of(module, encode, task="multiclass"), LONGER)


def test_a_column_that_only_other_texts_have_is_noticed_there() -> None:
    model = model_of(custom_of(SummaryOfLongTexts(), encode, task="multiclass"))
    long = Example("long", " ".join(WORDS[:15]))
    with pytest.raises(UnsupportedModelError, match="in one of the texts: it has other columns"):
        model.read(model.collate(model.encode([long])), [model.default_site])


@pytest.mark.parametrize("kind", [AveragesShortTexts, HalvesShortTexts])
def test_what_only_short_texts_show_is_audited_one_text_at_a_time(
    kind: type[Geometric],
) -> None:
    model = model_of(custom_of(kind(), encode, task="multiclass"))
    assert model.sharing is Sharing.VARIANTS
    assert model.describe().findings is not None
    assert "changes with the texts beside it" in str(model.describe().findings)


def test_nor_do_variants_share_a_pass_where_that_changes_them() -> None:
    model = model_of(
        custom_of(CountsRowsAndAveragesShortTexts(), encode, task="multiclass"), LONGER
    )
    assert model.sharing is Sharing.NOTHING


@pytest.mark.parametrize("is_mixed", [False, True])
def test_an_order_of_long_texts_alone_is_refused_with_their_length(is_mixed: bool) -> None:
    custom = custom_of(TurnsLongTexts(is_mixed), encode, task="multiclass")
    with pytest.raises(UnsupportedModelError, match="in a text of 19 tokens") as refused:
        model_of(custom)
    assert "--max-length" in str(refused.value.hint)
    model_of(custom, max_length=12)


def test_every_row_is_the_text_s_own_in_a_batch() -> None:
    _, _, model = made("own token beside all")
    site = replace(model.default_site, rows=RowChoice.ALL)
    encoded = model.encode(EXAMPLES)
    (together,) = model.read(model.collate(encoded), [site])
    for i, item in enumerate(encoded):
        (alone,) = model.read(model.collate([item]), [site])
        rows = together.attention[i][together.row_mask[i]][:, : item.n_units]
        assert torch.allclose(rows, alone.attention[0], atol=1e-5)


def test_a_text_that_reads_the_same_from_both_ends_has_its_own_gradients() -> None:
    model = model_of(custom_of(BothWays(), encode, task="multiclass"))
    text = Example("palindrome", "w5 w9 w5")
    found = gradients(model, model.collate(model.encode([text])))[..., 0]
    module = BothWays()
    ids = encode([text.text.split()])
    embedded = module.embedding(ids).detach().requires_grad_()
    with torch.no_grad():
        weights = module.attend(module.states(embedded, embedded.flip(1)), ids != PAD)
    states = module.states(embedded, embedded.flip(1))
    logits = module.output((weights.unsqueeze(-1) * states).sum(1))[0]
    (gradient,) = torch.autograd.grad(logits.max() - logits.min(), embedded)
    expected = (gradient * embedded.detach()).sum(-1).abs()[0]
    assert torch.allclose(found[0].float(), expected, atol=1e-5)


def test_a_random_module_is_said_to_be_random() -> None:
    class Noisy(BatchFirst):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return super().forward(ids) + torch.randn(len(ids), 2)

    with pytest.raises(SelfCheckError, match="two passes over one text agree"):
        model_of(custom_of(Noisy(), encode, task="multiclass"))


def in_pieces(texts: Sequence[Sequence[str]]) -> Tensor:
    """Every third word of the vocabulary has two columns."""
    pieces = [
        [w for word in text for w in [word] * (1 + (int(word[1:]) % 3 == 0))] for text in texts
    ]
    return encode(pieces)


def test_variants_share_a_pass_only_where_none_changes_another() -> None:
    texts = ["w6 w5 w7 w9 w8", "w9 w7 w6 w5 w10"]  # the first two differ in their columns
    examples = [Example(text, text) for text in texts]
    model = model_of(custom_of(CentredOverAll(), in_pieces, task="multiclass"), examples)
    findings = model.describe().findings
    assert findings is not None
    assert findings.sharing == "nothing"


def doubled(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    weights = torch.cat([masked(scores, mask)] * 2, dim=1).softmax(-1)
    return torch.einsum("bp,bph->bh", weights, torch.cat([states] * 2, dim=1))


def every_third(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    return attend_plainly(states[:, ::3], scores[:, ::3], mask[:, ::3])


def three_places(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    slots = torch.arange(3.0).expand(len(states), 3)
    weights = (slots * (scores * mask).sum(dim=1, keepdim=True)).softmax(-1)
    return states[:, 0] * weights[:, :1]


@pytest.mark.parametrize(
    ("attend", "reason"),
    [
        (doubled, r"it has 2 for each \(14 columns for 7 tokens\)"),
        (every_third, r"tokens are pooled \(3 columns for 7 tokens\)"),
        (three_places, r"3 columns for 7 tokens, and as many for 3: labels, slots"),
    ],
)
def test_columns_that_are_not_one_for_each_token_are_refused_for_what_they_are(
    attend: Attend, reason: str
) -> None:
    with pytest.raises(UnsupportedModelError, match=reason):
        model_of(custom_of(Pooling(attend), encode))
