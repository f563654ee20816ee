"""Texts without some of their units, against the model called on each of them alone."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.models.contract import EncodedExample
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel, build_custom_model
from attn_audit.models.interception.classifier import InterceptedBatch, ModelInputs
from attn_audit.models.interception.erased_logits import MIN_SHARE, pooled_again
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.paper.network import EncoderKind
from tests.models.interception.matrix import (
    REPRESENTATIVE,
    assert_close,
    audited,
    over,
    over_architectures,
    padded_batch,
    padding_side,
    read,
)
from tests.models.interception.zoo import (
    MIXES_NEIGHBOURS,
    NEEDS_END,
    POOLS,
    IdsClassifier,
    build,
    examples,
)
from tests.tiny import tiny_examples, tiny_model

LEAKS = (*MIXES_NEIGHBOURS, *NEEDS_END)
"""Decoders of encoder-decoders get the ids as they are."""

TAKES_PADDING_IN = (*MIXES_NEIGHBOURS, *POOLS)

N_TOKENS, N_VARIANTS = 5, 4


@cache
def deleting(name: str) -> InterceptedModel:
    classifier = IdsClassifier(build(name), name, padding_side(name))
    return InterceptedModel(classifier, examples(), removal="delete")


@over_architectures
def test_a_masked_token_has_no_influence_or_is_known_to_leak(name: str) -> None:
    model = audited(name)
    (encoded,) = model.encode(examples((N_TOKENS,), seed=3))
    inputs = model.collate([encoded]).inputs
    speaking = {unit for unit in range(N_TOKENS) if speaks_masked(model, inputs, unit)}
    findings = model.describe().findings
    assert findings is not None
    assert findings.masking_leaks == (name in LEAKS)
    if name in LEAKS:
        assert speaking == set(range(N_TOKENS))
        assert findings.removal == "delete"
    else:  # the residual of the token that is read out stays
        assert speaking == set() if encoded.readout_unit is None else {encoded.readout_unit}
        assert findings.removal == "mask"


@over(name for name in REPRESENTATIVE if name not in {*LEAKS, *POOLS})
def test_masked_variants_are_the_text_alone_with_that_mask(name: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    keep = some_units(batch)
    erased = model.erase(batch, keep)
    for i, encoded in enumerate(batch.encoded):
        for variant, kept in enumerate(keep[i, :, : encoded.n_units]):
            if encoded.readout_unit is not None and not kept[encoded.readout_unit]:
                expected = logits_without(model, encoded, kept)
            else:
                inputs = model.collate([encoded]).inputs
                hidden = torch.zeros_like(inputs.real)
                hidden[:, : encoded.n_units] = ~kept
                expected = logits_of(model, model.classifier.mask(inputs, hidden))
            assert_close(erased[i, variant], expected)


@over(name for name in REPRESENTATIVE if name not in TAKES_PADDING_IN)
def test_deleted_variants_are_the_shorter_text_alone(name: str) -> None:
    model = deleting(name)
    batch = padded_batch(model)
    keep = some_units(batch)
    erased = model.erase(batch, keep)
    for i, encoded in enumerate(batch.encoded):
        for variant, kept in enumerate(keep[i, :, : encoded.n_units]):
            assert_close(erased[i, variant], logits_without(model, encoded, kept))


@over(TAKES_PADDING_IN)
def test_deleted_variants_of_one_length_are_the_shorter_text_alone(name: str) -> None:
    model = deleting(name)
    (encoded,) = model.encode(examples((7,), seed=3))
    keep = ~torch.eye(7, dtype=torch.bool)
    (erased,) = model.erase(model.collate([encoded]), keep.unsqueeze(0))
    for logits, kept in zip(erased, keep, strict=True):
        assert_close(logits, logits_without(model, encoded, kept))


@over(REPRESENTATIVE)
def test_keeping_everything_or_nothing_gives_the_prediction(name: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    everything = batch.unit_mask.unsqueeze(1)
    nothing = torch.zeros_like(everything)
    erased = model.erase(batch, torch.cat([everything, nothing], dim=1))
    own = read(model, batch).logits
    assert_close(erased[:, 0], own)
    assert_close(erased[:, 1], own)


def some_units(batch: InterceptedBatch) -> Bool[Tensor, "batch variant unit"]:
    """Each unit or not, at random; at least one."""
    generator = torch.Generator().manual_seed(0)
    n_batch, n_units = batch.unit_mask.shape
    keep = torch.rand(n_batch, N_VARIANTS, n_units, generator=generator) < 0.6
    keep[:, :, 1] = True
    return keep & batch.unit_mask.unsqueeze(1)


def speaks_masked(model: InterceptedModel, inputs: ModelInputs, unit: int) -> bool:
    """Whether a masked unit's token makes a difference."""
    is_unit = inputs.units == unit
    masked = model.classifier.mask(inputs, is_unit)
    ids = masked.keywords["input_ids"]
    other_ids = torch.where(is_unit, (ids + 7) % 90 + 5, ids)
    other = ModelInputs((), {**masked.keywords, "input_ids": other_ids}, inputs.units, inputs.real)
    return not torch.allclose(logits_of(model, masked), logits_of(model, other), atol=1e-5)


def logits_without(model: InterceptedModel, encoded: EncodedExample, kept: Tensor) -> Tensor:
    """Of the text of the other tokens, written anew."""
    words = encoded.example.text.split()
    left = " ".join(word for word, stays in zip(words, kept.tolist(), strict=True) if stays)
    (example,) = examples((1,))
    shorter = replace(example, text=left)
    return logits_of(model, model.collate(model.encode([shorter])).inputs)


@torch.no_grad()
def logits_of(model: InterceptedModel, inputs: ModelInputs) -> Tensor:
    return model.classifier.logits(inputs)[0]


def test_masks_are_not_trusted_where_the_texts_are_too_short_to_tell() -> None:
    model = InterceptedModel(IdsClassifier(build("bert"), "bert"), examples(n_tokens=(2, 1)))
    assert model.removal == "delete"


WORDS = [f"w{i}" for i in range(30)]
TEXTS = [Example(str(n), " ".join(WORDS[n : 2 * n + 3])) for n in (2, 5, 7)]


RARE = 30
"""The id of a word that no text of the trial has."""


class Pooling(nn.Module):
    """Each unit by itself, but for what `mixed` adds of the others."""

    def __init__(self, mixed: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mixed = mixed
        self.embedding = nn.Embedding(40, 8)
        self.score, self.output = nn.Linear(8, 1), nn.Linear(8, 2)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        states = self.embedding(ids) * mask.unsqueeze(-1)
        scores = self.score(states).squeeze(-1) * 3
        match self.mixed:
            case "a neighbour in the value":
                states = states + 0.01 * states.roll(1, dims=1)
            case "the place in the score":
                scores = scores + 0.01 * torch.arange(ids.shape[1])
            case "the length in the score":
                scores = scores / mask.sum(dim=1, keepdim=True).sqrt()
            case "a bend behind the pooling":
                pooled = torch.einsum("bu,buh->bh", self.weights(scores, mask), states)
                return self.output(pooled.tanh())  # type: ignore[no-any-return]
            case "a rare word in its neighbour":
                is_behind = nn.functional.pad(ids[:, :-1] == RARE, (1, 0))
                states = states + is_behind.unsqueeze(-1)
            case _:
                pass
        pooled = torch.einsum("bu,buh->bh", self.weights(scores, mask), states)
        logits: Tensor = self.output(pooled)
        if self.mixed == "a rare word past attention":
            logits = logits + (ids == RARE).any(dim=1, keepdim=True) * torch.tensor([1.0, 0.0])
        return logits

    def weights(self, scores: Tensor, mask: Tensor) -> Tensor:
        return scores.masked_fill(~mask, -1e9).softmax(dim=-1)


def encode(texts: list[list[str]]) -> tuple[Tensor, Tensor]:
    rows = [torch.tensor([1 + int(token[1:]) for token in tokens]) for tokens in texts]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return ids, ids > 0


def model_of(mixed: str) -> CustomInterceptedModel:
    custom = CustomModel(Pooling(mixed), encode, ("a", "b"), "multiclass")
    return build_custom_model(custom, TEXTS, torch.device("cpu"))


def test_units_by_themselves_are_found_and_left_out_as_passes_do() -> None:
    model = model_of("nothing")
    assert model._units_are_independent
    batch = model.collate(model.encode(TEXTS))
    keep = torch.rand(3, 20, batch.unit_mask.shape[1], generator=torch.Generator().manual_seed(0))
    kept = (keep < 0.6) & batch.unit_mask.unsqueeze(1)
    torch.testing.assert_close(
        model.erase(batch, kept), model._erased(batch, kept, "delete"), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "mixed",
    [
        "a neighbour in the value",
        "the place in the score",
        "the length in the score",
        "a bend behind the pooling",
    ],
)
def test_units_that_know_each_other_are_left_to_passes(mixed: str) -> None:
    assert not model_of(mixed)._units_are_independent


@pytest.mark.parametrize("mixed", ["a rare word past attention", "a rare word in its neighbour"])
@pytest.mark.parametrize("place", [0, 1, 4])
def test_a_word_that_the_trial_did_not_have_is_left_to_passes_where_it_comes(
    mixed: str, place: int
) -> None:
    model = model_of(mixed)
    assert model._units_are_independent
    words = WORDS[:6]
    words[place] = f"w{RARE - 1}"
    batch = model.collate(model.encode([*TEXTS, Example("rare", " ".join(words))]))
    keep = batch.unit_mask.unsqueeze(1) & ~torch.eye(batch.unit_mask.shape[1], dtype=torch.bool)
    torch.testing.assert_close(
        model.erase(batch, keep), model._erased(batch, keep, "delete"), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("encoder", EncoderKind)
def test_of_the_papers_encoders_only_the_average_knows_each_unit_alone(
    encoder: EncoderKind,
) -> None:
    assert tiny_model(encoder)._units_are_independent == (encoder is EncoderKind.AVERAGE)


def test_where_little_attention_is_left_a_pass_is_run() -> None:
    model = tiny_model(EncoderKind.AVERAGE)
    batch = model.collate(model.encode(tiny_examples(6, lengths=(2, 8))))
    (reading,) = model.read(batch, [model.default_site])
    n_units = batch.unit_mask.shape[1]
    kept = torch.eye(n_units, dtype=torch.bool) & batch.unit_mask.unsqueeze(1)  # one unit alone
    _, is_given = pooled_again(reading, kept)
    share = reading.attention[:, 0].double()
    assert torch.equal(is_given, share >= MIN_SHARE)
    assert not pooled_again(reading, torch.zeros_like(kept))[1].any()
