"""A linear readout is found by trying it out, and none where there is none."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.adversarial.gradient import tried_readout
from attn_audit.checks.adversarial.mixtures import try_single_units
from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.models.contract import LinearReadout
from attn_audit.models.task import TaskKind
from tests.tiny import tiny_examples, tiny_model

LINEAR: dict[str, dict[str, Any]] = {
    "one output": {},
    "three classes": {"kind": TaskKind.MULTICLASS, "n_labels": 3},
    "three sigmoids": {"kind": TaskKind.MULTILABEL, "n_labels": 3},
}


def audited(**of_model: Any) -> AuditedBatch:
    model = tiny_model(**of_model)
    examples = tiny_examples(8, lengths=(1, 9), is_pair=of_model.get("is_pair", False))
    return read_batch(model, model.collate(model.encode(examples)), model.default_site, seed=0)


def withheld(whole: AuditedBatch) -> AuditedBatch:
    reading = dataclasses.replace(whole.reading, find_linear_readout=lambda: None)
    return dataclasses.replace(whole, reading=reading)


def tried(whole: AuditedBatch) -> LinearReadout | None:
    return tried_readout(whole, try_single_units(whole))


def warped(whole: AuditedBatch) -> AuditedBatch:
    """As if something that is not linear lay behind the readout."""

    def replay(weights: Tensor, mass: Tensor | None = None) -> Tensor:
        return (2 * whole.reading.replay(weights, mass)).tanh()

    reading = dataclasses.replace(withheld(whole).reading, replay=replay)
    return dataclasses.replace(whole, reading=reading)


@pytest.mark.parametrize("case", LINEAR)
def test_it_gives_what_the_models_own_gives(case: str) -> None:
    whole = audited(**LINEAR[case])
    found, own = tried(withheld(whole)), whole.reading.linear_readout
    assert found is not None
    assert own is not None
    weights = whole.reading.attention[:, 0]
    for readout in (found, own):
        logits = readout.offset + torch.einsum("bu,bul->bl", weights, readout.unit_logits)
        assert torch.allclose(logits, whole.reading.logits, atol=1e-5)


def test_there_is_none_where_logits_do_not_mix() -> None:
    assert tried(warped(audited())) is None


def test_there_is_none_where_labels_are_ruled_out() -> None:
    kind = {"kind": TaskKind.CANDIDATES, "n_labels": 4, "is_pair": True}
    assert tried(withheld(audited(**kind))) is None


def test_several_rows_have_none() -> None:
    whole = audited()
    twice = whole.attention.expand(-1, 2, -1)
    several = dataclasses.replace(whole, attention=twice)
    assert tried_readout(several, try_single_units(whole)) is None


@pytest.mark.parametrize("case", LINEAR)
def test_the_search_finds_as_much_with_it(case: str) -> None:
    whole = audited(**LINEAR[case])
    search = Adversarial(0.01, Method.GRADIENT, n_iterations=60)
    known, tried = (
        search.run(whole)["adversarial.max_jsd"],
        search.run(withheld(whole))["adversarial.max_jsd"],
    )
    for one, other in zip(known, tried, strict=True):
        assert (one is None) == (other is None)
        assert one is None or other == pytest.approx(one, abs=1e-4)
