"""Against least squares of all rows at once, with a column that says which group each is of."""

import numpy as np
import pytest

from attn_audit.statistics.ridge import ridge_within

GENERATOR = np.random.default_rng(0)
SIZES = (5, 8, 3)
FEATURES = [GENERATOR.normal(group, 1, (n, 4)) for group, n in enumerate(SIZES)]
TARGETS = [GENERATOR.normal(10 * group, 1, (n, 2)) for group, n in enumerate(SIZES)]


def test_is_ridge_regression_beside_a_free_mean_for_each_group() -> None:
    groups = np.repeat(np.eye(3), SIZES, axis=0)
    features, targets = np.concatenate(FEATURES), np.concatenate(TARGETS)
    centred = features - groups @ np.linalg.lstsq(groups, features)[0]
    penalty = np.sqrt(0.1 * (centred**2).sum() / 4) * np.eye(4)
    stacked = np.block([[features, groups], [penalty, np.zeros((4, 3))]])
    expected = np.linalg.lstsq(stacked, np.concatenate([targets, np.zeros((4, 2))]))[0][:4]
    assert ridge_within(FEATURES, TARGETS) == pytest.approx(expected, rel=1e-10)


def test_what_all_rows_of_a_group_share_counts_for_nothing() -> None:
    moved = [features + 100 * i for i, features in enumerate(FEATURES)]
    shifted = [targets - 7 * i for i, targets in enumerate(TARGETS)]
    found = ridge_within(moved, shifted)
    assert found == pytest.approx(ridge_within(FEATURES, TARGETS), rel=1e-8)


def test_a_factor_on_the_targets_is_one_on_the_coefficients() -> None:
    found = ridge_within(FEATURES, [3 * targets for targets in TARGETS])
    assert found == pytest.approx(3 * ridge_within(FEATURES, TARGETS), rel=1e-12)


def test_features_that_never_differ_count_for_nothing() -> None:
    found = ridge_within([np.ones((3, 2))], [np.arange(3.0)[:, None]])
    assert found.tolist() == [[0.0], [0.0]]
