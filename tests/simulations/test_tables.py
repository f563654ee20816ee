"""The tables of models in the documentation: decided as today, and measured again where cheap."""

from pathlib import Path
from typing import Any

import pytest

from tests.simulations.tables import MEASURED, STORED, Row, decided_by, measure, read, written

STORED_TABLES = read()
ROWS = STORED_TABLES["rows"]
AGAIN = [row for row in ROWS if row["is_small"]]


def test_what_is_stored_was_decided_by_what_decides_today() -> None:
    """Where this fails: `python -m tests.simulations.tables SHARED` measures all of it again."""
    assert STORED_TABLES["decided_by"] == decided_by()


def test_the_file_is_as_the_command_writes_it() -> None:
    assert STORED.read_text(encoding="utf-8") == written(STORED_TABLES)
    assert len({row["name"] for row in ROWS}) == len(ROWS)


def test_what_cannot_be_measured_again_is_of_an_earlier_run() -> None:
    assert all(row["is_earlier"] for row in ROWS if row["of"] is None)


def test_of_every_table_a_row_is_measured_again() -> None:
    assert {row["table"] for row in AGAIN} == {*MEASURED}
    assert not any(row["is_earlier"] for row in AGAIN)


@pytest.mark.parametrize("row", AGAIN, ids=lambda row: row["name"])
def test_it_comes_out_as_it_is_stored(row: Row, shared: Path) -> None:
    """Another processor trains slightly other weights, so of a trained model nearly."""
    is_trained = "case" not in row["of"]
    assert measure(row, shared) == nearly(row["found"], 0.1 if is_trained else 0.01)


def nearly(found: Any, by: float) -> Any:
    """The same but for numbers, which may be off."""
    if isinstance(found, dict):
        return {name: nearly(value, by) for name, value in found.items()}
    if isinstance(found, list):
        return [nearly(value, by) for value in found]
    return pytest.approx(found, abs=by) if isinstance(found, float) else found
