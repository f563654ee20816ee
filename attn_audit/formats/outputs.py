"""Which files an audit writes, checked before anything is computed."""

from pathlib import Path

from attn_audit.config import AuditSettings
from attn_audit.errors import ConfigurationError, OutputError
from attn_audit.files import require_writable
from attn_audit.formats.record_paths import records_suffix, site_records_path

REPORT_SUFFIXES = (".json", ".txt")


def require_outputs(settings: AuditSettings, config: Path | None = None) -> None:
    """Refuse outputs that could not be written afterwards, or would overwrite an input.

    Args:
        settings: Name the outputs and the inputs.
        config: The configuration file, if one was named.

    Raises:
        ConfigurationError: A suffix that is no format.
        OutputError: No such folder, no permission, or the file is an input.
    """
    report, records = (Path(p) if p else None for p in (settings.output, settings.records))
    if report is not None and report.suffix not in REPORT_SUFFIXES:
        raise ConfigurationError(
            f"--output {report}: the suffix says the format, and {report.suffix!r} is none",
            hint=f"Use one of {', '.join(REPORT_SUFFIXES)}.",
        )
    if records is not None:
        records_suffix(records)
        if report is not None and report.resolve() == records.resolve():
            raise OutputError(report, "--output and --records name the same file")
    named = (settings.model, settings.data, settings.vocabulary, config)
    inputs = [Path(name) for name in named if name is not None]
    sites = (
        site_records_path(records) if records and "all" in (settings.layer, settings.head) else None
    )
    for path in (report, records, sites):
        if path is not None:
            require_writable(path, inputs)
