"""Sums over the keys of units, against plain loops."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.interception.key_order import KeyOrder
from attn_audit.models.interception.rows import UnitKeys

N_UNITS = 4

some_units = st.lists(
    st.lists(st.integers(NOT_AUDITED, N_UNITS - 1), min_size=6, max_size=6), min_size=1, max_size=3
)
"""For each text the unit of each of its six positions."""


def inputs_of(units: list[list[int]]) -> ModelInputs:
    of_positions = torch.tensor(units)
    return ModelInputs((), {}, of_positions, torch.ones_like(of_positions, dtype=torch.bool))


@given(units=some_units)
def test_the_weight_of_a_unit_is_the_sum_over_its_keys(units: list[list[int]]) -> None:
    keys = UnitKeys.of(inputs_of(units), KeyOrder(), 6, N_UNITS)
    weights = torch.rand(len(units), 2, 6)
    totals = keys.total(weights)
    for text, of_keys in enumerate(units):
        for unit in range(N_UNITS):
            own = [key for key, of_key in enumerate(of_keys) if of_key == unit]
            assert torch.allclose(totals[text, :, unit], weights[text][:, own].sum(-1))


@given(units=some_units)
def test_a_unit_is_marked_if_any_of_its_keys_is(units: list[list[int]]) -> None:
    keys = UnitKeys.of(inputs_of(units), KeyOrder(), 6, N_UNITS)
    mask = torch.rand(len(units), 2, 6) < 0.5
    marked = keys.any(mask)
    for text, of_keys in enumerate(units):
        for unit in range(N_UNITS):
            own = [key for key, of_key in enumerate(of_keys) if of_key == unit]
            assert torch.equal(marked[text, :, unit], mask[text][:, own].any(-1))


@given(units=some_units)
def test_a_key_gets_the_value_of_its_unit(units: list[list[int]]) -> None:
    keys = UnitKeys.of(inputs_of(units), KeyOrder(), 6, N_UNITS)
    values = torch.rand(len(units), 3, 2, N_UNITS)
    spread = keys.of_keys(values)
    for text, of_keys in enumerate(units):
        for key, unit in enumerate(of_keys):
            if unit != NOT_AUDITED:
                assert torch.equal(spread[text, ..., key], values[text, ..., unit])


def test_keys_may_begin_at_a_later_position() -> None:
    keys = UnitKeys.of(
        inputs_of([[NOT_AUDITED, 0, 1, 2, 2, NOT_AUDITED]]), KeyOrder(-1), 4, N_UNITS
    )
    assert keys.total(torch.tensor([[[1.0, 2, 3, 4]]])).tolist() == [[[1, 2, 7, 0]]]


def test_a_key_behind_the_last_position_is_no_unit() -> None:
    keys = UnitKeys.of(inputs_of([[0, 1, 2]]), KeyOrder(), 4, N_UNITS)
    assert keys.is_audited.tolist() == [[True, True, True, False]]
    assert keys.total(torch.tensor([[[1.0, 2, 3, 100]]])).tolist() == [[[1, 2, 3, 0]]]
