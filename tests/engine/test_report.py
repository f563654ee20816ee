"""What a report keeps: some examples at random, and units that decide without attention."""

from functools import cache
from math import nan
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from attn_audit.engine.report import (
    N_SAMPLED,
    FirstRecords,
    SampledExamples,
    _deciders,
)
from attn_audit.findings.example import ATTENTION, UNITS
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.results.table import Examples, Row
from tests.records import table


def record(id_: str, n_units: int = 2) -> Row:
    weights = tuple(1 / 3 for _ in range(n_units))
    units = ("a",) * n_units
    weighed = {"attention": weights, "gradient": weights}
    return {"id": id_, "n_units": n_units, "units": units, **weighed}


def sample(records: pa.Table, size_of_offer: int = 100, seed: int = 0) -> list[str]:
    sampled = SampledExamples(seed)
    for start in range(0, len(records), size_of_offer):
        sampled.offer(records.slice(start, size_of_offer))
    return [record["id"] for record in sampled.chosen()]


EVERY = table([record(str(i)) for i in range(2 * N_SAMPLED)])


def test_those_of_the_lowest_keys_are_kept_and_none_without_a_key() -> None:
    first = FirstRecords(3)
    for ids, keys in (("ab", (3.0, nan)), ("cd", (1.0, 2.0)), ("ef", (nan, nan)), ("g", (1.0,))):
        first.offer(table([record(id_) for id_ in ids]), np.array(keys))
    assert [row["id"] for row in first.rows()] == ["c", "g", "d"]


@cache
def sampled_at_once() -> list[str]:
    return sample(EVERY, len(EVERY))


@settings(max_examples=5)
@given(order=st.permutations(range(len(EVERY))), size_of_offer=st.integers(10, 100))
def test_is_the_same_in_whatever_order_and_shards_the_examples_come(
    order: list[int], size_of_offer: int
) -> None:
    assert len(sampled_at_once()) == N_SAMPLED
    assert sample(EVERY.take(order), size_of_offer) == sampled_at_once()


def test_another_seed_draws_others() -> None:
    assert set(sample(EVERY, seed=0)) != set(sample(EVERY, seed=1))


def test_every_example_has_the_same_chance() -> None:
    first_half = {str(i) for i in range(N_SAMPLED)}
    drawn = [len(first_half & set(sample(EVERY, seed=seed))) for seed in range(40)]
    assert abs(sum(drawn) / len(drawn) / N_SAMPLED - 0.5) < 0.03  # 5 standard errors: 0.023


def test_keeps_all_of_a_few() -> None:
    assert sorted(sample(table([record("a"), record("b")]))) == ["a", "b"]


def test_is_bounded_in_units_as_well() -> None:
    every = table([record(str(i), 500) for i in range(60)])
    assert len(sample(every)) == 12


def test_leaves_out_texts_that_are_too_long_to_look_at() -> None:
    assert sample(table([record("long", 501), record("short", 500)])) == ["short"]


def test_rounds_weights_and_nothing_else() -> None:
    sampled = SampledExamples(0)
    sampled.offer(table([record("a")]))
    (found,) = sampled.chosen()
    assert found[ATTENTION.name] == [0.333333, 0.333333]
    assert found[LEAVE_ONE_OUT.name] is None
    assert found[UNITS.name] == ["a", "a"]


def deciding(counts: dict[str, int]) -> list[tuple[str, int]]:
    examples = Mock(spec=Examples)
    examples.counts.return_value = counts
    return [(found.unit, found.n) for found in _deciders(examples)]


def test_the_twenty_most_frequent_units_are_kept() -> None:
    counts = {f"w{i}": 30 - i for i in range(25)}
    assert deciding(counts) == [(f"w{i}", 30 - i) for i in range(20)]


def test_upper_and_lower_case_are_one_unit() -> None:
    assert deciding({"Not": 2, "bad": 3, "not": 2}) == [("not", 4), ("bad", 3)]
