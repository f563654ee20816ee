"""What a report keeps of the units that decide without attention."""

from unittest.mock import Mock

from attn_audit.engine.report import _deciders
from attn_audit.results.table import Examples


def deciding(counts: dict[str, int]) -> list[tuple[str, int]]:
    examples = Mock(spec=Examples)
    examples.counts.return_value = counts
    return [(found.unit, found.n) for found in _deciders(examples)]


def test_the_twenty_most_frequent_units_are_kept() -> None:
    counts = {f"w{i}": 30 - i for i in range(25)}
    assert deciding(counts) == [(f"w{i}", 30 - i) for i in range(20)]


def test_upper_and_lower_case_are_one_unit() -> None:
    assert deciding({"Not": 2, "bad": 3, "not": 2}) == [("not", 4), ("bad", 3)]
