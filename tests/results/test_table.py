"""How sure the model is of each example, whatever the kind of its labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attn_audit.engine.summaries import Grouping
from attn_audit.results.table import Examples, Values, schemas
from attn_audit.statistics.intervals import Resamples
from tests.records import table

LABELS = ("a", "b", "c")


def confidence(folder: Path, task: str, probabilities: Sequence[object]) -> tuple[Examples, Values]:
    schema = schemas(1 if task == "binary" else 3, is_multilabel=task == "multilabel")[0]
    rows = [{"id": str(i), "probability": p} for i, p in enumerate(probabilities)]
    pq.write_table(table(rows, schema), folder / "records.parquet")
    examples = Examples(pq.ParquetFile(folder / "records.parquet"), LABELS, task)
    return examples, examples.confidence


def by_hand(task: str, p: float | list[float]) -> float:
    if isinstance(p, float):
        return max(p, 1 - p)
    on = [each for each in p if each >= 0.5]
    if task == "multilabel":
        return sum(on) / len(on) if on else 1 - max(p)
    return max(p)


P = st.floats(0, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data())
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_it_is_what_is_counted_by_hand(tmp_path: Path, task: str, data: st.DataObject) -> None:
    one: st.SearchStrategy[float | list[float]] = (
        P if task == "binary" else st.lists(P, min_size=3, max_size=3)
    )
    probabilities = data.draw(st.lists(st.none() | one, min_size=1, max_size=9))
    _, found = confidence(tmp_path, task, probabilities)
    for p, value in zip(probabilities, found.tolist(), strict=True):
        assert np.isnan(value) if p is None else value == pytest.approx(by_hand(task, p))


def test_strata_part_the_examples_at_their_lower_ends(tmp_path: Path) -> None:
    found = confidence(tmp_path, "multiclass", [[p, 0.0, 0.0] for p in (0.5, 0.8, 0.95, 0.99, 1)])
    strata = Grouping(found[0], Resamples(0)).members["confidence"]
    assert {name: np.flatnonzero(inside).tolist() for name, inside in strata} == {
        "0.00 to 0.80": [0], "0.80 to 0.95": [1], "0.95 to 0.99": [2], "0.99 to 1.00": [3, 4],
    }  # fmt: skip
