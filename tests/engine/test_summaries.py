"""Means at many sites, added up as the records come."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit import audit
from attn_audit.engine.summaries import SiteMeans, joint_histogram
from attn_audit.findings import adversarial, permutation
from attn_audit.findings.correlation_pairs import ATTENTION_GRADIENT
from attn_audit.results.table import schemas
from tests.records import table

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


VALUES = st.lists(st.none() | st.floats(-1, 1), max_size=40)


def records(values: list[float | None], layer: int = 0, head: int | None = None) -> pa.Table:
    rows = [
        {"id": str(i), "layer": layer, "head": head, ATTENTION_GRADIENT.tau.name: value}
        for i, value in enumerate(values)
    ]
    return table(rows, schemas(1, is_multilabel=False)[1])


@given(VALUES, st.integers(1, 7))
def test_shards_change_nothing(values: list[float | None], size: int) -> None:
    at_once, in_shards = SiteMeans(), SiteMeans()
    every = records(values)
    at_once.add(every)
    for start in range(0, len(every), size):
        in_shards.add(every[start : start + size])
    expected, found = at_once.summaries(), in_shards.summaries()
    assert [s.means.keys() for s in found] == [s.means.keys() for s in expected]
    for one, other in zip(expected, found, strict=True):
        for name, mean in one.means.items():
            assert other.means[name].mean == pytest.approx(mean.mean, abs=1e-12)
            assert other.means[name].n == mean.n


def test_mean_and_interval_are_numpys() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 500)
    means = SiteMeans()
    means.add(records(values.tolist()))
    (site,) = means.summaries()
    found = site.means["correlation.attention_gradient"]
    half = 1.959964 * values.std(ddof=1) / np.sqrt(500)
    assert found.n == 500
    assert found.mean == pytest.approx(values.mean())
    assert found.interval is not None
    assert found.interval.method == "normal"
    assert found.interval.low == pytest.approx(values.mean() - half)
    assert found.interval.high == pytest.approx(values.mean() + half)


def test_an_interval_stays_within_what_was_seen() -> None:
    means = SiteMeans()
    means.add(records([1.0, 1.0, 1.0, 0.9]))
    interval = means.summaries()[0].means["correlation.attention_gradient"].interval
    assert interval is not None
    assert interval.high == 1.0


def test_every_site_has_its_own_means_in_the_order_in_which_it_came() -> None:
    means = SiteMeans()
    means.add(pa.concat_tables([records([0.5], 2), records([0.1, 0.3], 0, 1), records([0.7], 2)]))
    sites = means.summaries()
    assert [(site.layer, site.head) for site in sites] == [(2, None), (0, 1)]
    found = [site.means["correlation.attention_gradient"].mean for site in sites]
    assert found == pytest.approx([0.6, 0.2])


def test_what_was_not_measured_anywhere_is_left_out() -> None:
    means = SiteMeans()
    means.add(pa.concat_tables([records([None], 0), records([0.2], 1)]))
    nothing, something = means.summaries()
    assert nothing.means.keys() == something.means.keys()
    assert "adversarial.max_jsd" not in nothing.means
    assert nothing.means["correlation.attention_gradient"].mean is None
    assert something.means["correlation.attention_gradient"].interval is None


def test_without_records_there_are_no_sites() -> None:
    assert SiteMeans().summaries() == ()


def test_two_classes_are_counted_as_the_records_have_them() -> None:
    report = audit("demo", "demo", limit=60, checks="permutation,adversarial", permutations=5)
    records = report.records.to_pylist()
    joint = report[adversarial.MAX_JSD].joint
    assert joint is not None
    assert set(joint.by_prediction) == {"glad", "troubled"}
    for name, counts in joint.by_prediction.items():
        of_it = [record for record in records if record["prediction"] == name]
        for i, row in enumerate(counts):
            low, high = joint.x_edges[i], joint.x_edges[i + 1]
            ends = high if i + 1 < len(counts) else 2
            assert sum(row) == sum(low <= r["max_attention"] < ends for r in of_it)
        for group in report[permutation.DISTANCE].by_max_attention:
            shape = group.distribution.histogram
            assert shape is not None
            bottom, top = map(float, group.name.split(" to "))
            inside = [
                r["permutation.distance"]
                for r in of_it
                if bottom <= r["max_attention"] < (top if top < 1 else 2)
            ]
            expected, _ = np.histogram(inside, shape.edges)
            assert shape.by_prediction[name] == tuple(expected)
