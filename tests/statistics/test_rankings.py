"""Limits, expectations, bins, concordance, agreement: by all orders, and as others computed."""

import gzip
import json
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_audit.statistics.rankings import (
    Agreement,
    agreement,
    bin_sizes,
    curve_sizes,
    descending,
    expected_agreement,
    expected_gain,
    first_of,
    highest_by_beam,
    limits_of,
    share_above,
    subset_sizes,
    weighted_concordance,
)

TOLERANCE = 1e-6


def read(file: Path) -> Any:
    with gzip.open(file) as opened:
        return json.load(opened)


def aopc(gains: np.ndarray, order: list[int]) -> float:
    return float(np.mean(gains[first_of(order, curve_sizes(len(order)))]))


def best_first(scores: list[float]) -> list[int]:
    return [int(i) for i in np.argsort(-np.array(scores), kind="stable")]


def drawn(n_units: int, seed: int, shift: float = 0.0) -> np.ndarray:
    gains: np.ndarray = np.random.default_rng(seed).normal(shift, 1, 2**n_units)
    gains[0] = 0
    return gains


def by_beam(gains: np.ndarray, width: int) -> float:
    search, sent = highest_by_beam(len(gains).bit_length() - 1, width), None
    try:
        while True:
            asked = search.send(sent)  # type: ignore[arg-type]
            sent = gains[asked].tolist()
    except StopIteration as stopped:
        return float(stopped.value)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_units", [1, 2, 5])
@pytest.mark.parametrize("shift", [0.0, -5.0])
def test_limits_and_expectation_are_those_of_all_orders(
    n_units: int, seed: int, shift: float
) -> None:
    gains = drawn(n_units, seed, shift)
    of_all = [aopc(gains, list(order)) for order in permutations(range(n_units))]
    found = limits_of(gains)
    assert found.upper == pytest.approx(max(of_all))
    assert found.lower == pytest.approx(min(of_all))
    assert expected_gain(gains, curve_sizes(n_units)) == pytest.approx(np.mean(of_all))


def test_a_beam_is_exact_where_it_keeps_everything_and_never_above_the_limit() -> None:
    for seed in range(5):
        gains = drawn(6, seed, -1.0)
        upper = limits_of(gains).upper
        assert by_beam(gains, 2**6) == pytest.approx(upper)
        assert max(by_beam(gains, width) for width in (1, 2, 5)) <= upper + 1e-12


def test_a_beam_asks_for_no_subset_twice_and_for_few_of_them() -> None:
    search, asked = highest_by_beam(8, 5), list[int]()
    subsets = next(search)
    while subsets:
        asked += subsets
        try:
            subsets = search.send([float(-subset) for subset in subsets])
        except StopIteration:
            break
    assert len(asked) == len(set(asked)) <= 8 + 5 * sum(range(1, 8))


def test_curves_of_long_texts_are_evenly_spaced_and_end_with_every_unit() -> None:
    for n_units in (31, 45, 400):
        sizes = np.array(curve_sizes(n_units))
        assert (len(sizes), sizes[-1]) == (30, n_units)
        assert sizes[0] >= 1
        assert np.ptp(np.diff(sizes)) <= 1
    assert curve_sizes(30) == list(range(1, 31))


def test_bins_are_rounded_up_in_integers() -> None:
    for n_units in range(1, 300):
        exact = [-(-percent * n_units // 100) for percent in (1, 5, 10, 20, 50)]
        assert bin_sizes(n_units) == [max(1, size) for size in exact]
    assert bin_sizes(20) == [1, 1, 2, 4, 10]  # .05 * 20 is above 1 in floating-point numbers


def test_subsets_are_counted_by_bitset() -> None:
    assert subset_sizes(5).tolist() == [subset.bit_count() for subset in range(32)]
    chosen = [sum(1 << i for i in units) for units in combinations(range(5), 2)]
    assert set(np.flatnonzero(subset_sizes(5) == 2)) == set(chosen)


def test_equal_values_are_half_above() -> None:
    assert share_above(1.0, np.full(20, 1.0), 1e-9) == 0.5
    assert share_above(2.0, np.full(20, 1.0), 1e-9) == 1.0
    assert share_above(0.0, np.array([-1.0, 1.0]), 1e-9) == 0.5


def test_ties_are_drawn_and_ranks_are_kept() -> None:
    draws = np.random.default_rng(0).integers(2**63, size=(5, 6), dtype=np.uint64)
    ranks = np.array([0, 1, 1, 2, 0, 1])
    orders = descending(ranks, draws)
    assert orders.shape == (5, 6)
    assert (np.diff(ranks[orders], axis=1) <= 0).all()
    assert len({tuple(order) for order in orders.tolist()}) > 1
    assert len(descending(np.arange(6), draws)) == 1


def test_scores_that_are_all_equal_have_no_concordance() -> None:
    assert weighted_concordance(np.ones(3), np.arange(3.0)) is None
    assert weighted_concordance(np.array([2.0, 1.0]), np.array([0.3, 0.3])) == 1.0


@pytest.mark.parametrize("number", range(33))
def test_naopc_of_all_subsets(shared: Path, number: int) -> None:
    text = read(shared / "reference" / "naopc" / "subsets.json.gz")[number]
    p = np.array(text["p_of_class_1_by_masked_words_bitset"])
    gains = p[0] - p
    found = limits_of(gains)
    assert found.upper == pytest.approx(text["upper"], abs=TOLERANCE)
    assert found.lower == pytest.approx(text["lower"], abs=TOLERANCE)
    for name in ("repo_upper", "repo_lower"):
        if text.get(name) is not None:
            limit = found.upper if name == "repo_upper" else found.lower
            assert limit == pytest.approx(text[name], abs=TOLERANCE)
    for explanation in text["explanations"].values():
        order = best_first(explanation["attribution"])
        for name, way in (("comprehensiveness", order), ("sufficiency", order[::-1])):
            assert aopc(gains, way) == pytest.approx(explanation[name], abs=TOLERANCE)


@pytest.mark.parametrize("operator", ["mask", "delete"])
@pytest.mark.parametrize("number", range(12))
def test_erasure_by_subset_tables_that_others_computed(
    shared: Path, number: int, operator: str
) -> None:
    text = read(shared / "reference" / "measures" / "minilm.json.gz")["texts"][number]
    p, stored = np.array(text[f"subset_probability_{operator}"]), text["erasure"][operator]
    gains, n_units = p[0] - p, len(text["words"])
    found, sizes, bins = limits_of(gains), curve_sizes(n_units), bin_sizes(n_units)
    assert (found.upper, found.lower) == pytest.approx(
        (stored["upper"], stored["lower"]), abs=TOLERANCE
    )
    assert expected_gain(gains, sizes) == pytest.approx(stored["random_aopc_mean"], abs=TOLERANCE)
    assert bins == stored["bin_k"]
    only = gains[::-1]  # a bitset of those that stay
    for name, table in (("comprehensiveness", gains), ("sufficiency", only)):
        expected = [expected_gain(table, [size]) for size in bins]
        assert expected == pytest.approx(stored[f"random_{name}"], abs=TOLERANCE)
        assert expected_gain(table, bins) == pytest.approx(
            stored[f"random_{name}_aopc"], abs=TOLERANCE
        )
    for ranking in ("attention", "abs_gradient_x_input", "leave_one_out"):
        of_it = stored[ranking]
        order = of_it["order"]
        assert aopc(gains, order) == pytest.approx(of_it["aopc"], abs=TOLERANCE)
        assert aopc(gains, order[::-1]) == pytest.approx(of_it["aopc_reversed"], abs=TOLERANCE)
        for name, table in (("comprehensiveness", gains), ("sufficiency", only)):
            found_bins = table[first_of(order, bins)].tolist()
            assert found_bins == pytest.approx(of_it[name], abs=TOLERANCE)
            assert np.mean(found_bins) == pytest.approx(of_it[f"{name}_aopc"], abs=TOLERANCE)
    effects = gains[[1 << unit for unit in range(n_units)]]
    for ranking in ("attention", "abs_gradient_x_input", "leave_one_out"):
        concordance = weighted_concordance(np.array(stored[ranking]["score"]), effects)
        saco = text["violation"][operator][f"saco_{ranking}"]
        assert concordance == pytest.approx(saco, abs=TOLERANCE)


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
