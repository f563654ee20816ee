"""An audit as it is stored: its report, records and settings, and what is computed again."""

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from attn_audit.config import validate
from attn_audit.data.location import suffix_of
from attn_audit.errors import ConfigurationError, RecordsError, UsageError
from attn_audit.plugins import loaded_plugins
from attn_audit.results.report import Report
from attn_audit.results.stored_records import (
    StoredRecords,
    open_records,
    open_site_records,
    read_records,
)
from attn_audit.settings import AuditSettings, names_where


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

    def records(self) -> Iterator[pa.Table]:
        """The records of the examples, some at a time.

        Raises:
            RecordsError: They cannot be read, or hold no witnesses.
        """
        return read_records(self._records.path, self._records.schema)

    def site_records(self) -> Iterator[pa.Table]:
        """The records of the examples at every other site, some at a time; none where there is one.

        Raises:
            RecordsError: They cannot be read.
        """
        sites = self._site_records
        return iter(()) if sites is None else read_records(sites.path, sites.schema)


def require_same(what: str, given: str, stored: str | None, found: str | None) -> str | None:
    """Refuse a model or data set that is not the one of the report.

    Args:
        stored: SHA-256 in the report; None where it was in memory or a stream.

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


_HUB = "HuggingFace"


def settings_of_report(report: Report, said: dict[str, Any]) -> AuditSettings:
    """The settings that the audit was run with, and what the user says again.

    Args:
        said: `model` and `data`; `adapter` and `trust_remote_code`, which name code to run and are
            never taken from a file; what concerns this machine.

    Raises:
        ConfigurationError: The report names code, and the user does not.
    """
    _require_code_again(report, said)
    stored = {name: getattr(report.settings, name) for name in names_where(is_stored=True)}
    stored |= {f"{role}_field": name for role, name in report.settings.fields.items()}
    stored |= {
        "layer": "last" if report.settings.layer is None else report.settings.layer,
        "head": "mean" if report.settings.head is None else report.settings.head,
        "limit": report.data.limit,
        "split": report.data.split or _split_named(report.data.name),
        "device": "cpu" if report.settings.device == "cpu" else "auto",
    }
    if report.model.format == _HUB:
        stored |= _of_loading(report)
    return validate(stored | said, said, None)


def _split_named(name: str) -> str:
    """The split that a file of a folder is: its name without what says its format."""
    suffix = suffix_of(Path(name)) or ""
    return name[: len(name) - len(suffix)]


def _of_loading(report: Report) -> dict[str, Any]:
    """What the report says of a HuggingFace model beside its settings."""
    found = report.model.findings
    return {
        "dtype": report.model.dtype,
        "task": "binary" if report.model.task == "binary" else None,
        "removal": report.model.details.get("removal") if found is None else found.removal,
    }


def _require_code_again(report: Report, said: dict[str, Any]) -> None:
    settings = report.settings
    if settings.adapter is not None and said.get("adapter") is None:
        raise ConfigurationError(
            f"the audit ran code of yours, --adapter {settings.adapter}: no file may name it",
            hint="If you trust it, give --adapter again.",
        )
    if settings.trust_remote_code and not said.get("trust_remote_code"):
        raise ConfigurationError(
            "the audit ran the Python code that comes with the model: no file may allow that",
            hint="If you trust it, give --trust-remote-code again.",
        )


SHARE = 0.1


def chosen(ids: Sequence[str], records_sha256: str, seed: int) -> frozenset[str]:
    """A tenth of the examples, and at least one.

    The draw depends on the records' own hash: whoever edits a record draws another tenth, and
    cannot place the edit outside of it beforehand.
    """
    n = math.ceil(SHARE * len(ids))
    prefix = f"verify\0{records_sha256}\0{seed}\0"
    return frozenset(sorted(ids, key=lambda one: _hash(prefix + one))[:n])


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
