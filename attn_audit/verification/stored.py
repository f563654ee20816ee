"""A report and its records, as they lie on the disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attn_audit.errors import RecordsError, UsageError
from attn_audit.plugins import loaded_plugins
from attn_audit.results.record import Record
from attn_audit.results.report import Report
from attn_audit.results.stored_records import StoredRecords, open_records, open_site_records


@dataclass(frozen=True)
class StoredAudit:
    """A report, and the records that it names."""

    path: Path
    report: Report
    _records: StoredRecords
    _site_records: StoredRecords | None

    @staticmethod
    def load(path: Path) -> "StoredAudit":
        """Read a report, and make sure that its records are those that were written with it.

        Raises:
            ReportError: It is no report.
            RecordsError: It has no records, they are not there, or are others.
        """
        return StoredAudit.of(Report.load(path), path)

    @staticmethod
    def of(report: Report, path: Path) -> "StoredAudit":
        """The same of a report that was read.

        Args:
            report: Any report.
            path: Its file, in whose folder its paths start.

        Raises:
            RecordsError: It has no records, they are not there, hold no witnesses, or are others.
        """
        if report.records_file is None:
            raise RecordsError(
                f"{path} names no records, and the witnesses that would be checked stand there",
                hint="Audit with --records FILE beside --output, and verify that report.",
            )
        if report.sites and report.records_file.sites is None:
            raise RecordsError(f"{path} sums up several sites, and names no records of them")
        records, sites = open_records(report, path), open_site_records(report, path)
        return StoredAudit(path, report, records, sites)

    def records(self) -> Iterator[list[Record]]:
        """The records of the examples, some at a time.

        Raises:
            RecordsError: They cannot be read, or hold no witnesses.
        """
        return self._records.rows()

    def site_records(self) -> Iterator[list[Record]]:
        """The records of the examples at every other site, some at a time; none where there is one.

        Raises:
            RecordsError: They cannot be read.
        """
        return iter(()) if self._site_records is None else self._site_records.rows()


def require_same(what: str, given: str, stored: str | None, found: str | None) -> str | None:
    """Refuse a model or data set that is not the one of the report.

    Args:
        what: `model` or `data`.
        given: As the user names it.
        stored: SHA-256 in the report; None where it was in memory or a stream.
        found: SHA-256 of what is here.

    Returns:
        A sentence where there is nothing to compare; None where both are the same.

    Raises:
        UsageError: They differ.
    """
    if stored is None or found is None:
        where = "the report holds" if stored is None else f"{given} has"
        return f"{where} no hash of the {what}: only its numbers tell whether it is the same"
    if stored != found:
        raise UsageError(
            f"{given} is not the {what} of this report: its SHA-256 is {found[:12]}..., and the "
            f"report's is {stored[:12]}...",
            hint="Name the one that was audited; another needs an audit of its own.",
        )
    return None


def require_same_plugins(report: Report) -> None:
    """Refuse plugins that are not those of the report.

    Raises:
        UsageError: One is of another version, or another file.
    """
    loaded = loaded_plugins()
    for name, version in report.tool.plugins.items():
        if loaded[name] != version:
            raise UsageError(
                f"--plugin {name} is not the one of this report: that was {version}, and this is "
                f"{loaded[name]}",
                hint="Name the one that was audited with; another needs an audit of its own.",
            )
