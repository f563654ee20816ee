"""Decision flips against those that Serrano & Smith's own code counted, and by brute force."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.decision_flip import DecisionFlip
from attn_audit.data.example import Example
from attn_audit.findings.decision_flip import FLIPPED, NEVER, NOTHING_LEFT, ORDERS
from attn_audit.models.loading import ModelOptions, load_model
from tests.rows import RowsModel, texts

REFERENCE = ("attention", "gradient", "attention_x_gradient")


def read(shared: Path) -> tuple[AuditedBatch, list[dict[str, Any]]]:
    with gzip.open(shared / "reference" / "measures" / "bilstm.json.gz") as file:
        stored: list[dict[str, Any]] = json.load(file)["texts"]
    examples = [Example(str(i), text["text"]) for i, text in enumerate(stored)]
    location = str(shared / "reference" / "sst" / "bilstm_tanh")
    model = load_model(location, torch.device("cpu"), ModelOptions(), examples[:3])
    batch = model.collate(model.encode(examples))
    return read_batch(model, batch, model.default_site, 0), stored


def test_flips_are_those_that_the_authors_own_code_counts(shared: Path) -> None:
    audited, stored = read(shared)
    found = DecisionFlip().run(audited)
    for order in ORDERS:
        if order.name not in REFERENCE:
            continue
        for i, text in enumerate(stored):
            wanted, n = text["until_flip"][order.name], len(text["attention"])
            assert audited.lengths[i] == n
            removed, share = wanted["removed_until_flip"], found[order.share.name][i]
            if removed is None or wanted["only_when_nothing_is_left"]:
                assert share is None
                end = NEVER if removed is None else NOTHING_LEFT
                assert found[order.end.name][i] == end
            else:
                assert found[order.end.name][i] == FLIPPED
                assert share == pytest.approx(removed / n)


def test_of_several_rows_the_same_is_found_one_removal_at_a_time() -> None:
    model, order = RowsModel(), ORDERS[0]
    audited = read_batch(model, model.collate(model.encode(texts(6, 3, 5))), model.default_site, 0)
    found = DecisionFlip().run(audited)
    reading = audited.reading
    for i, n in enumerate(audited.lengths.tolist()):
        end = found[order.end.name][i]
        assert end in (FLIPPED, NOTHING_LEFT, NEVER)
        if end != FLIPPED:
            continue
        by_weight = np.argsort(-audited.explanation[i, :n].numpy(), kind="stable").tolist()
        flips = []
        for gone in range(1, n + 1):
            raw = (reading.mass.unsqueeze(-1) * reading.attention)[i].double().clone()
            raw[:, by_weight[:gone]] = 0
            whole = raw.sum(-1) + reading.rest[i]
            mass = raw.sum(-1) / torch.where(whole > 0, whole, 1)
            left = raw.sum(-1, keepdim=True)
            own = torch.where(left > 0, raw / torch.where(left > 0, left, 1), audited.attention[i])
            weights, masses = audited.attention.clone(), reading.mass.double().clone()
            weights[i], masses[i] = own, mass
            logits = reading.replay(weights.unsqueeze(1), masses)
            flips.append(bool(audited.margin.turned(logits)[i, 0] >= 0.5))
        assert found[order.share.name][i] == pytest.approx((flips.index(True) + 1) / n)


def test_a_text_of_one_unit_has_no_order() -> None:
    model = RowsModel()
    audited = read_batch(model, model.collate(model.encode(texts(1, 4))), model.default_site, 0)
    found = DecisionFlip().run(audited)
    assert found["decision_flip.status"][0] == "untestable_single_unit"
    assert found["decision_flip.attention.end"][0] is None
