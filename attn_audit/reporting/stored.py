"""The report of a run directory, from its records, without the model."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from attn_audit.errors import RunDirectoryError
from attn_audit.reporting.recording import RecordsPaths
from attn_audit.reporting.summing_up import Found, sum_up
from attn_audit.results.report import Report
from attn_audit.store.directory import place_of, shards_of
from attn_audit.store.manifest import Manifest
from attn_audit.store.shards import Shards


def records_of_run(name: str) -> pa.Table:
    """The records of all examples that are in a run directory.

    Args:
        name: A path or URL.

    Raises:
        RunDirectoryError: No audit was started there, or a shard is damaged.
    """
    return _shards(name)[1].table()


def report_of_run(name: str, records: str | None, report: Path | None) -> Report:
    """Sum up the finished shards of a run directory, whether all are or not.

    Args:
        name: A path or URL.
        records: Where to write the records of all examples as one file; None: nowhere.
        report: Where the report will be, which names that file relative to it.

    Returns:
        The report without times.

    Raises:
        RunDirectoryError: No audit was started there, none of its shards is finished, or one is
            damaged.
        OutputError: The records file cannot be written.
    """
    manifest, shards = _shards(name)
    if not shards.finished():
        raise RunDirectoryError(
            shards.folder, "none of its shards is finished", hint="Go on with --resume."
        )
    files = RecordsPaths.of(records, has_several_sites=len(manifest.sites) > 1)
    data = manifest.subject.data.model_copy(update={"is_complete": shards.are_complete()})
    subject = manifest.subject.model_copy(update={"data": data})
    return sum_up(subject, _read(shards), files, report)


def _shards(name: str) -> tuple[Manifest, Shards]:
    folder = place_of(name)
    manifest = Manifest.read(folder)
    if manifest is None:
        raise RunDirectoryError(folder, "no audit was started in it")
    return manifest, shards_of(manifest, folder)


def _read(shards: Shards) -> Iterator[Found]:
    for number in shards.finished():
        yield shards.read(number)
