"""Numbers that no audit writes are found, wherever in a report they stand."""

import json
from pathlib import Path

import pytest

from attn_audit.results import report as module
from attn_audit.results.report import Report, contradictions
from attn_audit.statistics.summary import Distribution, Histogram, JointHistogram, Value
from tests.formats.conftest import multilabel, report, unlabelled

__all__ = ["multilabel", "report", "unlabelled"]

SCHEMA = Path(module.__file__).with_name("report.schema.json")


def test_the_published_schema_is_the_reports_own() -> None:
    """After a wanted change: write `Report.model_json_schema()` there again."""
    published, own = json.loads(SCHEMA.read_text(encoding="utf-8")), Report.model_json_schema()
    for schema in (published, own):  # older versions of pydantic do not quote a dataclass
        schema["$defs"]["Interval"].pop("description", None)
    assert published == own


HALF = Distribution(n=3, mean=None, sd=None, interval=None, minimum=None, maximum=None)


def test_an_audits_report_has_none(report: Report, multilabel: Report) -> None:
    assert list(contradictions(report)) == []
    assert list(contradictions(multilabel)) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            HALF.model_copy(update={"mean": 0.5, "minimum": 0.0, "maximum": 1.0, "median": 0.5}),
            "no mean, extremes or quantiles of 3 examples",
        ),
        (HALF, "no mean, extremes or quantiles of 3 examples"),
        (Histogram(edges=(0.0, 1.0), counts=(1, 2)), "2 counts between 2 edges"),
        (Histogram(edges=(0.0, 0.0), counts=(1,)), "edges that do not rise"),
        (Histogram(edges=(0.0, 1.0), counts=(-1,)), "a count below 0"),
        (
            JointHistogram(x_edges=(0.0, 1.0), y_edges=(0.0, 1.0), counts=((1, 2),)),
            "2 counts between 2 edges",
        ),
    ],
)
def test_finds_what_does_not_fit_together(value: Value, problem: str) -> None:
    assert next(contradictions(value, "part")) == f"part: {problem}"


def test_names_the_place_of_a_number_that_is_none(report: Report) -> None:
    wrong = report.n_units.model_copy(update={"mean": float("nan")})
    changed = report.model_copy(update={"n_units": wrong})
    assert list(contradictions(changed)) == ["n_units.mean: nan is no finite number"]
