"""What holds of every measure."""

import pytest
import torch

from attn_audit.errors import ConfigurationError
from attn_audit.findings.registry import measures
from attn_audit.measures.registry import COMPUTATIONS, applicable, require_applicable
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
