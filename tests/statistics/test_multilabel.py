import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attn_audit.statistics.multilabel import macro_f1, micro_f1

INDICATORS = arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 12), st.integers(1, 4)))


def f1_by_definition(gold: list[bool], predicted: list[bool]) -> float | None:
    both = list(zip(gold, predicted, strict=True))
    hits, false_alarms, misses = (
        both.count(kind) for kind in ((True, True), (False, True), (True, False))
    )
    if hits + false_alarms + misses == 0:
        return None
    return hits / (hits + (false_alarms + misses) / 2)


@given(INDICATORS)
def test_micro_f1_is_that_of_all_decisions_together(sides: np.ndarray) -> None:
    gold, predicted = sides
    expected = f1_by_definition(gold.ravel().tolist(), predicted.ravel().tolist())
    assert micro_f1(gold, predicted) == pytest.approx(expected)


@given(INDICATORS)
def test_macro_f1_is_the_mean_over_labels(sides: np.ndarray) -> None:
    gold, predicted = sides
    by_label = [
        f1_by_definition(truth.tolist(), claim.tolist())
        for truth, claim in zip(gold.T, predicted.T, strict=True)
    ]
    defined = [f1 for f1 in by_label if f1 is not None]
    expected = sum(defined) / len(defined) if defined else None
    assert macro_f1(gold, predicted) == pytest.approx(expected)


@given(INDICATORS)
def test_the_three_agree_on_perfection(sides: np.ndarray) -> None:
    gold = sides[0]
    perfect = 1.0 if gold.any() else None
    assert micro_f1(gold, gold) == macro_f1(gold, gold) == perfect


def test_without_examples_nothing_is_known() -> None:
    none = np.zeros((0, 3), dtype=bool)
    assert micro_f1(none, none) is None
    assert macro_f1(none, none) is None
