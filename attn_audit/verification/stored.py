"""A report and its records, as they lie on the disk."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attn_audit.errors import UsageError
from attn_audit.findings.registry import record_fields, site_fields
from attn_audit.formats.stored_records import RecordsError, located, read_records
from attn_audit.results.record import Record
from attn_audit.results.report import RecordsFile, Report
from attn_audit.results.table import record_schema, schema_of


@dataclass(frozen=True)
class StoredAudit:
    """A report, and the records that it names."""

    path: Path
    report: Report
    records_path: Path
    sites_path: Path | None

    @staticmethod
    def load(path: Path) -> "StoredAudit":
        """Read a report, and make sure that its records are those that were written with it.

        Raises:
            ReportError: It is no report.
            RecordsError: It has no records, they are not there, hold no witnesses, or are others.
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
        sites = report.records_file.sites
        if report.sites and sites is None:
            raise RecordsError(f"{path} sums up several sites, and names no records of them")
        return StoredAudit(
            path=path,
            report=report,
            records_path=_located(path, report.records_file),
            sites_path=None if sites is None else _located(path, sites),
        )

    def records(self) -> Iterator[list[Record]]:
        """The records of the examples, some at a time.

        Raises:
            RecordsError: They cannot be read.
        """
        return read_records(self.records_path, schema_of(self.report, record_fields()))

    def site_records(self) -> Iterator[list[Record]]:
        """The records of the examples at every other site, some at a time; none where there is one.

        Raises:
            RecordsError: They cannot be read.
        """
        if self.sites_path is None:
            return iter(())
        return read_records(self.sites_path, record_schema(1, False, site_fields()))


def _located(report: Path, file: RecordsFile) -> Path:
    if file.path.endswith(".csv"):
        raise RecordsError(
            f"{report.parent / file.path}: records in CSV hold no witnesses, nor any other "
            "list of weights",
            hint="Audit with --records FILE.parquet or FILE.jsonl, and verify that report.",
        )
    return located(report, file)


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
