"""Where a report's records are, and how it still finds them from another folder."""

import os
from pathlib import Path

from attn_audit.results.report import RecordsFile, Report


def records_files(report: Report, origin: Path) -> tuple[Path, ...]:
    """The files that a report names as its records, whether they are there or not.

    Args:
        report: Any report.
        origin: The folder that its paths start from.
    """
    files = (report.records_file, report.records_file and report.records_file.sites)
    return tuple(origin / file.path for file in files if file is not None)


def relocated(report: Report, origin: Path, target: Path) -> Report:
    """The same report for another folder, with the paths that lead from there to its records.

    Args:
        report: Any report.
        origin: The folder that its paths start from.
        target: The folder that they are to start from.
    """
    if report.records_file is None or origin.resolve() == target.resolve():
        return report
    moved = _relocated(report.records_file, origin.resolve(), target.resolve())
    return report.model_copy(update={"records_file": moved})


def _relocated(records: RecordsFile, origin: Path, target: Path) -> RecordsFile:
    path = Path(os.path.relpath(origin / records.path, target)).as_posix()
    sites = None if records.sites is None else _relocated(records.sites, origin, target)
    return records.model_copy(update={"path": path, "sites": sites})
