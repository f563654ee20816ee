"""The files that a command writes: checked before anything is computed, whole or not there."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from attn_audit.errors import OutputError
from attn_audit.files import replacing, require_empty_folder, require_writable
from attn_audit.formats.record_paths import records_suffix, site_records_path
from attn_audit.formats.registry import FORMATS, JUDGED, require_format
from attn_audit.formats.results import Output
from attn_audit.results.relocating import relocated
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict
from attn_audit.settings import AuditSettings


def require_outputs(settings: AuditSettings, config: Path | None = None) -> None:
    """Refuse outputs that could not be written afterwards, or would overwrite an input.

    Args:
        settings: Name the outputs and the inputs.
        config: The configuration file, if one was named.

    Raises:
        ConfigurationError: A suffix that is no format, or a format that takes a policy; or a
            setting of run directories without one.
        OutputError: No such folder, no permission, an input, or a file that is named twice.
    """
    reports = [Path(path) for path in settings.output]
    named = (settings.model, settings.data, settings.vocabulary, settings.policy, config)
    inputs = [Path(name) for name in named if name is not None]
    require_reports(
        reports, inputs, _records_files(settings), is_judged=settings.policy is not None
    )
    if settings.figures is not None:
        require_empty_folder(Path(settings.figures))


def require_reports(
    reports: Sequence[Path],
    inputs: Iterable[Path],
    records: Sequence[Path] = (),
    *,
    is_judged: bool = False,
    formats: Sequence[str] = FORMATS,
) -> None:
    """The same for any other result.

    Args:
        reports: Where the result goes.
        inputs: Files that are read.
        records: Other files that are written.
        is_judged: Whether a policy judges it.
        formats: That it can be written in.

    Raises:
        ConfigurationError: A suffix that is no format, or a format that takes a policy.
        OutputError: No such folder, no permission, an input, or a file that is named twice.
    """
    for path in reports:
        require_format(path, formats, is_judged=is_judged)
    taken: set[Path] = set()
    for path in (*reports, *records):
        if path.resolve() in taken:
            options = "--output and --records name" if path in records else "--output names"
            raise OutputError(path, f"{options} this file twice", hint="Name each file once.")
        taken.add(path.resolve())
        require_writable(path, inputs)


def _records_files(settings: AuditSettings) -> list[Path]:
    """The records, and where there are several sites theirs."""
    if settings.records is None:
        return []
    records = Path(settings.records)
    records_suffix(records)
    has_several_sites = "all" in (settings.layer, settings.head)
    return [records, site_records_path(records)] if has_several_sites else [records]


def write_reports(
    report: Report, verdict: Verdict | None, paths: Sequence[Path], origin: Path
) -> None:
    """Write a report in several formats: either all files are written, or none is touched.

    Args:
        report: Any report.
        verdict: What a policy says of it; None where none was named.
        paths: Where to; their suffixes decide the formats.
        origin: The folder that the report's own paths start from.

    Raises:
        OutputError: A file cannot be written.
    """
    made = [Output.of(relocated(report, origin, path.parent), verdict) for path in paths]
    _write_all(paths, [_text(output, path) for output, path in zip(made, paths, strict=True)])


def write_result(output: Output, paths: Sequence[Path]) -> None:
    """Write any other result, likewise.

    Raises:
        OutputError: A file cannot be written.
    """
    _write_all(paths, [_text(output, path) for path in paths])


def _text(output: Output, path: Path) -> str:
    require_format(path, is_judged=JUDGED[0] in output.machine)
    return output.text(path.suffix)


def _write_all(paths: Sequence[Path], texts: Sequence[str]) -> None:
    with ExitStack() as stack:
        for path, text in zip(paths, texts, strict=True):
            temporary = stack.enter_context(replacing(path))
            temporary.write_bytes(text.encode("utf-8"))
