"""Every kind of result as files: its document for people, and what programs read of it.

Files are checked before anything is computed, and are whole or not there. One rule holds for all
that is written: what is there under the name is replaced, but never what the command reads, nor a
folder that holds anything else. A run directory is no output but work that is gone on with.
"""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from attn_audit.document import Document
from attn_audit.errors import OutputError
from attn_audit.files import replacing, require_folder_of, require_writable
from attn_audit.formats import csv, junit, sarif
from attn_audit.formats.documents import (
    answers,
    comparison,
    explanation,
    model,
    report,
    report_table,
    verdict,
)
from attn_audit.formats.documents.definitions import Listing
from attn_audit.formats.registry import (
    DOCUMENTS,
    FIGURES,
    FORMATS,
    records_suffix,
    require_format,
    site_records_path,
)
from attn_audit.results.answers import (
    Explanation,
    Forecast,
    ReportTable,
    SelfTest,
    ShownScores,
    Verification,
)
from attn_audit.results.model_description import ModelDescription
from attn_audit.results.report import Report, relocated
from attn_audit.results.verdict import Comparison, Verdict
from attn_audit.settings import AuditSettings

Result = (
    Report | Comparison | Verdict | ModelDescription | Explanation | Forecast | Verification
    | SelfTest | ShownScores | ReportTable | Listing
)  # fmt: skip


def document_of(result: Result, judged: Verdict | None = None) -> Document:
    """What is said of a result for people, and of what a policy says of a report."""
    match result:
        case Report():
            return report.document(result, judged)
        case Comparison():
            return comparison.document(result)
        case Verdict():
            return verdict.document(result)
        case ModelDescription():
            return model.document(result)
        case Explanation():
            return explanation.document(result)
        case Forecast():
            return answers.forecast_document(result)
        case Verification():
            return answers.verification_document(result)
        case SelfTest():
            return answers.selftest_document(result)
        case ShownScores():
            return answers.shown_document(result)
        case ReportTable():
            return report_table.document(result)
        case Listing():
            return result.document


def text_of(result: Result, suffix: str, judged: Verdict | None = None) -> str:
    """The whole content of a file; its suffix is one that the registry allows.

    A report says what was found, and every policy may judge it anew: JSON and CSV hold none.
    """
    match suffix:
        case ".json":
            return result.to_json()
        case ".csv" if isinstance(result, Report | Comparison | ReportTable):
            return csv.render(result)
        case ".xml" | ".sarif" if isinstance(result, Report | Comparison) and judged is not None:
            render = junit.render if suffix == ".xml" else sarif.render
            return render(result, judged)
        case _:
            made: str = import_module(DOCUMENTS[suffix]).render(document_of(result, judged))
            return made


def require_outputs(settings: AuditSettings, config: Path | None = None) -> None:
    """Refuse outputs that could not be written afterwards, or would overwrite an input.

    Raises:
        ConfigurationError: A suffix that is no format, or a format that takes a policy; or a
            setting of run directories without one.
        OutputError: No such folder, no permission, an input, or a file that is named twice.
    """
    records: list[Path] = []
    if settings.records is not None:
        records.append(Path(settings.records))
        records_suffix(records[0])
        if "all" in (settings.layer, settings.head):
            records.append(site_records_path(records[0]))
    reports = [Path(path) for path in settings.output]
    named = (settings.model, *settings.data, settings.vocabulary, settings.policy, config)
    inputs = [Path(name) for name in named if name is not None]
    require_reports(reports, inputs, records, is_judged=settings.policy is not None)
    if settings.figures is not None:
        require_folder_of(Path(settings.figures), FIGURES)


def require_reports(
    reports: Sequence[Path],
    inputs: Iterable[Path],
    records: Sequence[Path] = (),
    *,
    is_judged: bool = False,
    formats: Sequence[str] = FORMATS,
) -> None:
    """The same for any other result.

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


def write_reports(
    report: Report, verdict: Verdict | None, paths: Sequence[Path], origin: Path
) -> None:
    """Write a report in several formats: either all files are written, or none is touched.

    Args:
        paths: Where to; their suffixes decide the formats.
        origin: The folder that the report's own paths start from.

    Raises:
        OutputError: A file cannot be written.
    """
    _write([(path, relocated(report, origin, path.parent)) for path in paths], verdict)


def write_result(result: Result, paths: Sequence[Path]) -> None:
    """Write any other result, likewise.

    Raises:
        OutputError: A file cannot be written.
    """
    judged = result.verdict if isinstance(result, Comparison) else None
    _write([(path, result) for path in paths], judged)


def _write(results: Sequence[tuple[Path, Result]], judged: Verdict | None) -> None:
    texts = []
    for path, result in results:
        require_format(path, is_judged=judged is not None)
        texts.append((path, text_of(result, path.suffix, judged)))
    with ExitStack() as stack:
        for path, text in texts:
            temporary = stack.enter_context(replacing(path))
            temporary.write_bytes(text.encode("utf-8"))
