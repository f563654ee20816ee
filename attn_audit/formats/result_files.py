"""Every kind of result as files: its document for people, and what programs read of it.

Files are checked before anything is computed, and are whole or not there. One rule holds for all
that is written: what is there under the name is replaced, but never what the command reads, nor a
folder that holds anything else. A run directory is no output but work that is gone on with.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pydantic import BaseModel

from attn_audit.document import Document
from attn_audit.errors import OutputError
from attn_audit.files import replacing, require_folder_of, require_writable
from attn_audit.formats import csv, junit, sarif
from attn_audit.formats.documents import (
    answers,
    comparison,
    definitions,
    explanation,
    model,
    report,
    report_table,
    verdict,
)
from attn_audit.formats.documents.definitions import Dictionary, Measures
from attn_audit.formats.registry import (
    DOCUMENTS,
    FIGURES,
    FORMATS,
    JUDGED,
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
    | SelfTest | ShownScores | ReportTable | Dictionary | Measures
)  # fmt: skip


@dataclass(frozen=True)
class Output:
    """A result, ready to be written in any format that makes sense of it."""

    document: Callable[[], Document]
    machine: Mapping[str, Callable[[], str]]
    """By suffix, what programs read."""

    @staticmethod
    def of(result: Result, judged: Verdict | None = None) -> "Output":
        """What there is to write of a result, and of what a policy says of it."""
        match result:
            case Report():
                return _of_report(result, judged)
            case Comparison():
                return _of_comparison(result)
            case Verdict():
                return Output(lambda: verdict.document(result), {".json": result.to_json})
            case ModelDescription():
                return Output(lambda: model.document(result), _json(result))
            case Explanation():
                return Output(lambda: explanation.document(result), _json(result))
            case Forecast():
                return Output(lambda: answers.forecast_document(result), _json(result))
            case Verification():
                return Output(lambda: answers.verification_document(result), _json(result))
            case SelfTest():
                return Output(lambda: answers.selftest_document(result), _json(result))
            case ShownScores():
                return Output(lambda: answers.shown_document(result), _json(result))
            case Dictionary():
                return Output(lambda: definitions.document(result), _as_json(result.as_dict()))
            case ReportTable():
                machine = _json(result) | {".csv": lambda: csv.tabled(result)}
                return Output(lambda: report_table.document(result), machine)
            case Measures():
                return Output(
                    lambda: definitions.measures_document(result), _as_json(result.as_dict())
                )

    def text(self, suffix: str) -> str:
        """The whole content of a file; its suffix is one that the registry allows."""
        if suffix in self.machine:
            return self.machine[suffix]()
        made: str = import_module(DOCUMENTS[suffix]).render(self.document())
        return made


def _as_json(content: Mapping[str, object]) -> dict[str, Callable[[], str]]:
    return {".json": lambda: json.dumps(content, indent=2, ensure_ascii=False) + "\n"}


def _json(value: BaseModel) -> dict[str, Callable[[], str]]:
    return {".json": lambda: value.model_dump_json(indent=2) + "\n"}


def _of_report(found: Report, judged: Verdict | None) -> Output:
    """A report says what was found, and every policy may judge it anew: JSON and CSV hold none."""
    machine = {".json": found.to_json, ".csv": lambda: csv.render(found)}
    if judged is not None:
        machine |= {
            ".xml": lambda: junit.render(found, judged),
            ".sarif": lambda: sarif.render(found, judged),
        }
    return Output(lambda: report.document(found, judged), machine)


def _of_comparison(found: Comparison) -> Output:
    judged = found.verdict
    machine = {".json": found.to_json, ".csv": lambda: csv.changes(found)}
    if judged is not None:
        machine |= {
            ".xml": lambda: junit.of_changes(found, judged),
            ".sarif": lambda: sarif.of_changes(found, judged),
        }
    return Output(lambda: comparison.document(found), machine)


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
    _write(paths, [Output.of(relocated(report, origin, path.parent), verdict) for path in paths])


def write_result(output: Output, paths: Sequence[Path]) -> None:
    """Write any other result, likewise.

    Raises:
        OutputError: A file cannot be written.
    """
    _write(paths, [output] * len(paths))


def _write(paths: Sequence[Path], outputs: Sequence[Output]) -> None:
    texts = []
    for path, output in zip(paths, outputs, strict=True):
        require_format(path, is_judged=JUDGED[0] in output.machine)
        texts.append(output.text(path.suffix))
    with ExitStack() as stack:
        for path, text in zip(paths, texts, strict=True):
            temporary = stack.enter_context(replacing(path))
            temporary.write_bytes(text.encode("utf-8"))
