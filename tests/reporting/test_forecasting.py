"""What summing up takes is measured on the tried records, as often as there are examples."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace

import pytest

from attn_audit.reporting import forecasting
from attn_audit.reporting.forecasting import (
    MANY,
    SummingUp,
    extrapolate_summing_up,
    time_summing_up,
)
from attn_audit.reporting.recording import RecordsPaths
from attn_audit.reporting.summing_up import Found
from attn_audit.results.record import Record
from attn_audit.results.subject import Subject

TRIED: Found = ([Record(id="a"), Record(id="b")], [])
SUBJECT = Subject.__new__(Subject)


class Machine:
    """Keeps a record in 1/8 s, with a file in 1/4; sums up in 2 s and 1/2 for each, once in 100."""

    groups_from, of_groups = 0, 0.0
    """From so many records on, groups of them take so long."""

    def __init__(self) -> None:
        self.now, self.sizes = 0.0, list[int]()

    def sum_up(
        self,
        subject: Subject,
        found: list[Found],
        files: RecordsPaths,
        *,
        timing: AbstractContextManager[None],
    ) -> None:
        """Let time pass."""
        n_records = len(found[0][0])
        self.sizes.append(n_records)
        self.now += n_records / (8 if files.records is None else 4)
        with timing:
            self.now += 2 + n_records / 2 + (100 if len(self.sizes) == 1 else 0)
            self.now += self.of_groups if n_records >= self.groups_from else 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(forecasting, "sum_up", machine.sum_up)
    monkeypatch.setattr(forecasting, "time", SimpleNamespace(perf_counter=lambda: machine.now))
    return machine


@pytest.mark.parametrize("n", [1, 2, 300, 4000])
@pytest.mark.parametrize("function", [time_summing_up, extrapolate_summing_up])
def test_it_is_what_it_takes_when_all_is_loaded(
    machine: Machine, n: int, function: Callable[..., SummingUp]
) -> None:
    found = function(SUBJECT, TRIED, n, keeps_records=False)
    assert found.recording == pytest.approx(n / 8)
    assert found.of_report == pytest.approx(2 + n / 2)


@pytest.mark.parametrize("n", [20, 21, 300, 4000])
def test_what_only_the_first_few_take_longer_for_is_not_taken_for_growth(
    machine: Machine, n: int
) -> None:
    """Of one example there is hardly anything to sum up."""
    machine.groups_from, machine.of_groups = 15, 40.0
    found = extrapolate_summing_up(SUBJECT, TRIED, n, keeps_records=False)
    assert found.of_report == pytest.approx(42 + n / 2)


@pytest.mark.parametrize("function", [time_summing_up, extrapolate_summing_up])
def test_of_very_many_keeping_the_records_takes_longer_and_the_report_does_not(
    machine: Machine, function: Callable[..., SummingUp]
) -> None:
    found = function(SUBJECT, TRIED, 50 * MANY, keeps_records=False)
    assert found.recording == pytest.approx(50 * MANY / 8)
    assert found.of_report == pytest.approx(2 + MANY / 2)


def test_a_records_file_is_counted(machine: Machine) -> None:
    found = time_summing_up(SUBJECT, TRIED, 100, keeps_records=True)
    assert found.recording == pytest.approx(100 / 4)


def test_of_very_many_only_some_are_tried(machine: Machine) -> None:
    time_summing_up(SUBJECT, TRIED, 10 * MANY, keeps_records=False)
    assert max(machine.sizes) == MANY


def test_an_audit_is_not_held_up_by_many(machine: Machine) -> None:
    extrapolate_summing_up(SUBJECT, TRIED, 10 * MANY, keeps_records=False)
    assert max(machine.sizes) == 500
