"""What all checks see of a batch, where it has several heads, query rows and sites."""

import dataclasses

import numpy as np
import pytest
import torch

from attn_audit.checks.base import AuditedBatch, read_batch, read_sites
from attn_audit.measures.base import Computation
from attn_audit.measures.registry import COMPUTATIONS
from attn_audit.models.contract import RowChoice, Site
from tests.brute import Text, explanation
from tests.rows import RowsModel, Sight, texts

MODELS = [
    RowsModel(),
    RowsModel(sight=Sight.NEAR),
    *(RowsModel(every_row=True, sight=sight) for sight in Sight),
]
IDS = ["heads", "heads near", "rows", "rows before", "rows near"]


@pytest.fixture(params=MODELS, ids=IDS)
def model(request: pytest.FixtureRequest) -> RowsModel:
    found: RowsModel = request.param
    return found


def audited(model: RowsModel, site: Site | None = None) -> AuditedBatch:
    batch = model.collate(model.encode(texts(1, 5, 3, 8)))
    return read_batch(model, batch, site or model.default_site, seed=0)


@pytest.mark.parametrize("head", [None, 0, 2])
def test_the_explanation_is_the_mean_of_the_rows_weighted_by_their_mass(
    model: RowsModel, head: int | None
) -> None:
    whole = audited(model, Site(1, head))
    for i, item in enumerate(whole.batch.encoded):
        every = Text(model, [int(unit.text[1:]) for unit in item.units]).weights(1)
        rows = {key: row for key, row in every.items() if head in (None, key[0])}
        mass = np.mean([row.sum() for row in rows.values()])
        assert whole.mass[i].item() == pytest.approx(mass)
        if mass > 0:
            shown = whole.explanation[i, : item.n_units].numpy()
            assert shown == pytest.approx(explanation(rows))
        assert (whole.explanation[i, item.n_units :] == 0).all()


def test_a_row_that_does_not_exist_is_zero_and_counts_for_nothing(model: RowsModel) -> None:
    whole = audited(model)
    missing = ~whole.reading.row_mask
    assert (whole.attention[missing] == 0).all()
    assert (whole.row_share[missing] == 0).all()
    assert not whole.admissible[missing].any()
    assert torch.isfinite(whole.explanation).all()


def test_the_models_own_attention_explains_as_it_does(model: RowsModel) -> None:
    whole = audited(model)
    found = whole.explain(whole.attention.unsqueeze(1)).squeeze(1)
    assert torch.allclose(found, whole.explanation, atol=1e-12)


def test_a_batch_without_mass_has_a_zero_explanation() -> None:
    whole = audited(RowsModel(every_row=True, sight=Sight.BEFORE))
    assert whole.batch.encoded[0].n_units == 1  # its row sees nothing in front of it
    assert (whole.explanation[0] == 0).all()
    assert not whole.has_mass[0]
    assert not whole.can_move[0]


@pytest.mark.parametrize("sight", Sight)
def test_rows_are_unrestricted_where_all_may_attend_to_all(sight: Sight) -> None:
    assert audited(RowsModel(sight=sight)).is_unrestricted is (sight is not Sight.NEAR)
    every_row = audited(RowsModel(every_row=True, sight=sight))
    assert every_row.is_unrestricted is (sight is Sight.EVERYTHING)


SITES = [Site(0, 0), Site(1, 2), Site(1), Site(0, None, RowChoice.ALL)]


def test_all_sites_are_read_in_one_pass_and_share_importance(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, measured = RowsModel(), []

    def measure(*_: object) -> torch.Tensor:
        measured.append(1)
        return torch.zeros(2, 5, dtype=torch.float64)

    monkeypatch.setitem(COMPUTATIONS, "rollout", Computation(measure))
    batch = model.collate(model.encode(texts(5, 4)))
    found = read_sites(model, batch, SITES, seed=0)
    assert model.n_reads == 1
    assert all(torch.equal(a.importances["rollout"], torch.zeros(2, 5).double()) for a in found)
    assert len(measured) == 1
    for site, audited in zip(SITES, found, strict=True):
        alone = read_batch(model, batch, site, seed=0)
        assert torch.equal(audited.explanation, alone.explanation)


def test_replaced_mass_decides_who_has_any() -> None:
    whole = audited(RowsModel())
    empty = dataclasses.replace(whole, mass=torch.full_like(whole.mass, 1e-9))
    assert not empty.has_mass.any()
