"""From weights over keys to attention over units, and back: against plain loops."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from attn_audit.models.interception.attention_point import AttentionPoint, AttentionTrace
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.interception.key_order import KeyOrder
from attn_audit.models.interception.reading import Rows, UnitKeys
from tests.models.interception.zoo import IdsClassifier

N_HEADS, N_UNITS = 2, 3
UNITS = ((NOT_AUDITED, 0, 1, 1, 1, 2, NOT_AUDITED), (0, 0, NOT_AUDITED, 1, 1, 2, 2))
"""Words of one to three tokens, a second text or special tokens between them."""


def rows_of(weights: Tensor, admissible: Tensor | None = None, head: int | None = None) -> Rows:
    """The rows of (batch head query key) weights."""
    units = torch.tensor(UNITS)
    point = AttentionPoint(
        0, "", N_HEADS, KeyOrder(), False, False, False, None, None, None, None, None, None
    )
    n_queries = weights.shape[2]
    queries = torch.arange(n_queries).expand(len(UNITS), -1)
    inputs = ModelInputs((), {}, units, torch.ones_like(units, dtype=torch.bool))
    trace = AttentionTrace(
        IdsClassifier(nn.Identity(), ""),
        point,
        inputs,
        queries,
        torch.ones_like(queries, dtype=torch.bool),
        weights,
        torch.ones_like(weights, dtype=torch.bool) if admissible is None else admissible,
        {},
    )
    return Rows.of(trace, head, N_UNITS)


def random_weights(seed: int, n_queries: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (len(UNITS), N_HEADS, n_queries, len(UNITS[0]))
    return torch.rand(shape, generator=generator).softmax(-1)


def random_attention(seed: int, n_variants: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (len(UNITS), n_variants, 2 * N_HEADS, N_UNITS)
    return torch.rand(shape, generator=generator).square().softmax(-1)


seeds = st.integers(0, 10_000)


@given(seed=seeds)
def test_attention_mass_and_rest_are_sums_over_keys(seed: int) -> None:
    weights = random_weights(seed)
    rows = rows_of(weights)
    for text, units in enumerate(UNITS):
        for row, raw in enumerate(weights[text].flatten(0, 1)):
            totals = [
                sum(w for w, u in zip(raw.tolist(), units, strict=True) if u == unit)
                for unit in range(N_UNITS)
            ]
            assert float(rows.mass[text, row]) == pytest.approx(sum(totals))
            assert float(rows.rest[text, row]) == pytest.approx(1 - sum(totals), abs=1e-6)
            expected = [total / sum(totals) for total in totals]
            assert rows.of_units.attention[text, row].tolist() == pytest.approx(expected, rel=1e-5)


@given(seed=seeds)
def test_own_attention_gives_the_raw_weights_back(seed: int) -> None:
    rows = rows_of(random_weights(seed))
    raw = rows.raw(rows.of_units.attention.unsqueeze(1))
    assert torch.allclose(raw.squeeze(1), rows.weights, atol=1e-6)


@given(seed=seeds)
def test_other_attention_moves_units_and_keeps_the_proportions_inside_them(seed: int) -> None:
    rows, attention = rows_of(random_weights(seed)), random_attention(seed)
    raw = rows.raw(attention)
    for text, units in enumerate(UNITS):
        for key, unit in enumerate(units):
            own = rows.weights[text, :, key]
            if unit == NOT_AUDITED:
                expected = own.expand_as(raw[text, ..., key])
            else:
                of_unit = [k for k, u in enumerate(units) if u == unit]
                share = own / rows.weights[text][:, of_unit].sum(-1)
                expected = attention[text, ..., unit] * rows.mass[text] * share
            assert torch.allclose(raw[text, ..., key], expected, atol=1e-6)


@given(seed=seeds)
def test_rows_under_other_attention_still_sum_to_one(seed: int) -> None:
    raw = rows_of(random_weights(seed)).raw(random_attention(seed))
    assert torch.allclose(raw.sum(-1), torch.ones(raw.shape[:-1]), atol=1e-6)
    assert (raw >= 0).all()


def test_a_unit_without_weight_spreads_what_it_gets_evenly() -> None:
    weights = random_weights(0)
    weights[0, :, :, 2:5] = 0  # the keys of unit 1
    rows = rows_of(weights)
    onto_unit = torch.zeros(len(UNITS), 1, 2 * N_HEADS, N_UNITS)
    onto_unit[..., 1] = 1
    raw = rows.raw(onto_unit)
    thirds = (rows.mass[0] / 3).unsqueeze(-1).expand(-1, 3)
    assert torch.allclose(raw[0, 0, :, 2:5], thirds)


def test_a_key_that_may_not_be_attended_to_gets_nothing() -> None:
    weights, admissible = random_weights(0), torch.ones(2, N_HEADS, 2, 7, dtype=torch.bool)
    weights[0, :, :, 4] = 0
    admissible[0, :, :, 4] = False  # of unit 1, whose other keys are 2 and 3
    rows = rows_of(weights, admissible)
    assert rows.of_units.admissible[0].all()
    assert not rows.raw(random_attention(0))[0, ..., 4].any()


def test_a_unit_none_of_whose_keys_may_be_attended_to_is_not_admissible() -> None:
    weights, admissible = random_weights(0), torch.ones(2, N_HEADS, 2, 7, dtype=torch.bool)
    admissible[0, :, :, 2:5] = False
    assert rows_of(weights, admissible).of_units.admissible[0].tolist() == [[True, False, True]] * 4


def test_a_row_without_weight_on_units_has_no_attention() -> None:
    weights = torch.zeros(len(UNITS), N_HEADS, 2, 7)
    weights[0, ..., 0] = weights[1, ..., 2] = 1  # special tokens
    rows = rows_of(weights)
    assert not rows.of_units.attention.any()
    assert not rows.mass.any()
    assert torch.equal(rows.rest, torch.ones_like(rows.rest))


def test_replaying_one_head_leaves_the_others_their_own() -> None:
    weights, attention = random_weights(0), random_attention(0)[:, :, :2]
    rows = rows_of(weights, head=1)
    replayed = rows.of_all_heads(attention)
    assert torch.equal(replayed[:, :, 0], weights[:, None, 0].expand(-1, 3, -1, -1))
    assert torch.equal(replayed[:, :, 1], rows.raw(attention))


N_OF_TEXT = 4

some_units = st.lists(
    st.lists(st.integers(NOT_AUDITED, N_OF_TEXT - 1), min_size=6, max_size=6),
    min_size=1,
    max_size=3,
)
"""For each text the unit of each of its six positions."""


def inputs_of(units: list[list[int]]) -> ModelInputs:
    of_positions = torch.tensor(units)
    return ModelInputs((), {}, of_positions, torch.ones_like(of_positions, dtype=torch.bool))


@given(units=some_units)
def test_the_weight_of_a_unit_is_the_sum_over_its_keys(units: list[list[int]]) -> None:
    keys = UnitKeys.of(inputs_of(units), KeyOrder(), 6, N_OF_TEXT)
    weights = torch.rand(len(units), 2, 6)
    totals = keys.total(weights)
    for text, of_keys in enumerate(units):
        for unit in range(N_OF_TEXT):
            own = [key for key, of_key in enumerate(of_keys) if of_key == unit]
            assert torch.allclose(totals[text, :, unit], weights[text][:, own].sum(-1))


@given(units=some_units)
def test_a_unit_is_marked_if_any_of_its_keys_is(units: list[list[int]]) -> None:
    keys = UnitKeys.of(inputs_of(units), KeyOrder(), 6, N_OF_TEXT)
    mask = torch.rand(len(units), 2, 6) < 0.5
    marked = keys.any(mask)
    for text, of_keys in enumerate(units):
        for unit in range(N_OF_TEXT):
            own = [key for key, of_key in enumerate(of_keys) if of_key == unit]
            assert torch.equal(marked[text, :, unit], mask[text][:, own].any(-1))


@given(units=some_units)
def test_a_key_gets_the_value_of_its_unit(units: list[list[int]]) -> None:
    keys = UnitKeys.of(inputs_of(units), KeyOrder(), 6, N_OF_TEXT)
    values = torch.rand(len(units), 3, 2, N_OF_TEXT)
    spread = keys.of_keys(values)
    for text, of_keys in enumerate(units):
        for key, unit in enumerate(of_keys):
            if unit != NOT_AUDITED:
                assert torch.equal(spread[text, ..., key], values[text, ..., unit])


def test_keys_may_begin_at_a_later_position() -> None:
    keys = UnitKeys.of(
        inputs_of([[NOT_AUDITED, 0, 1, 2, 2, NOT_AUDITED]]), KeyOrder(-1), 4, N_OF_TEXT
    )
    assert keys.total(torch.tensor([[[1.0, 2, 3, 4]]])).tolist() == [[[1, 2, 7, 0]]]


def test_a_key_behind_the_last_position_is_no_unit() -> None:
    keys = UnitKeys.of(inputs_of([[0, 1, 2]]), KeyOrder(), 4, N_OF_TEXT)
    assert keys.is_audited.tolist() == [[True, True, True, False]]
    assert keys.total(torch.tensor([[[1.0, 2, 3, 100]]])).tolist() == [[[1, 2, 3, 0]]]
