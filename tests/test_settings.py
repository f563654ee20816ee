"""One table of settings: what is made from it fits what else there is."""

import json

import pytest

from attn_audit.config import validate
from attn_audit.formats.registry import FORMATS
from attn_audit.results.report import Settings
from attn_audit.settings import KEYS, SETTINGS, AuditSettings, default_in_words, names_where


def test_what_a_report_stores_is_a_setting_or_the_names_of_fields() -> None:
    stored = {*names_where(is_stored=True), *names_where(names_code=True), "head", "device"}
    assert stored | {"fields"} == set(Settings.model_fields)


def test_what_is_compared_is_stored() -> None:
    compared = {*names_where(compared="refused"), *names_where(compared="noted")}
    assert compared <= set(Settings.model_fields)


@pytest.mark.parametrize("name", KEYS)
def test_every_setting_says_what_it_is_for_or_what_holds_without_it(name: str) -> None:
    assert SETTINGS[name].help or default_in_words(name)


def test_the_help_of_outputs_names_every_format() -> None:
    assert all(suffix in SETTINGS["output"].help for suffix in FORMATS)


def test_what_was_checked_is_what_the_table_says() -> None:
    assert validate({}, {}, None) == AuditSettings()
    every = {"checks": ["permutation"], "label_map": {"a": "b"}, "limit": 3, "epsilon": 0.5}
    found = validate(every, {}, None)
    assert (found.checks, found.limit, found.epsilon) == (("permutation",), 3, 0.5)
    assert json.dumps(dict(found.label_map)) == '{"a": "b"}'
