"""The permuted baseline against differences of outputs under the same shuffled attention."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.correlation import Correlation, permuted_baseline
from attn_audit.models.contract import NewWeights, RowWeights, Rule, Site
from attn_audit.models.paper.network import EncoderKind
from attn_audit.models.task import TaskKind
from tests.rows import RowsModel, texts
from tests.tiny import tiny_examples, tiny_model


def read(kind: TaskKind, n_labels: int, lengths: tuple[int, int]) -> AuditedBatch:
    model = tiny_model(kind=kind, n_labels=n_labels)
    model.network.double()
    batch = model.collate(model.encode(tiny_examples(12, lengths=lengths)))
    return read_batch(model, batch, model.default_site, seed=0)


@pytest.mark.parametrize(("kind", "n_labels"), [(TaskKind.BINARY, 2), (TaskKind.MULTILABEL, 3)])
def test_the_gradient_is_the_change_of_outputs_with_attention_held_there(
    kind: TaskKind, n_labels: int
) -> None:
    whole = read(kind, n_labels, (5, 5))
    attention, gradient = permuted_baseline(whole)
    torch.testing.assert_close(attention.sort(1).values, whole.explanation.sort(1).values)
    assert not torch.equal(attention, whole.explanation)
    network, batch = whole.model.module, whole.batch
    embeddings, step = whole.model.embed(batch), 1e-5

    def outputs(scale: float, unit: int) -> torch.Tensor:
        scaled = embeddings.clone()
        scaled[:, unit + 1] *= scale  # behind the start marker
        encoder, readout = network.text_encoder.encoder, network.readout  # type: ignore[union-attr]
        values = readout.unit_values(encoder(scaled, batch.inputs.arguments[1])[:, 1:-1])  # type: ignore[attr-defined,operator,union-attr]
        found: torch.Tensor = readout.logits(attention.unsqueeze(1) @ values, None).squeeze(1)  # type: ignore[operator,union-attr]
        return found.sigmoid() if kind is TaskKind.MULTILABEL else found

    for unit in range(5):
        change = (outputs(1 + step, unit) - outputs(1 - step, unit)).abs().sum(-1) / (2 * step)
        assert torch.allclose(gradient[:, unit], change, rtol=1e-4, atol=1e-8)


def test_the_tau_is_scipys_and_every_length_is_shuffled_alike() -> None:
    whole = read(TaskKind.BINARY, 2, (2, 12))
    attention, gradient = permuted_baseline(whole)
    found = Correlation().run(whole)["correlation.attention_gradient.permuted"]
    for i, n in enumerate(whole.lengths.tolist()):
        expected = kendalltau(attention[i, :n].numpy(), gradient[i, :n].numpy()).statistic
        assert found[i] == pytest.approx(expected)


def test_without_the_gradient_there_is_none() -> None:
    whole = read(TaskKind.BINARY, 2, (3, 6))
    columns = Correlation(measures=("leave_one_out",)).run(whole)
    assert "correlation.attention_gradient.permuted" not in columns


def test_a_gradient_that_is_attention_alone_follows_it_anywhere() -> None:
    """Where all units are the same word, nothing but the weights tells their gradients apart."""
    model = tiny_model(encoder=EncoderKind.AVERAGE)
    (example, *_) = tiny_examples(1, lengths=(6, 6))
    same = type(example)("a", " ".join(["w7"] * 6))
    batch = model.collate(model.encode([same]))
    attention, gradient = permuted_baseline(read_batch(model, batch, model.default_site, seed=0))
    torch.testing.assert_close(gradient / gradient.sum(), attention, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("head", [None, 1])
@pytest.mark.parametrize("layer", [0, 1])
def test_several_heads_and_layers_are_replayed(layer: int, head: int | None) -> None:
    model = RowsModel(every_row=True)
    batch, site = model.collate(model.encode(texts(4, 6))), Site(layer, head)
    (reading,) = model.read(batch, [site])
    turned = torch.flip(reading.attention, (-1,)) * reading.admissible
    turned = turned / turned.sum(-1, keepdim=True).clamp_min(1e-12)

    def rule(own: RowWeights) -> NewWeights:
        return NewWeights(turned)

    rules: dict[Site, Rule] = {site: rule}
    found = model.forward(batch, model.embed(batch), hold_attention=True, rules=rules)
    torch.testing.assert_close(found, reading.replay(turned.unsqueeze(1)).squeeze(1))
    attention, gradient = permuted_baseline(read_batch(model, batch, site, seed=0))
    assert np.isfinite(gradient.numpy()).all()
    torch.testing.assert_close(attention.sum(1), torch.ones(2, dtype=torch.float64))
