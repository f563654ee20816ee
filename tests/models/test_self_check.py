"""The self-check passes models that are sound, and names what is wrong with others."""

import dataclasses
import time
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

import attn_audit
from attn_audit.errors import InvalidOutputError, SelfCheckError
from attn_audit.models.contract import AuditedModel, Reading, Site
from attn_audit.models.self_check import TOLERANCES, self_check
from attn_audit.models.task import TaskKind
from tests.rows import RowsModel, Sight, WordBatch, texts
from tests.tiny import KINDS, tiny_examples, tiny_model

NAMES = [
    "evaluation mode",
    "two passes agree",
    "padding changes nothing",
    "rows sum to 1",
    "own attention reproduces the output",
]


def failures(model: AuditedModel, site: Site | None = None) -> str:
    with pytest.raises(SelfCheckError) as error:
        self_check(model, model.encode(texts(3, 9, 6, 2)), site or model.default_site)
    assert error.value.exit_code == 3
    return f"{error.value.message}\n{error.value.hint}"


@pytest.mark.parametrize(("encoder", "attention", "is_pair"), KINDS)
def test_the_papers_models_pass(encoder: object, attention: object, is_pair: bool) -> None:
    kind = TaskKind.CANDIDATES if is_pair else TaskKind.BINARY
    model = tiny_model(encoder, attention, is_pair=is_pair, kind=kind)  # type: ignore[arg-type]
    examples = tiny_examples(8, is_pair=is_pair)
    found = self_check(model, model.encode(examples), model.default_site)
    assert [check.name for check in found] == NAMES
    assert all(check.passed for check in found)


@pytest.mark.parametrize("site", [Site(1), Site(0, head=2)], ids=str)
@pytest.mark.parametrize("sight", Sight)
@pytest.mark.parametrize("every_row", [False, True])
def test_models_of_several_rows_pass(every_row: bool, sight: Sight, site: Site) -> None:
    model = RowsModel(every_row=every_row, sight=sight)
    assert all(check.passed for check in self_check(model, model.encode(texts(3, 9, 1, 2)), site))


def test_an_answer_that_is_not_allowed_is_no_deviation() -> None:
    model = tiny_model(kind=TaskKind.CANDIDATES, n_labels=3)
    examples = [
        dataclasses.replace(example, candidates=("label0", "label2"))
        for example in tiny_examples(4)
    ]
    found = self_check(model, model.encode(examples), model.default_site)
    assert all(check.passed for check in found)


# --- broken on purpose --------------------------------------------------------------------------


def test_a_module_left_in_training_mode_is_found() -> None:
    model = RowsModel()
    model.network.dropout.train()
    found = failures(model)
    assert "evaluation mode (found 1, allowed 0)" in found
    assert "Call eval()" in found
    assert NAMES[1] not in found


class Dropping(RowsModel):
    """Its dropout ignores evaluation mode."""

    def readout(self, gathered: Tensor) -> Tensor:
        return super().readout(F.dropout(gathered, 0.5, training=True))


def test_dropout_that_ignores_evaluation_mode_is_found() -> None:
    torch.manual_seed(0)
    found = failures(Dropping())
    assert "two passes agree" in found
    assert "evaluation mode (" not in found
    assert "Its output is random" in found


class Careless(RowsModel):
    """Its attention ignores what is padding, and it never says so."""

    def collate(self, encoded: Sequence) -> WordBatch:  # type: ignore[type-arg]
        batch = super().collate(encoded)
        return dataclasses.replace(batch, unit_mask=torch.ones_like(batch.unit_mask))


def test_attention_that_ignores_padding_is_found() -> None:
    found = failures(Careless())
    assert "padding changes nothing" in found
    assert "attention mask" in found
    assert "two passes agree" not in found


class LyingModel(RowsModel):
    """What it gives as its attention is another layer's."""

    def read_site(
        self, site: Site, batch: WordBatch, states: Tensor, parts: list[Tensor]
    ) -> Reading:
        own = super().read_site(site, batch, states, parts)
        other = super().read_site(Site(0, site.head), batch, states, parts)
        return dataclasses.replace(own, attention=other.attention)


def test_a_replay_of_other_attention_is_found() -> None:
    found = failures(LyingModel())
    assert found.startswith("the self-check failed, and nothing was measured: own attention")
    assert "choose another layer" in found


class Scores(RowsModel):
    """It gives twice its weights, as a model that returns unnormalised ones would."""

    def read_site(
        self, site: Site, batch: WordBatch, states: Tensor, parts: list[Tensor]
    ) -> Reading:
        own = super().read_site(site, batch, states, parts)
        return dataclasses.replace(own, mass=2 * own.mass)


def test_rows_that_do_not_sum_to_one_are_found() -> None:
    found = failures(Scores())
    assert "rows sum to 1" in found
    assert "no distribution" in found


def test_all_that_failed_is_named() -> None:
    torch.manual_seed(0)
    model = Dropping()
    model.module.train()
    found = failures(model)
    assert all(name in found for name in (NAMES[0], NAMES[1], NAMES[4]))


def test_no_number_is_no_output() -> None:
    model = RowsModel()
    model.network.output.fill_(float("nan"))
    with pytest.raises(InvalidOutputError, match="text-"):
        self_check(model, model.encode(texts(3, 4)), model.default_site)


# --- tolerances, cost, and the audit ------------------------------------------------------------


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_tolerances_follow_the_coarsest_of_the_parameters(dtype: torch.dtype) -> None:
    model = RowsModel()
    found = self_check(model, model.encode(texts(3, 4)), model.default_site)
    assert found[2].tolerance == 1e-6
    model.network.dropout.register_parameter(
        "scale", torch.nn.Parameter(torch.ones(1, dtype=dtype), requires_grad=False)
    )
    found = self_check(model, model.encode(texts(3, 4)), model.default_site)
    assert found[2].tolerance == TOLERANCES[dtype]
    assert found[0].tolerance == found[1].tolerance == 0


def test_examples_of_all_lengths_are_tried() -> None:
    seen: list[int] = []

    class Watched(RowsModel):
        def collate(self, encoded: Sequence) -> WordBatch:  # type: ignore[type-arg]
            seen.extend(item.n_units for item in encoded)
            return super().collate(encoded)

    model = Watched()
    self_check(model, model.encode(texts(5, 9, 2, 7, 3, 4, 6, 8)), model.default_site)
    assert seen[:4] == [2, 4, 7, 9]


def test_one_example_is_enough_and_none_is_nothing() -> None:
    model = RowsModel()
    assert len(self_check(model, model.encode(texts(5)), model.default_site)) == len(NAMES)
    assert self_check(model, [], model.default_site) == ()


def test_takes_a_fraction_of_a_second() -> None:
    model = tiny_model()
    encoded = model.encode(tiny_examples(8))
    self_check(model, encoded, model.default_site)
    start = time.process_time()
    self_check(model, encoded, model.default_site)
    assert time.process_time() - start < 0.5


def test_an_audit_reports_what_was_checked() -> None:
    report = attn_audit.audit(RowsModel(), texts(5, 6, 7), checks=["permutation"])
    assert [check.name for check in report.self_checks] == NAMES
    assert all(check.passed for check in report.self_checks)


def test_an_audit_of_a_broken_model_stops_before_it_starts() -> None:
    with pytest.raises(SelfCheckError):
        attn_audit.audit(LyingModel(), texts(5, 6, 7))
