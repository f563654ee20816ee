import numpy as np
import pytest
import torch

from attn_audit.checks.base import read_batch
from attn_audit.checks.correlation import Correlation
from attn_audit.findings.measure import INTEGRATED_GRADIENTS
from attn_audit.findings.registry import status_meanings
from attn_audit.measures import integrated_gradients as module
from attn_audit.measures.gradient_x_input import Target
from attn_audit.measures.integrated_gradients import integrated_gradients
from attn_audit.models.task import TaskKind
from tests.tiny import tiny_examples, tiny_model


@pytest.mark.parametrize("kind", [TaskKind.BINARY, TaskKind.MULTICLASS, TaskKind.MULTILABEL])
def test_add_up_to_what_sets_the_text_apart_from_one_of_padding(kind: TaskKind) -> None:
    model = tiny_model(kind=kind, n_labels=2 if kind is TaskKind.BINARY else 3, scale=1.5)
    batch = model.collate(model.encode(tiny_examples(6)))
    found = integrated_gradients(model, batch)
    embeddings = model.embed(batch)
    padding = model.network.text_encoder.embedding.weight[0]  # at the units, not at the markers
    is_unit = (batch.inputs.units >= 0).unsqueeze(2)
    own, other = (
        model.forward(batch, at, hold_attention=False)
        for at in (embeddings, torch.where(is_unit, padding, embeddings))
    )
    target = Target.of(model.task, own)
    difference = target.log_odds(own) - target.log_odds(other)
    assert torch.allclose(found.sum(dim=1), difference.double(), rtol=0.011, atol=1e-4)
    assert not bool(found[~batch.unit_mask].any())


def test_a_text_whose_sum_is_off_has_none_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """One node is enough for no text but the flattest."""
    monkeypatch.setattr(module, "STEPS", (1, 2))
    monkeypatch.setattr(module, "MAX_GAP", 1e-4)
    model = tiny_model()
    batch = model.collate(model.encode(tiny_examples(4, lengths=(6, 9))))
    found = integrated_gradients(model, batch)
    is_off = found.isnan().any(dim=1)
    assert bool(is_off.any())
    assert found[is_off][batch.unit_mask[is_off]].isnan().all()
    audited = read_batch(model, batch, model.default_site, seed=0)
    columns = Correlation(("gradient", "integrated_gradients")).run(audited)
    status = INTEGRATED_GRADIENTS.status_undefined
    for i, off in enumerate(is_off.tolist()):
        assert (columns["integrated_gradients"][i] is None) == off
        assert (columns["correlation.attention_integrated_gradients"][i] is None) == off
        assert (status in columns["correlation.status"][i]) == off
        assert columns["correlation.attention_gradient"][i] is not None
    assert "within 1 %" in status_meanings()[status]


def test_are_recorded_with_their_sign() -> None:
    model = tiny_model(scale=1.5)
    batch = model.collate(model.encode(tiny_examples(3, lengths=(6, 9))))
    audited = read_batch(model, batch, model.default_site, seed=0)
    columns = Correlation(("integrated_gradients",)).run(audited)
    recorded = np.concatenate(columns["integrated_gradients"])
    found = integrated_gradients(model, batch)[batch.unit_mask]
    assert recorded.tolist() == pytest.approx(found.tolist())
    assert recorded.min() < 0 < recorded.max()
