"""Two audits held against each other: record by record, and their reports and run directories."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.auditing import Audit

LOCK = ".lock"


def differences(found: Audit, expected: Audit) -> list[str]:
    """What is not as in the other audit; nothing where they are equal.

    Args:
        found: Finished, and disturbed.
        expected: Finished undisturbed.
    """
    shards, expected_shards = _shards(found), _shards(expected)
    return [
        *(f"the shards: {text}" for text in records_differences(shards, expected_shards)),
        *(
            f"the records file: {text}"
            for text in records_differences(
                pq.read_table(found.records), pq.read_table(expected.records)
            )
        ),
        *_file_differences(found, expected),
    ]


def records_differences(found: pa.Table, expected: pa.Table) -> Iterator[str]:
    """Records that are lost, there twice, out of order, or hold other values.

    Args:
        found: Of the disturbed audit.
        expected: Of the undisturbed one.
    """
    ids, expected_ids = found.column("id").to_pylist(), expected.column("id").to_pylist()
    if lost := set(expected_ids) - set(ids):
        yield f"{len(lost)} lost, {min(lost)!r} among them"
    if twice := [name for name, count in Counter(ids).items() if count > 1]:
        yield f"{len(twice)} there more than once, {twice[0]!r} among them"
    if found.schema != expected.schema or ids != expected_ids:
        yield "other columns, or other ids, or another order"
        return
    for name in expected.column_names:
        for i, (one, other) in enumerate(
            zip(found.column(name).to_pylist(), expected.column(name).to_pylist(), strict=True)
        ):
            if repr(one) != repr(other):  # NaN would differ from itself
                yield f"{ids[i]!r}: {name} is {one!r}, not {other!r}"
                break


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a run directory but the lock, half-written ones among them."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != LOCK)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _shards(audit: Audit) -> pa.Table:
    return pa.concat_tables([pq.read_table(p) for p in sorted(audit.run.glob("records/*.parquet"))])


def _file_differences(found: Audit, expected: Audit) -> Iterator[str]:
    if found.report.read_bytes() != expected.report.read_bytes():
        yield "the reports differ"
    one, other = contents(found.run), contents(expected.run)
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            yield f"run/{name} is not the same, or only in one of them"
