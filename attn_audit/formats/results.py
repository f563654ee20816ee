"""Every kind of result: its document for people, and what programs read of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

from pydantic import BaseModel

from attn_audit.document import Document
from attn_audit.formats import csv, junit, sarif
from attn_audit.formats.documents import (
    comparison,
    explanation,
    forecast,
    metrics,
    model,
    report,
    verdict,
    verification,
)
from attn_audit.formats.documents.metrics import Dictionary
from attn_audit.formats.registry import DOCUMENTS
from attn_audit.results.comparison import Comparison
from attn_audit.results.description import ModelDescription
from attn_audit.results.explanation import Explanation
from attn_audit.results.forecast import Forecast
from attn_audit.results.report import Report
from attn_audit.results.verdict import Verdict
from attn_audit.results.verification import Verification

Result = (
    Report | Comparison | Verdict | ModelDescription | Explanation | Forecast | Verification
    | Dictionary
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
                return Output(lambda: forecast.document(result), _json(result))
            case Verification():
                return Output(lambda: verification.document(result), _json(result))
            case Dictionary():
                text = json.dumps(result.as_dict(), indent=2, ensure_ascii=False) + "\n"
                return Output(lambda: metrics.document(result), {".json": lambda: text})

    def text(self, suffix: str) -> str:
        """The whole content of a file; its suffix is one that the registry allows."""
        if suffix in self.machine:
            return self.machine[suffix]()
        made: str = import_module(DOCUMENTS[suffix]).render(self.document())
        return made


def _json(value: BaseModel) -> dict[str, Callable[[], str]]:
    return {".json": lambda: value.model_dump_json(indent=2) + "\n"}


def _of_report(found: Report, judged: Verdict | None) -> Output:
    """A report says what was found, and every policy may judge it anew: JSON and CSV hold none."""
    machine = {".json": found.to_json, ".csv": lambda: csv.render(found, judged)}
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
