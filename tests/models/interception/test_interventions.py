"""Several sites of one pass together, against passes with softmaxes altered directly."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from attn_audit.models.contract import NewWeights, RowChoice, RowWeights, Rule, Site
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.paper.network import AttentionKind, EncoderKind
from tests.models.interception.matrix import MAX_ERROR, assert_close, audited, padded_batch, read
from tests.models.interception.passes import classifier_of, random_attention, softmax_of_layer
from tests.models.interception.patching import softmax_patched
from tests.models.paper.test_classifier import examples as texts_of_words
from tests.tiny import tiny_model

MIN_EFFECT = 0.01
TRANSFORMERS = ("bert", "deberta-v2", "modernbert", "funnel", "gpt2", "gpt_oss", "t5", "bart")
"""With and without special tokens, pooling, causal, of grouped queries, with a sink, and with
attention to an encoder."""


def as_it_is(own: RowWeights) -> NewWeights:
    return NewWeights(own.attention)


def squared(own: RowWeights) -> NewWeights:
    """Sharper; of weights, not of where they stand."""
    return NewWeights(shares(own.attention.square()))


def equal(own: RowWeights) -> NewWeights:
    """Over all units, those that a row may not attend to too."""
    return NewWeights(torch.full_like(own.attention, 1 / own.attention.shape[-1]))


def cut_off(own: RowWeights) -> NewWeights:
    return NewWeights(own.attention, torch.zeros_like(own.mass))


def nothing(own: RowWeights) -> NewWeights:
    return NewWeights(torch.zeros_like(own.attention))


def shares(weights: Tensor) -> Tensor:
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)


def everywhere(model: InterceptedModel, rule: Rule) -> dict[Site, Rule]:
    return {Site(layer, rows=RowChoice.ALL): rule for layer in range(len(model.layers))}


@pytest.mark.parametrize("rows", RowChoice)
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_weights_as_they_are_give_the_prediction(name: str, rows: RowChoice) -> None:
    model = audited(name)
    batch = padded_batch(model)
    layers = range(len(model.layers))
    whole: dict[Site, Rule] = {Site(layer, rows=rows): as_it_is for layer in layers}
    heads: dict[Site, Rule] = {
        Site(layer, head, rows): as_it_is for layer in layers for head in (0, 2)
    }
    for rules in (whole, heads):
        assert_close(model.intervene(batch, rules), read(model, batch).logits, MAX_ERROR[name])


@pytest.mark.parametrize("encoder", EncoderKind)
@pytest.mark.parametrize("is_pair", [False, True])
def test_the_papers_models_are_intervened_in_too(encoder: EncoderKind, is_pair: bool) -> None:
    model = tiny_model(encoder, AttentionKind.ADDITIVE, is_pair=is_pair, scale=2.0)
    batch = model.collate(model.encode(texts_of_words([7, 1, 12])))
    site, reading = model.default_site, read(model, batch)
    assert_close(model.intervene(batch, {site: as_it_is}), reading.logits)
    other, _ = squared(reading)
    assert_close(model.intervene(batch, {site: squared}), reading.replay(other.unsqueeze(1))[:, 0])


@pytest.mark.parametrize("head", [None, 1])
@pytest.mark.parametrize("rows", RowChoice)
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_one_site_is_a_replay_of_the_same_weights(
    name: str, rows: RowChoice, head: int | None
) -> None:
    model = audited(name)
    batch = padded_batch(model)
    site = Site(1, head, rows)
    reading = read(model, batch, site)
    attention = random_attention(reading, 1)
    for mass in (None, reading.mass / 2):
        new = NewWeights(attention[:, 0], mass)
        found = model.intervene(batch, {site: lambda own, new=new: new})  # type: ignore[misc]
        assert_close(found, reading.replay(attention, mass)[:, 0], MAX_ERROR[name])


class Altered:
    """A pass of the eager model, each site's softmax altered as a rule says."""

    def __init__(self, name: str, model: InterceptedModel, batch: InterceptedBatch) -> None:
        self.name, self.batch = name, batch
        self.numbers = {softmax_of_layer(name, i): i for i in range(len(model.layers))}
        self.seen: dict[int, Tensor] = {}

    def logits(self, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """What the model says.

        Args:
            change: Gets weights (batch head query key), and where keys are audited.
        """
        is_unit = (self.batch.inputs.units >= 0)[:, None, None]

        def altered(number: int, own: Tensor) -> Tensor:
            if number not in self.numbers:
                return own
            self.seen[self.numbers[number]] = own
            return change(own, is_unit)

        with torch.no_grad(), softmax_patched(altered):
            return classifier_of(self.name).logits(self.batch.inputs)


def squared_by_hand(own: Tensor, is_unit: Tensor) -> Tensor:
    audited_weights = own * is_unit
    mass = audited_weights.sum(-1, keepdim=True)
    return shares(audited_weights.square()) * mass + own * ~is_unit


def equal_by_hand(own: Tensor, is_unit: Tensor) -> Tensor:
    may = is_unit & (own > 0)
    mass = (own * is_unit).sum(-1, keepdim=True)
    return shares(may.float()) * mass + own * ~is_unit


def cut_off_by_hand(own: Tensor, is_unit: Tensor) -> Tensor:
    return shares(own * ~is_unit)


BY_HAND = {
    "squared": (squared, squared_by_hand),
    "equal": (equal, equal_by_hand),
    "cut off": (cut_off, cut_off_by_hand),
    "nothing": (nothing, cut_off_by_hand),
}


@pytest.mark.parametrize("rule", BY_HAND)
@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5", "bart"])
def test_rules_get_what_sites_compute_behind_those_that_were_changed(name: str, rule: str) -> None:
    model = audited(name)
    batch = padded_batch(model)
    changed, by_hand = BY_HAND[rule]
    seen: list[RowWeights] = []

    def noted(own: RowWeights) -> NewWeights:
        seen.append(own)
        return changed(own)

    found = model.intervene(batch, everywhere(model, noted))
    altered = Altered(name, model, batch)
    assert_close(found, altered.logits(by_hand), 10 * MAX_ERROR[name])
    assert not torch.allclose(found, read(model, batch).logits, atol=MIN_EFFECT)

    assert len(seen) == len(model.layers)
    n_units = batch.unit_mask.shape[1]
    for layer, own in enumerate(seen):
        expected = shares(altered.seen[layer] * (batch.inputs.units >= 0)[:, None, None])
        expected = expected.flatten(1, 2)[..., :n_units]
        assert_close(own.attention[own.row_mask], expected[own.row_mask], 1e-4)
    last = len(model.layers) - 1
    untouched = read(model, batch, Site(last, rows=RowChoice.ALL)).attention
    assert not torch.allclose(seen[last].attention, untouched, atol=MIN_EFFECT)


@pytest.mark.parametrize("head", [None, 1])
@pytest.mark.parametrize("name", ["bert", "t5"])
def test_a_rule_that_gives_some_rows_nothing_cuts_these_off(name: str, head: int | None) -> None:
    model = audited(name)
    batch = padded_batch(model)
    site = Site(1, head, RowChoice.ALL)
    reading = read(model, batch, site)
    n_rows = reading.mass.shape[1]
    is_cut_off = torch.arange(n_rows) % 2 == 0

    def every_other(own: RowWeights) -> NewWeights:
        return NewWeights(own.attention.masked_fill(is_cut_off[:, None], 0))

    mass = reading.mass.masked_fill(is_cut_off, 0)
    expected = reading.replay(reading.attention.unsqueeze(1), mass)[:, 0]
    assert_close(model.intervene(batch, {site: every_other}), expected, MAX_ERROR[name])
    assert not torch.allclose(expected, reading.logits, atol=MIN_EFFECT)


def test_all_sites_share_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = audited("bert")
    batch = padded_batch(model)
    n_passes = 0
    logits = model.classifier.logits

    def counted(inputs: object) -> Tensor:
        nonlocal n_passes
        n_passes += 1
        return logits(inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(model.classifier, "logits", counted)
    model.intervene(batch, everywhere(model, squared))
    assert n_passes == 1


def test_where_sites_overlap_the_later_one_stands() -> None:
    model = audited("bert")
    batch = padded_batch(model)
    site, head = Site(0, rows=RowChoice.ALL), Site(0, 1, RowChoice.ALL)
    both = model.intervene(batch, {head: squared, site: equal})
    assert_close(both, model.intervene(batch, {site: equal}))
    assert not torch.allclose(model.intervene(batch, {site: equal, head: squared}), both)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_embeddings_are_differentiated_under_the_weights_of_rules(name: str) -> None:
    """The same output as of an intervention, and a gradient that attention takes no part in."""
    model = audited(name)
    batch, site = padded_batch(model), model.default_site
    embeddings = model.embed(batch).detach().requires_grad_()
    rules: dict[Site, Rule] = {site: squared}
    found = model.forward(batch, embeddings, hold_attention=True, rules=rules)
    assert_close(found, model.intervene(batch, rules), MAX_ERROR[name])
    (gradient,) = torch.autograd.grad(found.nan_to_num(neginf=0).sum(), embeddings)
    assert bool(gradient.isfinite().all())
    assert bool(gradient.any())
