"""What holds of every measure, and of scores that come with the data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import attn_audit
from attn_audit.data.spans import Scores
from attn_audit.errors import ConfigurationError
from attn_audit.findings.measure import Measure, correlated, shown_measure
from attn_audit.findings.registry import add_shown, added, measures, record_fields
from attn_audit.measures.base import Importance
from attn_audit.measures.registry import (
    COMPUTATIONS,
    applicable,
    computation,
    register_measure,
    require_applicable,
)
from attn_audit.models.contract import AuditedModel, Batch
from tests.measures.brute import Loaded
from tests.tiny import tiny_examples, tiny_model

OF_POOLING = ("gradient", "leave_one_out", "attention_gradient", "gradient_x_input")
"""With integrated gradients, what a model of one attention has."""


def test_every_measure_is_computed() -> None:
    assert list(COMPUTATIONS) == [measure.name for measure in measures()]


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_text_in_its_batch_has_the_scores_that_it_has_alone(
    loaded: Loaded, kind: str, name: str
) -> None:
    model, batch = loaded(kind, "word")
    found = COMPUTATIONS[name].scores(model, batch)
    assert found.dtype == torch.float64
    for row, item in zip(found, batch.encoded, strict=True):
        (alone,) = COMPUTATIONS[name].scores(model, model.collate([item]))
        scale = float(alone.abs().max())
        assert torch.allclose(row[: item.n_units], alone, rtol=1e-4, atol=1e-5 * scale)
        assert not bool(row[item.n_units :].any())


def test_all_apply_to_a_transformer(loaded: Loaded) -> None:
    model, _ = loaded("bert")
    assert applicable(model) == tuple(COMPUTATIONS)


def test_what_takes_layers_does_not_apply_to_one_attention() -> None:
    model = tiny_model()
    assert applicable(model) == (*OF_POOLING, "integrated_gradients")
    with pytest.raises(ConfigurationError, match="--measures rollout does not apply") as caught:
        require_applicable(("gradient", "rollout"), model)
    assert "attention_gradient" in str(caught.value.hint)


def test_those_of_one_attention_are_numbers() -> None:
    model = tiny_model()
    batch = model.collate(model.encode(tiny_examples(5)))
    for name in applicable(model):
        scores = COMPUTATIONS[name].scores(model, batch)
        assert scores.isfinite().all()
        assert not bool(scores[~batch.unit_mask].any())


def test_they_are_read_from_the_example_and_nan_where_there_are_none() -> None:
    model, texts = tiny_model(), tiny_examples(3, lengths=(3, 6))
    first = replace(
        texts[0], shown={"lime": Scores(tuple(map(float, range(len(texts[0].text.split())))))}
    )
    second = replace(texts[1], shown={"lime": Scores(None, (((0, 2), 0.5),))})
    batch = model.collate(model.encode([first, second, texts[2]]))
    with added():
        add_shown(["lime"])
        found = computation("shown.lime").scores(model, batch)
    lengths = batch.unit_mask.sum(dim=1).tolist()
    assert found.dtype == torch.float64
    assert found[0, : lengths[0]].tolist() == list(range(lengths[0]))
    assert found[1, : lengths[1]].tolist() == [0.5] + [0.0] * (lengths[1] - 1)
    assert bool(found[2, : lengths[2]].isnan().all())
    assert not bool(found[~batch.unit_mask].any())


def test_each_field_is_one_measure_however_often_it_is_named() -> None:
    before, fields = measures(), record_fields()
    with added():
        add_shown(["lime", "shap.values", "lime"])
        add_shown(["lime"])
        new = [measure.name for measure in measures() if measure not in before]
        assert new == ["shown.lime", "shown.shap.values"]
        assert "erasure.shown.lime_magnitude" in {field.name for field in record_fields()}
    assert measures() == before
    assert record_fields() == fields


def test_none_is_a_models_own_or_correlated_unless_it_is_named() -> None:
    model = tiny_model()
    usual, own = correlated(None), applicable(model)
    with added():
        add_shown(["lime"])
        assert correlated(None) == usual
        assert applicable(model) == own
        require_applicable(["shown.lime"], model)


def test_fields_whose_names_clash_are_refused() -> None:
    with added(), pytest.raises(ConfigurationError, match="--shown a_magnitude: there is a"):
        add_shown(["a", "a_magnitude"])


def ones(model: AuditedModel, batch: Batch) -> torch.Tensor:
    return torch.ones(batch.unit_mask.shape)


def measure_of_ones_own(importance: Importance = ones) -> Measure:
    measure = replace(shown_measure("own"), shown=None)
    register_measure(measure, importance)
    return measure


TEXTS = ["A fine and warm film .", "Dull ."]


def test_registered_again_it_is_replaced() -> None:
    measure_of_ones_own()
    second = measure_of_ones_own()
    assert [found for found in measures() if found.name == second.name] == [second]


def test_another_modules_is_not() -> None:
    def elsewhere(model: AuditedModel, batch: Batch) -> torch.Tensor:
        return ones(model, batch)

    elsewhere.__module__ = "elsewhere"
    measure_of_ones_own()
    with pytest.raises(ValueError, match="already: give another name"):
        measure_of_ones_own(elsewhere)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (lambda shape: torch.ones(3), "Tensor of shape (3,)"),
        (lambda shape: np.ones(shape), "ndarray of shape (1, 6)"),
        (lambda shape: None, "NoneType"),
    ],
)
def test_what_is_no_number_for_each_unit_is_refused(given: Any, found: str) -> None:
    def importance(model: AuditedModel, batch: Batch) -> Any:
        return given(tuple(batch.unit_mask.shape))

    measure_of_ones_own(importance)
    with pytest.raises(ConfigurationError) as caught:
        attn_audit.explain("demo", TEXTS[0])
    said = f"the measure 'shown.own' gave a {found}, and not a torch.Tensor of shape (1, 6)"
    assert said in str(caught.value)
    measure_of_ones_own()
    attn_audit.explain("demo", TEXTS[0])


def test_padding_counts_for_nothing() -> None:
    measure_of_ones_own()
    model = tiny_model()
    batch = model.collate(model.encode(tiny_examples(5)))
    assert torch.equal(computation("shown.own").scores(model, batch), batch.unit_mask.double())


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_what_is_registered_after_an_audit_is_none_of_its_records(
    tmp_path: Path, suffix: str
) -> None:
    report = attn_audit.audit(
        "demo", TEXTS, checks="correlation", records=tmp_path / f"records.{suffix}"
    )
    measure_of_ones_own()
    assert attn_audit.verify(report, "demo", TEXTS).holds
    assert "shown.own" in {measure.name for measure in measures()}
