"""What is found at the audited site, and at those beside it."""

import dataclasses
import math

import pytest

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import AuditedBatch, Columns
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.engine import in_process
from attn_audit.engine.batch import Found, Plan, audit_batch
from attn_audit.engine.in_process import LocalEngine, cut
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import InvalidOutputError
from attn_audit.findings.example import HEAD, LAYER, READOUT_UNIT
from attn_audit.findings.permutation import REACH_DISTANCE_FIELD, REACH_FIELD, REACH_TURNS_FIELD
from attn_audit.findings.registry import site_fields
from attn_audit.models.contract import Site
from attn_audit.progress import Watcher
from tests.rows import RowsModel, texts

SITES = (Site(1), Site(0), Site(1), Site(0, 2), Site(1, 0))
PLAN = Plan((Correlation(), Permutation(0.05, 9), Adversarial(0.05, n_iterations=20)), SITES, 0)


REACH = {REACH_DISTANCE_FIELD, REACH_FIELD, REACH_TURNS_FIELD}
"""What is not measured at single heads."""


def audit(plan: Plan, *lengths: int) -> Found:
    model = RowsModel()
    return audit_batch(model, model.encode(texts(*lengths)), plan, Stopwatch())


def test_a_site_is_found_as_if_it_were_audited_alone() -> None:
    """Its adversary and permutations change that site only, whatever else is asked for."""
    together = audit(PLAN, 6, 9)
    assert together.sites is not None
    for i, site in enumerate(SITES[1:]):
        alone = audit(dataclasses.replace(PLAN, sites=(site,)), 6, 9)
        of_site = together.sites.to_pylist()[i :: len(SITES) - 1]
        for found, expected in zip(of_site, alone.records.to_pylist(), strict=True):
            assert (found[LAYER.name], found[HEAD.name]) == (site.layer, site.head)
            left_out = REACH if site.head is not None else set()
            for field in set(site_fields()) - {LAYER, HEAD} - left_out:
                assert found[field.name] == expected[field.name], field.name


def test_the_audited_site_is_the_first() -> None:
    together = audit(PLAN, 7)
    alone = audit(dataclasses.replace(PLAN, sites=SITES[:1]), 7)
    assert together.records == alone.records
    assert alone.sites is None


def test_all_sites_are_read_in_one_pass() -> None:
    model = RowsModel()
    audit_batch(model, model.encode(texts(6, 9)), PLAN, Stopwatch())
    assert model.n_reads == 1


def test_the_readout_unit_is_recorded() -> None:
    model = RowsModel()
    first, second = model.encode(texts(6, 9))
    encoded = [first, dataclasses.replace(second, readout_unit=8)]
    found = audit_batch(model, encoded, PLAN, Stopwatch())
    assert found.records[READOUT_UNIT.name].to_pylist() == [None, 8]


def test_many_sites_make_small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_process, "MAX_SITE_RECORDS", 2 * len(SITES))
    plan = dataclasses.replace(PLAN, checks=())
    engine = LocalEngine(RowsModel(), plan, Stopwatch(), Watcher())
    shards = list(engine.audit(cut(texts(5, 6, 7, 8, 4), plan)))
    ids = [shard.records["id"].to_pylist() for shard in shards]
    assert ids == [["text-0", "text-1"], ["text-2", "text-3"], ["text-4"]]


class Overflowing(Permutation):
    """A check that finds no number for the second example."""

    def run(self, audited: AuditedBatch) -> Columns:
        """Args: audited: Any batch."""
        return super().run(audited) | {"permutation.uniform.distance": [0.5, math.nan]}


def test_what_a_check_finds_must_be_numbers() -> None:
    plan = dataclasses.replace(PLAN, checks=(Overflowing(0.05, 9),))
    with pytest.raises(InvalidOutputError, match="output under other attention is not finite"):
        audit(plan, 6, 9)
