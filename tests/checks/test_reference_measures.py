"""Leverage and violations against values that others computed in float64, in plain torch."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from attn_audit.checks.attended import AttendedUnits
from attn_audit.checks.base import AuditedBatch, read_batch, read_sites
from attn_audit.checks.permutation import without_attention
from attn_audit.checks.replacement import cut_off, equal
from attn_audit.data.example import Example
from attn_audit.findings import attended as fields
from attn_audit.models.contract import RowChoice, Site
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions

TOLERANCE = 1e-4
N_TEXTS = 4
"""Of the stored ones, two of which are violations."""

RULES = {"removed": cut_off, "equal": equal}


@cache
def texts_of(shared: Path) -> list[dict[str, Any]]:
    with gzip.open(shared / "reference" / "measures" / "minilm.json.gz") as file:
        found: list[dict[str, Any]] = json.load(file)["texts"]
    return found[:N_TEXTS]


@cache
def model_of(shared: Path, unit: str, removal: str | None = None) -> InterceptedModel:
    options = ModelOptions(unit=unit, removal=removal)  # type: ignore[arg-type]
    location = str(shared / "models" / "minilm_sst")
    trial = [Example(text["id"], text["text"]) for text in texts_of(shared)[:3]]
    model = load_model(location, torch.device("cpu"), options, trial)
    assert isinstance(model, InterceptedModel)
    return model


def batch_of(shared: Path, unit: str, removal: str | None = None) -> AuditedBatch:
    model = model_of(shared, unit, removal)
    examples = [Example(text["id"], text["text"]) for text in texts_of(shared)]
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, 0)


def assert_as_stored(logits: Tensor, stored: list[dict[str, Any]]) -> None:
    """Probability and log-odds of the second label, of a softmax over two that is one sigmoid."""
    second = [each["probabilities"][1] for each in stored]
    assert logits[:, 0].double().sigmoid().tolist() == pytest.approx(second, abs=TOLERANCE)
    odds = [_towards_one(each) for each in stored]
    assert logits[:, 0].tolist() == pytest.approx(odds, abs=TOLERANCE)


@pytest.mark.parametrize("rule", RULES)
def test_leverage_at_one_layer_and_at_all(shared: Path, rule: str) -> None:
    whole, texts = batch_of(shared, "token"), texts_of(shared)
    model, batch = whole.model, whole.batch
    stored = [text["leverage"][rule] for text in texts]
    layers = range(len(model.layers))
    for rows, name in ((RowChoice.READOUT, "cls_row"), (RowChoice.ALL, "all_rows")):
        for layer in layers:
            logits = model.intervene(batch, {Site(layer, rows=rows): RULES[rule]})
            assert_as_stored(logits, [each[f"{name}_one_layer"][layer] for each in stored])
        logits = model.intervene(batch, {Site(layer, rows=rows): RULES[rule] for layer in layers})
        assert_as_stored(logits, [each[f"{name}_all_layers"] for each in stored])


def test_leverage_by_layer_is_that_of_the_row_that_is_read_out(shared: Path) -> None:
    whole, texts = batch_of(shared, "token"), texts_of(shared)
    layers = range(len(whole.model.layers))
    at_layers = read_sites(whole.model, whole.batch, [Site(layer) for layer in layers], 0)
    for layer, at_layer in enumerate(at_layers):
        stored = [text["leverage"]["removed"]["cls_row_one_layer"][layer] for text in texts]
        logits = without_attention(at_layer)
        assert_as_stored(logits[:, 0], stored)
        moved = at_layer.margin.moved(logits)[:, 0]
        sign = torch.tensor([1.0 if text["predicted"] else -1.0 for text in texts])
        own = sign * torch.tensor([_towards_one(text) for text in texts])
        cut = sign * torch.tensor([_towards_one(each) for each in stored])
        assert float((moved - (1 - cut / own).abs()).abs().max()) < 1e-3


def _towards_one(found: dict[str, Any]) -> float:
    """The log-odds of the second label, whichever was predicted."""
    p = found["probabilities"]
    return float(torch.tensor(p[1] / p[0], dtype=torch.float64).log())


@pytest.mark.parametrize("operator", ["mask", "delete"])
def test_violations(shared: Path, operator: str) -> None:
    whole, texts = batch_of(shared, "word", operator), texts_of(shared)
    found = AttendedUnits().run(whole)
    for i, text in enumerate(texts):
        stored, attention = text["violation"][operator], whole.explanation[i]
        assert int(attention.argmax()) == stored["top_word"]
        top_lost, against = found[fields.TOP_LOST.name][i], found[fields.AGAINST_ATTENTION.name][i]
        assert (top_lost < 0) == stored["violation"]
        assert against == pytest.approx(stored["mass_on_opposing_words"], abs=TOLERANCE)
        second = float(whole.probabilities[i, 0])
        p = second if text["predicted"] else 1 - second
        without = p - stored["delta"]
        kept = torch.tensor([without, p], dtype=torch.float64).logit()
        assert top_lost == pytest.approx(float(1 - kept[0] / kept[1]), abs=1e-3)
