"""Decision flips against those that Serrano & Smith's own code counted, and by brute force."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.decision_flip import DecisionFlip, _orders
from attn_audit.data.example import Example
from attn_audit.findings.decision_flip import FINDINGS, ORDERS
from attn_audit.models.contract import coarseness
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
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
            removed, share = wanted["removed_until_flip"], found[order.gone.name][i]
            nothing_left = removed is not None and wanted["only_when_nothing_is_left"]
            assert found[order.never.name][i] == (removed is None)
            assert found[order.nothing_left.name][i] == nothing_left
            is_flipped = removed is not None and not nothing_left
            assert share == (pytest.approx(removed / n) if is_flipped else None)


def flips_at(audited: AuditedBatch, i: int, order: list[int]) -> int:
    """Units gone when the decision is another, one removal at a time; one more if it never is."""
    reading = audited.reading
    for gone in range(1, len(order) + 1):
        raw = (reading.mass.unsqueeze(-1) * reading.attention)[i].double().clone()
        raw[:, order[:gone]] = 0
        whole = raw.sum(-1) + reading.rest[i]
        mass = raw.sum(-1) / torch.where(whole > 0, whole, 1)
        left = raw.sum(-1, keepdim=True)
        own = torch.where(left > 0, raw / torch.where(left > 0, left, 1), audited.attention[i])
        weights, masses = audited.attention.clone(), reading.mass.double().clone()
        weights[i], masses[i] = own, mass
        logits = reading.replay(weights.unsqueeze(1), masses)
        if bool(audited.margin.turned(logits)[i, 0] >= 0.5):
            return gone
    return len(order) + 1


def of_rows() -> AuditedBatch:
    model = RowsModel()
    return read_batch(model, model.collate(model.encode(texts(6, 3, 5))), model.default_site, 0)


def test_of_several_rows_the_same_is_found_one_removal_at_a_time() -> None:
    audited, order = of_rows(), ORDERS[0]
    found = DecisionFlip().run(audited)
    for i, n in enumerate(audited.lengths.tolist()):
        by_weight = np.argsort(-audited.explanation[i, :n].numpy(), kind="stable").tolist()
        gone = flips_at(audited, i, by_weight)
        assert found[order.never.name][i] == (gone > n)
        assert found[order.nothing_left.name][i] == (gone == n)
        assert found[order.gone.name][i] == (pytest.approx(gone / n) if gone < n else None)


def test_where_weights_nearly_tie_each_number_is_the_mean_over_five_orders() -> None:
    audited = of_rows()
    even = audited.explanation.clone()
    for i, n in enumerate(audited.lengths.tolist()):
        step = 9e-6 * coarseness(audited.model.dtype)  # 1e-5 of itself, of float32
        even[i, :n] = (1 + step * torch.arange(n)) / n
    audited = replace(audited, explanation=even)
    found, order = DecisionFlip().run(audited), ORDERS[0]
    drawn, random = (_orders(audited)[name].numpy() for name in ("attention", "random"))
    assert drawn.shape[1] == random.shape[1] == 5
    for i, n in enumerate(audited.lengths.tolist()):
        assert len({tuple(each) for each in drawn[i, :, :n]}) > 1
        gone, by_chance = (
            np.array([flips_at(audited, i, each[:n].tolist()) for each in orders[i]])
            for orders in (drawn, random)
        )
        assert found[order.never.name][i] == pytest.approx((gone > n).mean())
        assert found[order.nothing_left.name][i] == pytest.approx((gone == n).mean())
        flips = gone[gone < n]
        assert found[order.gone.name][i] == (
            pytest.approx(flips.mean() / n) if len(flips) else None
        )
        difference = by_chance[None, :] - gone[:, None]
        sooner = (difference > 0).mean() + (difference == 0).mean() / 2
        assert order.sooner is not None
        assert found[order.sooner.name][i] == pytest.approx(sooner)


def test_an_order_of_random_weights_is_sooner_than_chance_in_half_of_the_pairs(
    shared: Path,
) -> None:
    audited, _ = read(shared)
    torch.manual_seed(0)
    sooner, n = 0.0, 0
    for _ in range(10):
        any_order = torch.rand_like(audited.explanation)
        found = DecisionFlip().run(replace(audited, explanation=any_order))
        values = [v for v in found["decision_flip.attention.sooner_than_random"] if v is not None]
        sooner, n = sooner + sum(values), n + len(values)
    assert n == 10 * len(audited.ids)
    assert abs(sooner / n - 0.5) < 5 * 0.5 / np.sqrt(n)


def test_one_text_is_said_in_words() -> None:
    name = ORDERS[0].gone.name
    ends = {f"{name}.never": 0.0, f"{name}.nothing_left": 0.0}
    assert FINDINGS.line({name: 0.25} | ends) == (
        "the decision flips without attention on the first 25% of its words"
    )
    assert FINDINGS.line({name: None} | ends | {f"{name}.never": 1.0}) == (
        "without attention on its most attended words the decision never flips"
    )
    assert FINDINGS.line({name: None, f"{name}.never": 0.4, f"{name}.nothing_left": 0.6}) == (
        "without attention on its most attended words the decision never flips or flips only when "
        "nothing is left"
    )


def test_a_text_of_one_unit_has_no_order() -> None:
    model = RowsModel()
    audited = read_batch(model, model.collate(model.encode(texts(1, 4))), model.default_site, 0)
    found = DecisionFlip().run(audited)
    assert found["decision_flip.status"][0] == "untestable_single_unit"
    assert found["decision_flip.attention.never"][0] is None
