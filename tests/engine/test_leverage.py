"""Leverage by layer against whole passes altered by hand, and the layer that is chosen by it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

import attn_audit
from attn_audit.checks.base import read_batch
from attn_audit.checks.permutation import single_units
from attn_audit.data.example import Example, is_judged, sample_examples
from attn_audit.engine import sampling as module
from attn_audit.engine.sampling import (
    N_TEXTS,
    leverage_by_layer,
    leverage_passes,
    texts_of_reach,
)
from attn_audit.errors import ConfigurationError, RunDirectoryError
from attn_audit.formats.documents.model import NO_REACH
from attn_audit.formats.documents.report import audited_attention, document
from attn_audit.models.contract import AuditedModel, EncodedExample, NewWeights, RowWeights, Site
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.results.model_description import Leverage
from tests.checkpoints import SENTENCES
from tests.conftest import Checkpoint
from tests.models.interception.matrix import audited
from tests.models.interception.passes import classifier_of, softmax_of_layer
from tests.models.interception.patching import softmax_patched
from tests.models.interception.zoo import examples
from tests.tiny import tiny_examples, tiny_model

TEXTS = examples((10, 6, 8, 9, 7, 12, 5, 11), seed=4)
QUICK: dict[str, Any] = {"checks": "permutation", "permutations": 3, "reproducible": True}
READ_OUT = {"bert": 0, "gpt2": -1}
"""Place of the row that is read out among the tokens of a text."""


def of_layers(
    model: AuditedModel,
    texts: Sequence[Example],
    *,
    has_reach: bool = False,
    has_heads: bool = False,
) -> Leverage:
    encoded = model.encode(texts)
    found = leverage_by_layer(model, encoded, has_reach=has_reach, has_heads=has_heads)
    assert found is not None
    return found


def by_hand(name: str, batch: InterceptedBatch, layers: Sequence[int], **where: Any) -> Tensor:
    """Logits with attention to the text cut off at some layers, in one row or all, of all heads."""
    numbers = {softmax_of_layer(name, layer) for layer in layers}
    heads, is_everywhere = where.get("heads", slice(None)), where.get("is_everywhere", False)

    def altered(number: int, own: Tensor) -> Tensor:
        if number not in numbers:
            return own
        is_unit = (batch.inputs.units >= 0)[:, None, None]
        rest = own * ~is_unit
        cut = rest / rest.sum(-1, keepdim=True).clamp_min(1e-30)
        changed = own.clone()
        for i in range(len(own)):
            real = batch.inputs.real[i].nonzero()[:, 0].tolist()
            rows = real if is_everywhere else [real[READ_OUT[name]]]
            changed[i, heads, rows] = cut[i, heads, rows]
        return changed

    with torch.no_grad(), softmax_patched(altered):
        return classifier_of(name).logits(batch.inputs)


def effects_by_hand(own: Tensor, other: Tensor) -> tuple[float, int]:
    """Median share of the margin moved, and in how many texts half of it is, or another wins."""
    order = own.argsort(dim=-1, descending=True)[:, :2]
    before, after = own.gather(1, order).double(), other.gather(1, order).double()
    margin, left = before[:, 0] - before[:, 1], after[:, 0] - after[:, 1]
    moved = (1 - left / margin).abs()
    turned = other.argmax(-1) != own.argmax(-1)
    return float(np.median(moved)), int(((moved >= 0.5) | turned).sum())


@pytest.mark.parametrize("name", READ_OUT)
def test_each_layer_and_head_is_cut_off_by_itself_and_all_layers_together(name: str) -> None:
    model = audited(name)
    batch = model.collate(model.encode(TEXTS))
    found = of_layers(model, TEXTS, has_heads=True)
    own = by_hand(name, batch, ())
    n_layers, n_heads = len(model.layers), model.layers[0].n_heads
    expected = [effects_by_hand(own, by_hand(name, batch, [i])) for i in range(n_layers)]
    for i, site in enumerate(found.layers):
        assert (site.layer, site.head, site.matters.n) == (i, None, len(TEXTS))
        assert site.margin == pytest.approx(expected[i][0], 1e-3)
        assert site.matters.count == expected[i][1]
    best = int(np.argmax([margin for margin, _ in expected]))
    assert found.best.layer == best
    whole = by_hand(name, batch, range(n_layers), is_everywhere=True)
    margin, count = effects_by_hand(own, whole)
    together = found.together
    assert together.layer is None
    assert together.margin == pytest.approx(margin, 1e-3)
    assert together.matters.count == count
    assert [(site.layer, site.head) for site in found.heads] == [(best, h) for h in range(n_heads)]
    for head, site in enumerate(found.heads):
        margin, count = effects_by_hand(own, by_hand(name, batch, [best], heads=head))
        assert site.margin == pytest.approx(margin, 1e-3)
        assert site.matters.count == count


@pytest.mark.parametrize("name", READ_OUT)
def test_reach_is_what_attention_on_one_unit_does_at_a_layer(name: str) -> None:
    model = audited(name)
    found = of_layers(model, TEXTS, has_reach=True)
    encoded = model.encode(TEXTS)
    for layer, site in enumerate(found.layers):
        n_reached = 0
        for item in encoded:
            batch = model.collate([item])
            whole = read_batch(model, batch, Site(layer), 0)
            moved, turned = [], []
            for unit in range(item.n_units):

                def alone(weights: RowWeights, unit: int = unit) -> NewWeights:
                    attention = torch.zeros_like(weights.attention)
                    attention[..., unit] = 1
                    return NewWeights(attention)

                logits = model.intervene(batch, {Site(layer): alone}).unsqueeze(1)
                moved.append(float(whole.margin.moved(logits)))
                turned.append(float(whole.margin.turned(logits)))
            n_reached += max(moved) >= 0.5 or max(turned) >= 0.5
        assert site.reach is not None
        assert (site.reach.count, site.reach.n) == (n_reached, len(TEXTS))


def test_reach_is_looked_at_of_as_many_texts_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = audited("bert")
    encoded = model.encode(TEXTS)
    for n_units, n_texts in ((1, 1), (encoded[0].n_units + encoded[1].n_units, 2), (9999, 8)):
        monkeypatch.setattr(module, "N_UNITS", n_units)
        assert [item.example for item in texts_of_reach(encoded)] == TEXTS[:n_texts]
        found = of_layers(model, TEXTS, has_reach=True)
        assert [site.reach and site.reach.n for site in found.layers] == [n_texts] * 3


def test_of_one_layer_there_is_nothing_to_compare() -> None:
    assert leverage_by_layer(tiny_model(), []) is None
    report = attn_audit.audit(tiny_model(), tiny_examples(5), **QUICK)
    assert report.layers is None


def test_texts_at_which_the_model_fails_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = audited("bert")
    collate = InterceptedModel.collate

    def failing(self: InterceptedModel, encoded: Sequence[EncodedExample]) -> InterceptedBatch:
        if any(item.example.id == TEXTS[2].id for item in encoded):
            raise ValueError("not this one")
        return collate(self, encoded)

    monkeypatch.setattr(InterceptedModel, "collate", failing)
    found = of_layers(model, TEXTS)
    others = of_layers(model, [*TEXTS[:2], *TEXTS[3:]])
    assert found.n_texts == others.n_texts == len(TEXTS) - 1
    assert [site.matters for site in found.layers] == [site.matters for site in others.layers]


def test_where_reach_cannot_be_measured_leverage_chooses_and_the_report_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(module, "single_units", failing)
    monkeypatch.setattr("attn_audit.checks.permutation.single_units", single_units)
    model = audited("bert")
    report = attn_audit.audit(model, MANY, layer="best", limit=3, **QUICK)
    assert report.layers is not None
    assert not report.layers.has_reach
    assert report.settings.layer == report.layers.best.layer
    assert "most leverage, in 50 of them (reach could not be measured)" in audited_attention(report)
    assert NO_REACH in str(document(report))


MANY = [Example(f"text-{i}", text.text) for i, text in enumerate(examples((6, 8, 7) * 30, seed=5))]


def test_a_report_has_it_of_a_sample_that_is_the_same_for_every_limit() -> None:
    model = audited("bert")
    reports = [attn_audit.audit(model, MANY, limit=limit, **QUICK) for limit in (2, 5)]
    expected = of_layers(model, sample_examples(MANY, N_TEXTS, 0))
    assert (N_TEXTS, expected.n_texts) == (64, 64)
    assert [report.layers for report in reports] == [expected, expected]
    other = attn_audit.audit(model, MANY, limit=2, seed=1, **QUICK)
    assert other.layers != expected


def test_a_run_directory_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, where = audited("bert"), {"run_dir": str(tmp_path / "run"), "shard_size": 2, **QUICK}
    whole = attn_audit.audit(model, TEXTS, **where)
    assert whole.layers is not None
    monkeypatch.setattr("attn_audit.engine.sampling.leverage_by_layer", None)
    again = attn_audit.audit(model, TEXTS, resume=True, **where)
    assert again.layers == whole.layers
    with pytest.raises(RunDirectoryError, match="another audit"):
        attn_audit.audit(model, TEXTS, resume=True, **{**where, "permutations": 4})


def test_the_best_layer_is_chosen_on_texts_that_are_not_judged(tmp_path: Path) -> None:
    model = audited("bert")
    records = tmp_path / "records.jsonl"
    report = attn_audit.audit(model, MANY, layer="best", records=records, **QUICK)
    judged = [example for example in MANY if is_judged(example.id)]
    choosing = [example for example in MANY if not is_judged(example.id)]
    texts = sample_examples(choosing, N_TEXTS, 0)
    found = of_layers(model, texts, has_reach=True)
    assert (report.layers, report.settings.layer) == (found, found.chosen.layer)
    assert (report.data.n_choosing, report.data.n_examples) == (len(choosing), len(judged))
    assert report.settings.layer is not None
    by_name = attn_audit.audit(model, judged, layer=report.settings.layer, **QUICK)
    of_checks = {name for name in report.metrics if not name.startswith("data.")}
    for name in of_checks:
        assert report.metrics[name] == by_name.metrics[name]
    assert found.chosen.reach is not None
    how = f"chosen on {len(choosing)} other texts: most reach, in {found.chosen.reach.n} of"
    assert how in audited_attention(report)
    assert "has the most reach, and was chosen for it" in str(document(report))
    assert attn_audit.verify(report, model, MANY).holds


def test_a_model_of_one_layer_has_all_texts_judged_at_its_best() -> None:
    report = attn_audit.audit(tiny_model(), tiny_examples(6), layer="best", **QUICK)
    assert (report.data.n_choosing, report.data.n_examples) == (0, 6)


def test_two_halves_need_texts() -> None:
    with pytest.raises(ConfigurationError, match=r"one half of the texts .* \(1 text\)"):
        attn_audit.audit(audited("bert"), MANY[:1], layer="best", **QUICK)


def test_halves_are_halves() -> None:
    judged = sum(is_judged(f"text-{i}") for i in range(2000))
    assert 900 < judged < 1100


def test_a_plan_says_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    model = audited("bert")
    stages = {stage.name: stage for stage in attn_audit.plan(model, MANY, **_planned()).stages}
    stage = stages[module.LEVERAGE]
    assert stage.passes == leverage_passes(model) * N_TEXTS == (len(model.layers) + 2) * 64
    assert stage.seconds > 0
    assert module.REACH not in stages
    best = attn_audit.plan(model, MANY, layer="best", **_planned())
    (stage,) = (stage for stage in best.stages if stage.name == module.REACH)
    choosing = [example for example in MANY if not is_judged(example.id)]
    units = [item.n_units for item in model.encode(sample_examples(choosing, N_TEXTS, 0))]
    n_units = max(n for n in np.cumsum(units).tolist() if n <= module.N_UNITS)
    assert stage.passes == len(model.layers) * n_units
    assert stage.seconds > 0
    alone = attn_audit.plan(tiny_model(), tiny_examples(5), **_planned())
    assert module.LEVERAGE not in {stage.name for stage in alone.stages}


def _planned() -> dict[str, Any]:
    return {name: value for name, value in QUICK.items() if name != "reproducible"}


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_where_attention_lies_is_what_the_library_says(
    kind: str, language_model: Checkpoint
) -> None:
    module = AutoModelForCausalLM.from_pretrained(
        language_model(kind), attn_implementation="eager"
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(language_model(kind))
    said: dict[str, Any] = {"prompt": "Review: {text} Good?", "options": (" bad", " not")}
    texts = [Example(f"e{i}", text) for i, text in enumerate(SENTENCES[:6])]
    model = attn_audit.wrap(module, tokenizer, examples=texts[:3], **said)
    found = of_layers(model, texts)
    expected = []
    for text in texts:
        whole = f"Review: {text.text} Good?"
        encoded = tokenizer(whole, return_offsets_mapping=True)
        start, end = len("Review: "), len(whole) - len(" Good?")
        spans = encoded["offset_mapping"]
        is_text = torch.tensor([max(a, start) < min(b, end) for a, b in spans])
        with torch.no_grad():
            ids = torch.tensor([encoded["input_ids"]])
            every = module(ids, output_attentions=True).attentions
        rows = torch.stack([weights[0, :, -1].mean(0) for weights in every])
        first, itself, on_text = rows[:, 0], rows[:, -1], rows[:, is_text].sum(1)
        expected.append(torch.stack([first, 1 - first - itself - on_text, on_text, itself]))
    means = torch.stack(expected).mean(0).T
    for shares, of_layer in zip(found.shares, means.tolist(), strict=True):
        assert list(shares.model_dump().values()) == pytest.approx(of_layer, abs=1e-5)


def test_nothing_is_said_of_where_a_classifiers_attention_lies() -> None:
    assert of_layers(audited("gpt2"), TEXTS).shares == ()
