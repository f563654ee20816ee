"""What encode gives: one dict, a mask, pieces of words; and what it may not do to a text."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, IncompatibleDataError, UnsupportedModelError
from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import build_custom_model
from attn_audit.models.options import ModelOptions
from attn_audit.models.self_check import self_check
from tests.models.custom.geometry import Backwards, Geometric, encode
from tests.models.custom.toys import (
    CPU,
    EXAMPLES,
    PAD,
    Pooling,
    attend_plainly,
    between_markers,
    custom_of,
    model_of,
    pad_ids,
)

Texts = Sequence[Sequence[str]]


# --- one dict -------------------------------------------------------------------------------------


class TakesOneDict(Pooling):
    def __init__(self) -> None:
        super().__init__(attend_plainly)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(batch["ids"])


@pytest.mark.parametrize(
    "given", [lambda texts: {"ids": pad_ids(texts)}, lambda texts: ({"ids": pad_ids(texts)},)]
)
def test_a_module_that_takes_one_dict_gets_it(given: Callable[[Texts], Any]) -> None:
    found, plain = model_of(custom_of(TakesOneDict(), given)), between_markers()
    batches = [model.collate(model.encode(EXAMPLES)) for model in (found, plain)]
    assert torch.equal(gradients(found, batches[0])[..., 0], gradients(plain, batches[1])[..., 0])
    assert torch.equal(leave_out(found, batches[0]).distance, leave_out(plain, batches[1]).distance)


def Pooling_() -> Pooling:  # noqa: N802 - a module as custom_of takes it
    return Pooling(attend_plainly)


# --- a mask ---------------------------------------------------------------------------------------


class Masked(nn.Module):
    """A transformer's layer; `keep` says which values of the mask are kept."""

    def __init__(self, keep: Callable[[Tensor], Tensor], mixes_neighbours: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(44, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.convolution = nn.Conv1d(8, 8, 3, padding=1) if mixes_neighbours else nn.Identity()
        self.output = nn.Linear(8, 2)
        self.keep = keep
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(2)

    def forward(self, ids: Tensor, attention_mask: Tensor) -> Tensor:
        kept = self.keep(attention_mask)
        states = self.convolution((self.embedding(ids) * (ids != PAD).unsqueeze(-1)).mT).mT
        mixed, _ = self.attention(states[:, :1], states, states, key_padding_mask=~kept)
        output: Tensor = self.output(mixed[:, 0])
        return output


KINDS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "whole numbers": (lambda ids: (ids != PAD).long(), lambda mask: mask == 1),
    "truth values": (lambda ids: ids != PAD, lambda mask: mask),
    "fractions": (lambda ids: (ids != PAD).float(), lambda mask: mask > 0.5),
    "padding marked": (lambda ids: ids == PAD, lambda mask: ~mask),
}


def with_mask(kind: str, **settings: Any) -> tuple[Masked, Callable[[Texts], dict[str, Tensor]]]:
    make, keep = KINDS[kind]

    def encode_both(texts: Texts) -> dict[str, Tensor]:
        ids = pad_ids(texts)
        return {"ids": ids, "attention_mask": make(ids)}

    return Masked(keep, **settings).eval(), encode_both


@pytest.mark.parametrize("kind", KINDS)
def test_leave_one_out_hides_a_token_by_the_given_mask(kind: str) -> None:
    module, encode_both = with_mask(kind)
    custom = custom_of(module, encode_both, task="multiclass", mask="attention_mask")
    model = model_of(custom)
    findings = model.describe().findings
    assert findings is not None
    assert (findings.removal, findings.masking_leaks) == ("mask", False)
    found = leave_out(model, model.collate(model.encode(EXAMPLES))).distance
    for row, example in zip(found, EXAMPLES, strict=True):
        tokens = example.text.split()
        inputs = encode_both([tokens])
        whole = module(**inputs).softmax(-1)[0, 1]
        hidden_value = encode_both([tokens, [*tokens, "w5"]])["attention_mask"][0, -1]
        for i in range(len(tokens)):
            mask = inputs["attention_mask"].clone()
            mask[0, i + 1] = hidden_value
            moved = module(inputs["ids"], mask).softmax(-1)[0, 1] - whole
            assert float(row[i]) == pytest.approx(abs(float(moved)), abs=1e-6)


def test_a_mask_that_leaks_is_not_trusted() -> None:
    module, encode_both = with_mask("truth values", mixes_neighbours=True)
    custom = custom_of(module, encode_both, task="multiclass", mask="attention_mask")
    findings = model_of(custom).describe().findings
    assert findings is not None
    assert (findings.removal, findings.masking_leaks) == ("delete", True)


def test_a_mask_is_left_alone_where_deleting_is_asked_for() -> None:
    module, encode_both = with_mask("truth values")
    custom = custom_of(module, encode_both, task="multiclass", mask="attention_mask")
    model = build_custom_model(custom, EXAMPLES, CPU, ModelOptions(removal="delete"))
    assert model.removal == "delete"


def test_masks_need_a_name() -> None:
    custom = custom_of(Pooling_())
    with pytest.raises(ConfigurationError, match="names no attention mask") as caught:
        build_custom_model(custom, EXAMPLES, CPU, ModelOptions(removal="mask"))
    assert "mask=" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("mask", r"no such argument \(it has 'ids', 'attention_mask'\)"),
        ("ids", "one value on all columns"),
    ],
)
def test_what_is_no_mask_is_refused(mask: str, message: str) -> None:
    module, encode_both = with_mask("truth values")
    with pytest.raises(ConfigurationError, match=message):
        model_of(custom_of(module, encode_both, task="multiclass", mask=mask))


@pytest.mark.parametrize(("field", "value"), [("columns", True), ("mask", False)])
def test_fields_of_other_types_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{field} must be"):
        custom_of(Pooling_(), **{field: value})


# --- weights beside something else ----------------------------------------------------------------


class Weighing(nn.Module):
    """Weights without a softmax, beside the scores or beside what they have already mixed."""

    def __init__(self, gives: str) -> None:
        super().__init__()
        self.gives = gives

    def forward(self, scores: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        exponents = scores.exp()
        weights = exponents / exponents.sum(-1, keepdim=True)
        mixed = torch.einsum("bp,bph->bh", weights, states)
        return (mixed if self.gives == "mixed" else scores), weights


class WithWeighing(Geometric):
    def __init__(self, gives: str) -> None:
        super().__init__()
        self.weighing = Weighing(gives)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids)
        scores = self.score(states.tanh()).squeeze(-1).masked_fill(ids == PAD, -1e4)
        given, weights = self.weighing(scores, states)
        self.seen = weights[0]
        pooled = (
            torch.einsum("bp,bph->bh", weights, states)
            if given.dim() == weights.dim() and (self.weighing.gives == "scores")
            else given
        )
        return self.output(pooled)  # type: ignore[no-any-return]


def test_weights_in_a_submodules_tuple_are_read_and_replaced() -> None:
    module = WithWeighing("scores")
    model = model_of(custom_of(module, encode, task="multiclass", attention="weighing"))
    batch = model.collate(model.encode(EXAMPLES[:1]))
    (reading,) = model.read(batch, [model.default_site])
    assert torch.allclose(reading.attention[0, 0], module.seen, atol=1e-6)
    ones = torch.eye(5).view(1, 5, 1, 5)
    states = module.embedding(encode([EXAMPLES[0].text.split()]))[0]
    expected = module.output(states)
    found = reading.replay(ones)[0]
    assert torch.allclose(found, expected - expected[:, :1], atol=1e-5)


def test_weights_beside_what_they_have_already_mixed_cannot_be_replaced() -> None:
    module = WithWeighing("mixed")
    with pytest.raises(UnsupportedModelError, match="attention reach the output"):
        model_of(custom_of(module, encode, task="multiclass", attention="weighing"))


# --- the embedding --------------------------------------------------------------------------------


def test_the_gradient_of_a_text_read_from_its_end_is_its_own() -> None:
    module = Backwards()
    model = model_of(custom_of(module, encode, task="multiclass"))
    batch = model.collate(model.encode(EXAMPLES))
    found = gradients(model, batch)[..., 0]
    ids = encode([EXAMPLES[2].text.split()])
    embedded = module.embedding(ids.flip(1)).detach().requires_grad_()
    with torch.no_grad():
        module(ids)
    weights = module.seen.flip(0)
    logits = module.output((weights.unsqueeze(-1) * embedded[0]).sum(0))
    odds = logits.max() - logits.min()
    (gradient,) = torch.autograd.grad(odds, embedded)
    expected = (gradient * embedded.detach()).sum(-1).abs()[0].flip(0)
    assert torch.allclose(found[2].float(), expected, atol=1e-5)


class SortsTokens(Geometric):
    """Looks a text's tokens up by number, and puts them in order behind the table."""

    def forward(self, ids: Tensor) -> Tensor:
        order = ids.argsort(dim=1, stable=True)
        states = self.embedding(ids.gather(1, order))
        states = states.gather(1, order.argsort(1).unsqueeze(-1).expand_as(states))
        weights = self.attend(states, ids != PAD)
        self.seen = weights[0]
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


def test_where_no_gradient_can_be_taken_inspect_and_audit_give_the_same_reason() -> None:
    custom = custom_of(SortsTokens(), encode, task="multiclass", embedding="embedding")
    model = model_of(custom)
    findings = model.describe().findings
    assert findings is not None
    reason = findings.no_gradient_because
    assert reason is not None
    assert "in another order than they are given in" in reason
    with pytest.raises(UnsupportedModelError) as caught:
        gradients(model, model.collate(model.encode(EXAMPLES)))
    assert caught.value.message == reason
    leave_out(model, model.collate(model.encode(EXAMPLES)))


# --- columns --------------------------------------------------------------------------------------

LONG = tuple(
    Example(str(i), text)
    for i, text in enumerate(
        ["w5 w9+w13 w7 w22+w6+w8", "w8+w30 w11", "w6 w17 w4+w28 w39", "w12 w21+w33 w5"]
    )
)
"""Tokens of one to three pieces, which stand between plus signs."""


def split(texts: Texts) -> list[list[str]]:
    return [[piece for token in tokens for piece in token.split("+")] for tokens in texts]


@pytest.mark.parametrize("settings", [{"before": 0, "after": 0}, {}, {"left": True}, {"width": 24}])
def test_a_tokens_weight_is_the_sum_over_its_pieces(settings: dict[str, Any]) -> None:
    def in_pieces(texts: Texts) -> Tensor:
        return pad_ids(split(texts), **settings)

    module = Pooling_()
    model = model_of(custom_of(module, in_pieces), LONG)
    (reading,) = model.read(model.collate(model.encode(LONG)), [model.default_site])
    found = gradients(model, model.collate(model.encode(LONG)))[..., 0]
    for i, example in enumerate(LONG):
        tokens = example.text.split()
        ids = pad_ids(split([tokens]), before=0, after=0)
        states = module.hidden(module.embedding(ids)).tanh()
        weights = module.score(states).squeeze(-1).softmax(-1)[0].tolist()
        expected = [sum(weights.pop(0) for _ in token.split("+")) for token in tokens]
        assert reading.attention[i, 0, : len(tokens)].tolist() == pytest.approx(expected, abs=1e-5)
        assert bool((found[i, : len(tokens)] > 0).all())


def splits_the_first_of_many(texts: Texts) -> Tensor:
    return pad_ids([[*tokens[:1], *tokens] if len(tokens) > 4 else tokens for tokens in texts])


def drops_a_word(texts: Texts) -> Tensor:
    return pad_ids([[t for t in tokens if t != "w9"] for tokens in texts])


def sorts_words(texts: Texts) -> Tensor:
    return pad_ids([sorted(tokens) for tokens in texts])


def adds_a_separator(texts: Texts) -> Tensor:
    return pad_ids(
        [[*tokens[:3], "sep", *tokens[3:]] if len(tokens) > 4 else tokens for tokens in texts]
    )


def sorts_rows(texts: Texts) -> Tensor:
    return pad_ids(sorted(texts, key=len))


@pytest.mark.parametrize(
    "given", [drops_a_word, sorts_words, adds_a_separator, sorts_rows, splits_the_first_of_many]
)
def test_an_encode_that_does_more_than_look_tokens_up_is_refused(
    given: Callable[[Texts], Tensor],
) -> None:
    with pytest.raises((ConfigurationError, IncompatibleDataError), match="the adapter's encode"):
        read_all(custom_of(Pooling_(), given))


def read_all(custom: CustomModel) -> None:
    model = model_of(custom)
    model.collate(model.encode(EXAMPLES))


# --- numbers --------------------------------------------------------------------------------------


class Autocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Pooling(attend_plainly)

    def forward(self, ids: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            logits: Tensor = self.inner(ids)
        return logits


def attend_in_half(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    weights = scores.masked_fill(~mask, -1e9).bfloat16().softmax(-1)
    return torch.einsum("bp,bph->bh", weights, states.bfloat16()).float()


@pytest.mark.parametrize("module", [Autocast(), Pooling(attend_in_half)])
def test_the_coarsest_numbers_of_a_pass_are_what_rounding_is_reckoned_by(module: nn.Module) -> None:
    model = model_of(custom_of(module))
    assert model.describe().dtype == "bfloat16"
    checks = self_check(model, model.encode(EXAMPLES), model.default_site)
    assert all(check.passed for check in checks)


# --- spelling -------------------------------------------------------------------------------------


def capitalised(texts: Texts) -> Tensor:
    """Ids in which a text's first word is not what it is elsewhere."""
    ids = pad_ids(texts)
    ids[:, 1] = torch.where(ids[:, 1] % 2 == 0, ids[:, 1] + 1, ids[:, 1] - 1)
    return ids


def test_a_text_whose_first_word_is_spelt_otherwise_is_read_as_encode_gives_it() -> None:
    model = model_of(custom_of(Pooling_(), capitalised))
    encoded = model.encode(EXAMPLES)
    (reading,) = model.read(model.collate(encoded), [model.default_site])
    for row, item in enumerate(encoded):
        ids = capitalised([item.example.text.split()])
        own = Pooling_()
        states = own.hidden(own.embedding(ids)).tanh()
        weights = own.score(states)[0, 1:-1, 0].softmax(-1)
        assert torch.allclose(reading.attention[row, 0, : item.n_units], weights, atol=1e-6)
