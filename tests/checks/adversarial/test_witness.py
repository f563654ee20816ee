"""A witness that is kept is the witness that was found, and replays to the same output."""

import numpy as np
import pytest
import torch

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.adversarial.witness import restored
from attn_audit.checks.base import AuditedBatch, output_distances, read_batch
from attn_audit.distances import jensen_shannon_divergence
from attn_audit.models.contract import AuditedModel, Site
from tests.rows import RowsModel, Sight, texts
from tests.tiny import tiny_examples, tiny_model

MODELS = {
    "heads": RowsModel(),
    "rows": RowsModel(every_row=True),
    "rows before": RowsModel(every_row=True, sight=Sight.BEFORE),
}
CHECK = Adversarial(0.05, n_iterations=20)


def read(model: AuditedModel, *lengths: int, site: Site) -> AuditedBatch:
    return read_batch(model, model.collate(model.encode(texts(*lengths))), site, seed=0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("site", [Site(1), Site(1, head=2)])
def test_a_kept_witness_replays_in_another_batch(name: str, site: Site) -> None:
    columns = CHECK.run(read(MODELS[name], 6, 9, 4, site=site))
    for i, n_units in enumerate((6, 9, 4)):
        # In the batch beside a longer text, so that its padding is another.
        other = read_batch(
            MODELS[name],
            MODELS[name].collate(MODELS[name].encode([texts(6, 9, 4)[i], *texts(11)])),
            site,
            seed=0,
        )
        shown = [columns["adversarial.attention"][i], (0.0,)]
        rows = [columns["adversarial.rows"][i], None]
        weights = restored(other, shown, rows)
        with torch.no_grad():
            distance = output_distances(other, weights.nan_to_num().unsqueeze(1))[0, 0]
        assert distance.item() == pytest.approx(columns["adversarial.distance"][i], abs=1e-6)
        explanation = other.explain(weights.unsqueeze(1))[0, 0]
        assert explanation[:n_units].tolist() == pytest.approx(shown[0], abs=1e-6)
        jsd = jensen_shannon_divergence(explanation, other.explanation[0])
        assert jsd.item() == pytest.approx(columns["adversarial.max_jsd"][i], abs=1e-5)
        assert weights[1].isnan().all()


def test_one_row_keeps_its_weights_once() -> None:
    model = tiny_model()
    encoded = model.encode(tiny_examples(5, lengths=(3, 8)))
    columns = CHECK.run(read_batch(model, model.collate(encoded), model.default_site, seed=0))
    assert columns["adversarial.rows"] == [None] * 5


def test_rows_of_a_long_text_are_too_many_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attn_audit.checks.adversarial.witness.MAX_ROW_WEIGHTS", 20)
    columns = CHECK.run(read(MODELS["heads"], 6, 9, site=Site(1)))
    kept, too_many = columns["adversarial.rows"]
    assert np.array(kept).shape == (3, 6)
    assert too_many is None
