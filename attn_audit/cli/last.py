"""The last report: kept in the user's cache, and called `last` where a report is asked for."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock
from rich.text import Text

from attn_audit.cli.command import error_console
from attn_audit.errors import ConfigurationError, OutputError, ReportError
from attn_audit.files import cache_folder, problem_of, replacing, write_whole
from attn_audit.formats.registry import site_records_path
from attn_audit.quoting import printable
from attn_audit.results.report import RecordsFile, Report, relocated
from attn_audit.settings import AuditSettings

LAST = "last"
"""In the place of a report: the one that is kept. A file of that name comes first."""

REPORT, SUFFIX = "report.json", ".parquet"
"""The kept report, and what its records are written as."""

SECONDS_TO_WAIT = 10
"""For another audit that puts its own there."""

OWNER_ALONE = 0o700
"""Who may look into the folder: it holds texts of whoever audits."""

NEXT = (
    ("attn-audit report last -o report.html", "a page to read and pass on"),
    ("attn-audit gate last", "exit by the answer"),
)


def folder_of_last() -> Path:
    """Where it is kept."""
    return cache_folder() / LAST


def is_last(name: Path | str) -> bool:
    """Whether a name stands for the report that is kept."""
    return str(name) == LAST and not Path(LAST).exists()


def located(path: Path) -> Path:
    """The file that stands for a report: its own, or that of the last one.

    Raises:
        ReportError: The last one is asked for, and none is kept.
    """
    if not is_last(path):
        return path
    kept = folder_of_last() / REPORT
    if not kept.is_file():
        raise ReportError(
            kept,
            "no report is kept yet",
            hint="`attn-audit audit MODEL DATA` without --output keeps its report.",
        )
    return kept


def taken_out(report: Report, path: Path, records: Path | None = None) -> Report:
    """A report as it can be written elsewhere; that of any other path as it is.

    The records of the last one are replaced soon, so what is written names them only where they are
    copied.

    Args:
        path: By which the report was asked for.
        records: Where its records go, from here; None: nowhere.

    Raises:
        ConfigurationError: There are no records that are ours, or they are of another format.
        OutputError: They cannot be written.
    """
    file = report.records_file
    is_ours = is_last(path) and file is not None and Path(file.path).name == file.path
    if records is None:
        return report.model_copy(update={"records_file": None}) if is_ours else report
    if file is None or not is_ours:
        raise ConfigurationError(
            f"--records: {path} is a report, and names its records already",
            hint="A run directory's records can be written as one file, and those of `last`.",
        )
    if records.suffix != SUFFIX:
        raise ConfigurationError(f"--records {records}: those of `last` are {SUFFIX}")
    named = [(file, records)]
    named += [] if file.sites is None else [(file.sites, site_records_path(records))]
    return _copied(report, named, folder_of_last(), Path())


def _copied(
    report: Report, files: Sequence[tuple[RecordsFile, Path]], source: Path, target: Path
) -> Report:
    """The report with records, and those of sites if they are there, under other names."""
    for file, path in files:
        with replacing(target / path) as temporary:
            shutil.copyfile(source / file.path, temporary)
    own, *sites = [file.model_copy(update={"path": path.as_posix()}) for file, path in files]
    named = own.model_copy(update={"sites": sites[0] if sites else None})
    return report.model_copy(update={"records_file": named})


@dataclass(frozen=True)
class Keeping:
    """An audit whose report is kept."""

    settings: AuditSettings
    """Of the audit, with a place for its records."""
    is_ours: bool
    """Whether that place is ours, and not the user's."""

    def shown(self, report: Report) -> Report:
        """The report as the user is shown it, who did not ask for records."""
        return report.model_copy(update={"records_file": None}) if self.is_ours else report

    def keep(self, report: Report, *, quiet: bool) -> None:
        """Put the report in the place of the one before, and say so; what fails is only said."""
        folder = folder_of_last()
        try:
            _replace(report, folder, is_ours=self.is_ours)
        except (OSError, OutputError) as error:
            if not quiet:
                why = error.message if isinstance(error, OutputError) else problem_of(error)
                error_console().print(Text(printable(f"not kept in {folder}: {why}")))
            return
        if quiet:
            return
        console, width = error_console(), max(len(command) for command, _ in NEXT) + 2
        until = "until the next audit without --output"
        console.print(Text(printable(f"kept in {folder} {until}; what to run next:")))
        for command, purpose in NEXT:
            console.print(Text(f"  {command:<{width}}") + Text(purpose, style="dim"))


@contextmanager
def keeping(settings: AuditSettings) -> Iterator[Keeping | None]:
    """Within: an audit that names no `--output` has a place for its records; else None.

    The shards of a run directory are records already, so only the report is kept of them.
    """
    if settings.output:
        yield None
    elif settings.records is not None or settings.run_dir is not None:
        yield Keeping(settings, is_ours=False)
    else:
        with TemporaryDirectory(prefix="attn-audit-") as folder:
            records = str(Path(folder) / f"records{SUFFIX}")
            yield Keeping(replace(settings, records=records), is_ours=True)


def _replace(report: Report, folder: Path, *, is_ours: bool) -> None:
    """Records first, each under a name of its own, then the report that names them, then the rest.

    Whenever it is read, and whoever else writes, the report is whole.
    """
    folder.mkdir(mode=OWNER_ALONE, parents=True, exist_ok=True)
    folder.chmod(OWNER_ALONE)
    with FileLock(folder.parent / "lock", timeout=SECONDS_TO_WAIT):
        kept, written = relocated(report, Path(), folder), list[Path]()
        if is_ours and report.records_file is not None:
            file = report.records_file
            parts = [part for part in (file, file.sites) if part is not None]
            named = [(part, Path(part.sha256[:16]).with_suffix(SUFFIX)) for part in parts]
            written += [folder / name for _, name in named]
            kept = _copied(report, named, Path(), folder)
        write_whole(folder / REPORT, kept.to_json().encode("utf-8"))
        for other in folder.iterdir():
            if other not in (folder / REPORT, *written):
                other.unlink()
