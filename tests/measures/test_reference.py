"""Measures against values that others computed in float64, with the papers' own code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from attn_audit.measures.registry import COMPUTATIONS
from tests.checks.test_reference_measures import batch_of, texts_of

Text = dict[str, Any]


def whole(values: list[float], text: Text) -> list[float]:
    return values


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


@pytest.mark.parametrize("unit", ["token", "word"])
@pytest.mark.parametrize("name", STORED)
def test_is_as_stored(shared: Path, name: str, unit: str) -> None:
    audited = batch_of(shared, unit)
    found = COMPUTATIONS[name].scores(audited.model, audited.batch)
    stored, tolerance = STORED[name]
    units = by_word if unit == "word" else by_token
    for row, text, mask in zip(found, texts_of(shared), audited.batch.unit_mask, strict=True):
        assert row[mask].tolist() == pytest.approx(units(stored(text), text), abs=tolerance)
        assert not bool(row[~mask].any())
