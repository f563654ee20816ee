"""Measures against values that others computed in float64, with the papers' own code."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.measures.registry import COMPUTATIONS
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
from tests.checks.test_reference_measures import model_of, texts_of

Text = dict[str, Any]


def of_audited(values: list[float], text: Text) -> list[float]:
    """Renormalised over what people are shown."""
    audited = [v for v, word in zip(values, text["word_of_token"], strict=True) if word >= 0]
    return [v / sum(audited) for v in values]


def by_token(values: list[float], text: Text) -> list[float]:
    return [v for v, word in zip(values, text["word_of_token"], strict=True) if word >= 0]


def by_word(values: list[float], text: Text) -> list[float]:
    sums = [0.0] * len(text["words"])
    for value, word in zip(values, text["word_of_token"], strict=True):
        if word >= 0:
            sums[word] += value
    return sums


N_TEXTS = {"integrated_gradients": 2}
"""Where all take long."""

STORED: dict[str, tuple[Callable[[Text], list[float]], float]] = {
    "gradient_x_input": (lambda text: text["input_x_gradient"]["log_odds"], 3e-5),
    "integrated_gradients": (
        lambda text: text["integrated_gradients"]["log_odds"]["pad"]["steps_50"], 5e-5,
    ),
    "rollout": (lambda text: of_audited(text["rollout_cls"], text), 1e-6),
    "attention_gradient": (lambda text: of_audited(text["chefer_cls"], text), 1e-5),
    "value_zeroing": (
        lambda text: of_audited(text["value_zeroing_cls_raw_by_layer"][-1], text), 1e-5,
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "unit"), [*((name, "word") for name in STORED), ("value_zeroing", "token")]
)
def test_is_as_stored(shared: Path, name: str, unit: str) -> None:
    model, n_texts = model_of(shared, unit), N_TEXTS.get(name)
    texts = texts_of(shared)[:n_texts]
    batch = model.collate(model.encode([Example(text["id"], text["text"]) for text in texts]))
    found = COMPUTATIONS[name].scores(model, batch)
    stored, tolerance = STORED[name]
    units = by_word if unit == "word" else by_token
    for row, text, mask in zip(found, texts, batch.unit_mask, strict=True):
        assert row[mask].tolist() == pytest.approx(units(stored(text), text), abs=tolerance)
        assert not bool(row[~mask].any())


def test_where_tokens_are_pooled_it_is_attention_times_its_gradient(shared: Path) -> None:
    with gzip.open(shared / "reference" / "measures" / "bilstm.json.gz") as file:
        texts = json.load(file)["texts"]
    path = str(shared / "reference" / "sst" / "bilstm_tanh")
    model = load_model(path, torch.device("cpu"), ModelOptions(), [])
    batch = model.collate(model.encode([Example(text["id"], text["text"]) for text in texts]))
    found = COMPUTATIONS["attention_gradient"].scores(model, batch)
    for row, text in zip(found, texts, strict=True):
        above = [max(0.0, product) for product in text["attention_x_gradient"]]
        expected = [product / sum(above) for product in above]
        assert row[: text["n"]].tolist() == pytest.approx(expected, abs=1e-5)
