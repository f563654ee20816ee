"""Scores that come with the data, as a measure among the others."""

from dataclasses import replace

import pytest
import torch

from attn_audit.data.spans import Scores
from attn_audit.errors import ConfigurationError
from attn_audit.findings.measure import correlated
from attn_audit.findings.registry import add_shown, added, measures, record_fields
from attn_audit.measures.registry import applicable, computation, require_applicable
from tests.tiny import tiny_examples, tiny_model


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
