"""A report on many long examples stays small enough to be mailed, and opens at once."""

from collections.abc import Iterator

import numpy as np
import pytest

from attn_audit.engine.in_process import RecordTables
from attn_audit.engine.report import sum_up
from attn_audit.results.report import Report, Subject
from attn_audit.results.table import Row
from tests.formats.html.conftest import Opened, rendered
from tests.records import table

N = 600
"""More than would fit, were they all shown."""
BYTES = 6_000_000


def records() -> Iterator[Row]:
    """Examples of 5 to 400 words, all measured."""
    random = np.random.default_rng(0)
    for i in range(N):
        n = int(random.integers(5, 400))
        weights = tuple(random.dirichlet(np.full(n, 0.3)).tolist())
        numbers = random.random(6).tolist()
        taus = (random.random(3) * 2 - 1).tolist()
        yield {
            "status": "audited",
            "id": f"example-{i:05}",
            "label": ("glad", "troubled")[i % 2],
            "prediction": ("glad", "troubled")[i % 3 % 2],
            "probability": numbers[0],
            "n_units": n,
            "truncated": False,
            "audited_mass": 1.0,
            "max_attention": max(weights),
            "correlation.attention_gradient": taus[0],
            "correlation.attention_gradient_p_value": numbers[1],
            "correlation.attention_leave_one_out": taus[1],
            "correlation.attention_leave_one_out_p_value": numbers[2],
            "correlation.gradient_leave_one_out": taus[2],
            "correlation.gradient_leave_one_out_p_value": numbers[3],
            "permutation.distance": numbers[4] ** 2,
            "permutation.jsd": 0.6 * numbers[5],
            "permutation.within_epsilon": numbers[3],
            "permutation.uniform.distance": numbers[2],
            "permutation.uniform.prediction": "troubled",
            "adversarial.max_jsd": 0.69 * numbers[1],
            "adversarial.relative_jsd": numbers[1],
            "adversarial.distance": 0.01 * numbers[2],
            "adversarial.method": "exact",
            "correlation.status": "measured",
            "permutation.status": "measured",
            "adversarial.status": "measured",
            "units": tuple(f"word{j:03}" for j in range(n)),
            "attention": weights,
            "gradient": weights,
            "leave_one_out": weights,
            "adversarial.attention": weights,
        }


@pytest.fixture
def large(report: Report) -> Report:
    return sum_up(Subject.of(report), [RecordTables(table([*records()]))])


def test_a_page_of_many_examples_is_small_and_opens_at_once(large: Report, opened: Opened) -> None:
    assert len(rendered(large).encode("utf-8")) < BYTES
    assert len(large.to_json().encode("utf-8")) < BYTES
    page = opened(large)
    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    milliseconds = page.run(f"return {timing}")
    assert milliseconds < 10_000  # about 0.3 s where nothing else runs; here, much may
    assert page.console() == []
    assert page.texts("#found")[0].endswith("examples, 10 shown.")
