"""Which layers and heads are audited."""

from dataclasses import replace
from typing import Any

import pytest

from attn_audit.checks.erasure import Erasure
from attn_audit.checks.registry import make_checks, select_sites
from attn_audit.checks.replacement import Replacement
from attn_audit.config import validate
from attn_audit.errors import ConfigurationError
from attn_audit.findings import registry
from attn_audit.measures.registry import COMPUTATIONS
from attn_audit.models.contract import AttentionLayer, RowChoice, Site
from attn_audit.settings import AuditSettings
from tests.rows import RowsModel

MODEL = RowsModel(n_layers=3, n_heads=2)
MODEL.default_site = Site(1)


def select(**settings: Any) -> tuple[Site, ...]:
    return select_sites(AuditSettings(**settings), MODEL)


@pytest.mark.parametrize(
    ("settings", "site"),
    [
        ({}, Site(1)),
        ({"layer": 2}, Site(2)),
        ({"head": 1}, Site(1, head=1)),
        ({"layer": 0, "head": 0, "rows": "all"}, Site(0, 0, RowChoice.ALL)),
    ],
)
def test_one_site_is_audited_by_itself(settings: dict[str, Any], site: Site) -> None:
    assert select(**settings) == (site,)


@pytest.mark.parametrize(
    ("settings", "main", "others"),
    [
        ({"layer": "all"}, Site(1), [Site(0), Site(1), Site(2)]),
        ({"head": "all"}, Site(1), [Site(1, 0), Site(1, 1)]),
        ({"layer": 2, "head": "all"}, Site(2), [Site(2, 0), Site(2, 1)]),
        ({"layer": "all", "head": 1}, Site(1, 1), [Site(0, 1), Site(1, 1), Site(2, 1)]),
        (
            {"layer": "all", "head": "all"},
            Site(1),
            [Site(layer, head) for layer in range(3) for head in range(2)],
        ),
    ],
)
def test_all_are_shown_beside_the_audited_site(
    settings: dict[str, Any], main: Site, others: list[Site]
) -> None:
    assert select(**settings) == (main, *others)


def test_rows_are_those_of_every_site() -> None:
    assert {site.rows for site in select(layer="all", rows="all")} == {RowChoice.ALL}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layer": 3}, "--layer 3: the model has 3 layers, 0 to 2"),
        ({"head": 2}, "--head 2: layer 1 of the model has 2 heads, 0 to 1"),
        ({"layer": "all", "head": 7}, "--head 7: layer 0 of the model has 2 heads, 0 to 1"),
    ],
)
def test_what_the_model_has_not_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        select(**settings)
    assert error.value.message == message


@pytest.mark.parametrize(("named", "layers"), [("all", (0, 1, 2)), ("1-2", (1, 2)), ("0-0", (0,))])
def test_layers_are_replaced_as_named(named: str, layers: tuple[int, ...]) -> None:
    settings = AuditSettings(checks=("replacement",), replace_layers=named)
    assert make_checks(settings, RowsModel(n_layers=3)) == (Replacement(layers),)


@pytest.mark.parametrize("named", ["0-3", "2-1"])
def test_layers_to_replace_that_are_not_there_are_refused(named: str) -> None:
    settings = AuditSettings(checks=("replacement",), replace_layers=named)
    with pytest.raises(ConfigurationError) as error:
        make_checks(settings, RowsModel(n_layers=3))
    expected = f"--replace-layers {named}: the model has 3 layers, 0 to 2"
    assert error.value.message == expected


def test_replacement_is_run_only_where_it_is_asked_for() -> None:
    assert "replacement" not in validate({}, {}, None).checks
    assert validate({"checks": "replacement"}, {}, None).checks == ("replacement",)


def test_layers_may_differ_in_their_heads() -> None:
    model = RowsModel(n_layers=2)
    model.layers = (AttentionLayer("small", 1), AttentionLayer("large", 3))
    settings = AuditSettings(layer="all", head=2)
    with pytest.raises(ConfigurationError, match="layer 0 of the model has 1 head, 0"):
        select_sites(settings, model)


def test_all_stands_for_every_check_there_is() -> None:
    every = tuple(found.check for found in registry.checks())
    assert validate({"checks": "all"}, {}, None).checks == every
    assert {"replacement", "erasure"} <= set(every)


def test_erasure_judges_every_measure_that_the_model_has_scores_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = RowsModel()
    (check,) = make_checks(AuditSettings(checks=("erasure",)), model)
    assert isinstance(check, Erasure)
    assert "leave_one_out" in check.measures
    assert "gradient" not in check.measures  # the paper's, with attention held
    without = replace(COMPUTATIONS["leave_one_out"], why_not=lambda model: "it has one unit")
    monkeypatch.setitem(COMPUTATIONS, "leave_one_out", without)
    (check,) = make_checks(AuditSettings(checks=("erasure",)), model)
    assert isinstance(check, Erasure)
    assert "leave_one_out" not in check.measures
    asked = AuditSettings(checks=("erasure",), measures=("leave_one_out",))
    with pytest.raises(ConfigurationError, match="does not apply to this model: it has one unit"):
        make_checks(asked, model)
