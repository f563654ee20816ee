"""The last report: in the user's cache or known there, and called `last` where one is asked for."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.text import Text

from attn_audit.cli.command import error_console
from attn_audit.errors import ConfigurationError, OutputError, ReportError
from attn_audit.files import cache_folder, problem_of, replacing, sha256_of, write_whole
from attn_audit.formats.registry import site_records_path
from attn_audit.quoting import printable
from attn_audit.results.report import RecordsFile, Report, relocated
from attn_audit.settings import AuditSettings

LAST = "last"
"""In the place of a report: that of the last audit. A file of that name comes first."""

REPORT, SUFFIX = "report.json", ".parquet"
"""The kept report, and what its records are written as."""

POINTER = "elsewhere"
"""In the place of both, where the user's own file holds the report: its SHA-256 and its path."""

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
    """Whether a name stands for the last report."""
    return str(name) == LAST and not Path(LAST).exists()


def located(path: Path) -> Path:
    """The file that stands for a report: its own, or that of the last one.

    Raises:
        ReportError: The last one is asked for, and there is none yet, or it is not where it was
            written, or not as it was.
    """
    if not is_last(path):
        return path
    kept, pointer = folder_of_last() / REPORT, folder_of_last() / POINTER
    if pointer.is_file():
        digest, _, name = os.fsdecode(pointer.read_bytes()).partition(" ")
        file, written = Path(name), "the last audit wrote its report there, and"
        if not file.is_file():
            again = "Name the file where it is now: `last` stands for it no more. Or audit again."
            raise ReportError(file, f"{written} it is gone", hint=again)
        if sha256_of(file) != digest:
            again = "If it is the one that you mean, name it, not `last`. Or audit again."
            raise ReportError(file, f"{written} it was changed since", hint=again)
        return file
    if not kept.is_file():
        raise ReportError(
            kept, "no report is kept yet", hint="`attn-audit audit MODEL DATA` makes one."
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
    is_kept = is_last(path) and not (folder_of_last() / POINTER).is_file()
    is_ours = is_kept and file is not None and Path(file.path).name == file.path
    if records is None:
        return report.model_copy(update={"records_file": None}) if is_ours else report
    if file is None or not is_ours:
        raise ConfigurationError(
            f"--records: {path} is a report, and names its records already",
            hint="A run directory's records can be written as one file, and those kept as `last`.",
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
class ReportKeeper:
    """An audit whose report will be the last one."""

    settings: AuditSettings
    """Of the audit, with a place for its records."""
    is_ours: bool = False
    """Whether that place is ours, and not the user's."""
    file: Path | None = None
    """Of the user's own, from which the report can be read again: it is not kept twice."""

    def shown(self, report: Report) -> Report:
        """The report as the user is shown it, who did not ask for records."""
        return report.model_copy(update={"records_file": None}) if self.is_ours else report

    def keep(self, report: Report, *, quiet: bool) -> None:
        """Put it in the place of the one before, and say where it is ours; what fails is only said.

        The report has to be written where the user wants it.
        """
        try:
            folder = folder_of_last()
            self._replace(report, folder)
        except (OSError, OutputError) as error:
            if not quiet:
                if isinstance(error, OSError):
                    why = f"{folder}: {problem_of(error)}"
                else:
                    why = error.message
                error_console().print(Text(printable(f"`last` is not this report: {why}")))
            return
        if quiet or self.file is not None:
            return
        console, width = error_console(), max(len(command) for command, _ in NEXT) + 2
        until = "until the next audit"
        console.print(Text(printable(f"kept in {folder} {until}; what to run next:")))
        for command, purpose in NEXT:
            console.print(Text(f"  {command:<{width}}") + Text(purpose, style="dim"))

    def _replace(self, report: Report, folder: Path) -> None:
        """Records first, each by a name of its own, then the report that names them; or a pointer.

        Whenever it is read, and whoever else writes, the report is whole, and no older one.
        """
        from filelock import FileLock

        folder.mkdir(mode=OWNER_ALONE, parents=True, exist_ok=True)
        folder.chmod(OWNER_ALONE)
        with FileLock(folder.parent / "lock", timeout=SECONDS_TO_WAIT):
            if self.file is not None:
                written = [folder / POINTER]
                write_whole(written[0], os.fsencode(f"{sha256_of(self.file)} {self.file}"))
            else:
                written = [folder / REPORT]
                kept = relocated(report, Path(), folder)
                if self.is_ours and report.records_file is not None:
                    file = report.records_file
                    parts = [part for part in (file, file.sites) if part is not None]
                    named = [(part, Path(part.sha256[:16]).with_suffix(SUFFIX)) for part in parts]
                    written += [folder / name for _, name in named]
                    kept = _copied(report, named, Path(), folder)
                (folder / POINTER).unlink(missing_ok=True)
                write_whole(folder / REPORT, kept.to_json().encode("utf-8"))
            for other in folder.iterdir():
                if other not in written:
                    other.unlink()


@contextmanager
def keeping(settings: AuditSettings) -> Iterator[ReportKeeper]:
    """Within: an audit whose report has to be kept has a place for its records.

    The shards of a run directory are records already, so only the report is kept of them.
    """
    files = [Path(name).absolute() for name in settings.output if name.endswith(".json")]
    if files:
        yield ReportKeeper(settings, file=files[0])
    elif settings.records is not None or settings.run_dir is not None:
        yield ReportKeeper(settings)
    else:
        with TemporaryDirectory(prefix="attn-audit-") as folder:
            records = str(Path(folder) / f"records{SUFFIX}")
            yield ReportKeeper(replace(settings, records=records), is_ours=True)
