"""A report in another folder still finds its records."""

import os
from pathlib import Path

from attn_audit.results.report import RecordsFile, Report


def relocated(report: Report, origin: Path, target: Path) -> Report:
    """The same report for another folder, with the paths that lead from there to its records.

    Args:
        report: Any report.
        origin: The folder that its paths start from.
        target: The folder that they are to start from.
    """
    if report.records is None or origin.resolve() == target.resolve():
        return report
    moved = _relocated(report.records, origin.resolve(), target.resolve())
    return report.model_copy(update={"records": moved})


def _relocated(records: RecordsFile, origin: Path, target: Path) -> RecordsFile:
    path = Path(os.path.relpath(origin / records.path, target)).as_posix()
    sites = None if records.sites is None else _relocated(records.sites, origin, target)
    return records.model_copy(update={"path": path, "sites": sites})
