from hypothesis import given, settings
from hypothesis import strategies as st

from attn_audit.engine.highlights import N_SAMPLED, SampledExamples
from attn_audit.findings.example import ATTENTION, UNITS
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.results.table import Row
from tests.records import table


def record(id_: str, n_units: int = 2) -> Row:
    weights = tuple(1 / 3 for _ in range(n_units))
    units = ("a",) * n_units
    weighed = {"attention": weights, "gradient": weights}
    return {"id": id_, "n_units": n_units, "units": units, **weighed}


def sample(records: list[Row], size_of_offer: int = 100, seed: int = 0) -> list[str]:
    sampled = SampledExamples(seed)
    for start in range(0, len(records), size_of_offer):
        sampled.offer(table(records[start : start + size_of_offer]))
    return [record["id"] for record in sampled.chosen()]


@settings(max_examples=10)
@given(order=st.permutations(range(300)), size_of_offer=st.integers(1, 300))
def test_is_the_same_in_whatever_order_and_shards_the_examples_come(
    order: list[int], size_of_offer: int
) -> None:
    every = [record(str(i)) for i in range(300)]
    assert len(sample(every)) == 150
    assert sample([every[i] for i in order], size_of_offer) == sample(every)


def test_another_seed_draws_others() -> None:
    every = [record(str(i)) for i in range(1000)]
    assert set(sample(every, seed=0)) != set(sample(every, seed=1))


def test_every_example_has_the_same_chance() -> None:
    every = [record(str(i)) for i in range(2 * N_SAMPLED)]
    first_half = {str(i) for i in range(N_SAMPLED)}
    drawn = [len(first_half & set(sample(every, seed=seed))) for seed in range(40)]
    assert abs(sum(drawn) / len(drawn) / N_SAMPLED - 0.5) < 0.03  # 5 standard errors: 0.023


def test_keeps_all_of_a_few() -> None:
    assert sorted(sample([record("a"), record("b")])) == ["a", "b"]


def test_is_bounded_in_units_as_well() -> None:
    every = [record(str(i), 500) for i in range(60)]
    assert len(sample(every)) == 12


def test_leaves_out_texts_that_are_too_long_to_look_at() -> None:
    assert sample([record("long", 501), record("short", 500)]) == ["short"]


def test_rounds_weights_and_nothing_else() -> None:
    sampled = SampledExamples(0)
    sampled.offer(table([record("a")]))
    (found,) = sampled.chosen()
    assert found[ATTENTION.name] == [0.333333, 0.333333]
    assert found[LEAVE_ONE_OUT.name] is None
    assert found[UNITS.name] == ["a", "a"]
