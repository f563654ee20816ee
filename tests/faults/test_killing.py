"""A few kills of the long run `python -m tests.faults.killing`, at moments that are looked for."""

import shutil
import signal

import pyarrow as pa
import pytest

from tests.faults.auditing import Audit
from tests.faults.comparing import differences, records_differences
from tests.faults.killing import BEFORE_MANIFEST, Before, place


def test_a_killed_audit_goes_on_and_finds_what_it_would_have_found(
    audit: Audit, undisturbed: Audit
) -> None:
    fell: list[str] = []
    for n_shards in (0, 2):
        before = Before.of(audit)

        def moment(n_shards: int = n_shards) -> bool:
            return audit.run.exists() and len(audit.shards()) >= n_shards

        ended = audit.end_when(moment, signal.SIGKILL, *(["--resume"] if fell else []))
        assert ended.exit_code == -signal.SIGKILL, ended.stderr
        fell.append(place(audit, before))
    assert fell[0] == BEFORE_MANIFEST
    assert len(audit.shards()) >= 2
    (audit.run / "records" / ".000000-half.parquet.17.part").write_bytes(b"PAR1")
    assert audit.finish_here("--resume").exit_code == 0
    assert differences(audit, undisturbed) == []


RECORDS = pa.table({"id": ["a", "b", "c"], "tau": [0.5, None, float("nan")]})


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([0, 1], "1 lost, 'c' among them"),
        ([0, 1, 1, 2], "1 there more than once, 'b' among them"),
        ([0, 2, 1], "other columns, or other ids, or another order"),
    ],
)
def test_records_that_are_not_the_same_are_seen(rows: list[int], problem: str) -> None:
    assert problem in list(records_differences(RECORDS.take(rows), RECORDS))


def test_values_that_are_not_the_same_are_seen() -> None:
    changed = RECORDS.set_column(1, "tau", pa.array([0.5, 0.0, float("nan")]))
    assert list(records_differences(changed, RECORDS)) == ["'b': tau is 0.0, not None"]
    assert list(records_differences(RECORDS, RECORDS)) == []


def test_a_run_directory_that_is_not_the_same_is_seen(audit: Audit, undisturbed: Audit) -> None:
    shutil.copytree(undisturbed.folder, audit.folder)
    assert differences(audit, undisturbed) == []
    (audit.run / "complete").unlink()
    audit.report.write_text("{}")
    found = differences(audit, undisturbed)
    assert found == ["the reports differ", "run/complete is not the same, or only in one of them"]
