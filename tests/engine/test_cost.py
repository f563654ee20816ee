"""The cost of batches is learnt from others, and never has a term that takes time back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.engine.cost import Cost, Shape, fit_cost

SHAPES = [Shape.of([n] * m) for n, m in ((5, 128), (10, 128), (18, 64), (30, 128), (50, 90))]


@pytest.mark.parametrize(
    "cost",
    [
        Cost(0.1, 0.0, 0.0),
        Cost(0.0, 1e-4, 0.0),
        Cost(0.0, 0.0, 1e-6),
        Cost(0.1, 1e-4, 1e-5),
        Cost(0.3, 0.0, 1e-5),
        Cost(0.1, 0.0, 0.0, 1e-2),
        Cost(0.0, 1e-4, 0.0, 1e-2),
    ],
)
def test_a_cost_is_found_again(cost: Cost) -> None:
    found = fit_cost(SHAPES, [cost.seconds(shape) for shape in SHAPES])
    other = Shape.of([40] * 100)
    assert found.seconds(other) == pytest.approx(cost.seconds(other), rel=0.1)


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=5))
def test_no_term_is_negative(seconds: list[float]) -> None:
    found = fit_cost(SHAPES[: len(seconds)], seconds)
    assert min(found.per_batch, found.per_token, found.per_square, found.per_example) >= 0


def test_of_one_batch_time_is_thought_to_grow_with_its_tokens() -> None:
    assert fit_cost(SHAPES[:1], [2.0]).seconds(SHAPES[0] + SHAPES[0]) == pytest.approx(4.0)


@given(st.lists(st.floats(0.95, 1.05), min_size=1, max_size=9))
def test_of_equal_batches_too(noise: list[float]) -> None:
    shape = Shape.of([180] * 8)
    other = Shape.of([180] * 200)
    found = fit_cost([shape] * len(noise), noise)
    assert found.seconds(other) == pytest.approx(25.0, rel=0.06)


def test_padding_counts_as_tokens() -> None:
    assert Shape.of([3, 9, 5]) == Shape(1, 27, 115, 3)


def test_two_batches_alone_do_not_make_two_terms_believed() -> None:
    # A transformer's search, which takes its time by the example: 10.4 s of 32, 16.4 s of 54.
    tried, measured = Shape(1, 992, 25_775, 32), Shape(1, 2808, 64_093, 54)
    found = fit_cost([tried, measured], [10.4, 16.4])
    assert found.seconds(Shape(1, 3942, 49_149, 146)) == pytest.approx(45.4, rel=0.02)
