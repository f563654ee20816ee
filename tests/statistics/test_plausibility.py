"""Agreement with marked units, against brute force over all orders, and scikit-learn."""

from itertools import permutations

import numpy as np
import pytest

from attn_audit.statistics.plausibility import Agreement, agreement, expected_agreement

MARKED = np.array([True, False, False, True, False, True])


def by_hand(order: tuple[int, ...], marked: np.ndarray) -> Agreement:
    """Of an order without ties: the mean precision at the places of marked units."""
    k = int(marked.sum())
    places = [place for place, unit in enumerate(order, start=1) if marked[unit]]
    precision = np.mean([sum(p <= place for p in places) / place for place in places])
    first, of_people = set(order[:k]), set(np.flatnonzero(marked).tolist())
    found = len(first & of_people)
    return Agreement(float(precision), found / k, found / len(first | of_people))


def ranks(order: tuple[int, ...]) -> np.ndarray:
    found = np.empty(len(order), int)
    found[list(order)] = np.arange(len(order))[::-1]
    return found


def test_an_order_without_ties_is_judged_as_by_hand() -> None:
    for order in list(permutations(range(6)))[::7]:
        assert agreement(ranks(order), MARKED) == pytest.approx(by_hand(order, MARKED))


@pytest.mark.parametrize("n_marked", [1, 2, 5])
def test_of_random_orders_it_is_the_mean_over_all(n_marked: int) -> None:
    marked = np.arange(5) < n_marked
    every = [by_hand(order, marked) for order in permutations(range(5))]
    assert expected_agreement(5, n_marked) == pytest.approx(tuple(np.mean(every, axis=0)))


def test_where_the_cut_falls_between_equal_units_it_is_the_mean_over_all_cuts() -> None:
    tied = np.array([2, 1, 1, 1, 0, 1])
    orders = [o for o in permutations(range(6)) if o[0] == 0 and o[5] == 4]
    every = np.mean([by_hand(order, MARKED) for order in orders], axis=0)
    found = agreement(tied, MARKED)
    assert (found.token_f1, found.iou) == pytest.approx(tuple(every[1:]))


def test_all_equal_units_are_cut_at_random() -> None:
    found, expected = agreement(np.zeros(6, int), MARKED), expected_agreement(6, 3)
    assert (found.token_f1, found.iou) == pytest.approx((expected.token_f1, expected.iou))


def test_average_precision_with_ties_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draw = np.random.default_rng(0)
    for _ in range(50):
        scores, marked = draw.integers(0, 4, 9), draw.random(9) < 0.4
        if marked.any():
            wanted = metrics.average_precision_score(marked, scores)
            assert agreement(scores, marked).auprc == pytest.approx(wanted)


def test_average_precision_with_ties_takes_each_score_as_one_threshold() -> None:
    scores, marked = np.array([3, 3, 1, 1, 0]), np.array([True, False, True, True, False])
    assert agreement(scores, marked).auprc == pytest.approx(1 / 3 * 1 / 2 + 2 / 3 * 3 / 4)
