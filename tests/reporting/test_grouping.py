import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.reporting.grouping import joint_histogram

EDGES = (0.0, 0.5, 1.0)
NUMBERS = st.lists(
    st.tuples(*[st.one_of(st.just(np.nan), st.floats(0, 1))] * 2), min_size=1, max_size=50
)


@given(NUMBERS)
def test_counts_two_numbers_at_once_as_one_by_one(pairs: list[tuple[float, float]]) -> None:
    x, y = np.array(pairs).T
    expected = [[0, 0], [0, 0]]
    for a, b in pairs:
        if not (np.isnan(a) or np.isnan(b)):
            expected[int(a >= 0.5)][int(b >= 0.5)] += 1
    found = joint_histogram(x, y, EDGES, EDGES)
    assert [list(row) for row in found.counts] == expected


def test_counts_what_rounding_put_outside_in_the_nearest_bin() -> None:
    found = joint_histogram(np.array([1.0 + 1e-12]), np.array([-1e-12]), EDGES, EDGES)
    assert found.counts == ((0, 0), (1, 0))
