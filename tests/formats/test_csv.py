"""The CSV of a report: every number of the summary once, and no formula."""

import csv
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.findings import permutation
from attn_audit.findings.correlation_pairs import GAP_GRADIENT
from attn_audit.findings.registry import statistics
from attn_audit.formats import csv as csv_format
from attn_audit.formats.result_files import text_of
from attn_audit.quoting import FORMULA, cell
from attn_audit.results.report import Report
from tests.formats.judging import every_kind, hostile

CHECKED = ("correlation.", "attended.", "permutation.", "adversarial.", "performance.", "data.")
"""How the names of a report's numbers begin."""


def lines(report: Report) -> dict[str, dict[str, str]]:
    """Every line of the CSV by its metric."""
    read = list(csv.DictReader(StringIO(csv_format.render(report))))
    assert len({line["metric"] for line in read}) == len(read)
    return {line["metric"]: line for line in read}


def numbers_of(part: Any) -> list[float]:
    """All estimates below a part of the report's JSON: of groups the means alone."""
    if isinstance(part, dict):
        if "distribution" in part:
            return numbers_of(part["distribution"]["mean"])
        counts = {"n", "count"} if "n" in part else set()
        names = part.keys() - {"histogram", "interval", "joint", *counts}
        return [number for name in names for number in numbers_of(part[name])]
    if isinstance(part, list):
        return [number for item in part for number in numbers_of(item)]
    return [part] if isinstance(part, int | float) else []


@pytest.mark.parametrize("name", ["report", "multilabel", "transformer", "only_correlation"])
def test_every_number_of_the_checks_has_one_line(name: str, request: pytest.FixtureRequest) -> None:
    report: Report = request.getfixturevalue(name)
    told = lines(report)
    values = sorted(
        float(line["value"])
        for metric, line in told.items()
        if metric.startswith(CHECKED) and line["value"]
    )
    assert values == sorted(numbers_of(report.model_dump(mode="json")["metrics"]))


@pytest.mark.parametrize("name", ["report", "multilabel", "transformer", "only_correlation"])
def test_what_a_policy_may_bound_has_a_line_of_the_same_name(
    name: str, request: pytest.FixtureRequest
) -> None:
    report: Report = request.getfixturevalue(name)
    told = lines(report)
    found = {metric: report.estimate_of(metric).value for metric in statistics().values()}
    measured = {metric.name: value for metric, value in found.items() if value is not None}
    assert len(measured) > 10
    assert {name: float(told[name]["value"]) for name in measured} == measured


def test_an_estimate_stands_with_its_interval_and_its_examples(report: Report) -> None:
    line = lines(report)["correlation.gap.attention_gradient"]
    gap = report[GAP_GRADIENT]
    assert gap.interval is not None
    assert [float(line[key]) for key in ("value", "low", "high")] == [
        gap.mean,
        gap.interval.low,
        gap.interval.high,
    ]
    assert line["n"] == "209"


def test_what_no_example_has_is_an_empty_cell(nothing_measured: Report) -> None:
    line = lines(nothing_measured)["correlation.attention_gradient"]
    assert (line["value"], line["low"], line["high"], line["n"]) == ("", "", "", "0")


def test_groups_sites_and_degenerate_examples_have_names(transformer: Report) -> None:
    told = lines(transformer)
    group = transformer[permutation.DISTANCE].by_prediction[0]
    line = told[f"permutation.distance.by_prediction.{group.name}"]
    assert line["n"] == str(group.distribution.n)
    shuffled = transformer.sites[-1].means["permutation.distance"].mean
    line = told["sites.layer2.head3.permutation.distance"]
    assert float(line["value"]) == shuffled


def test_what_says_nothing_is_counted(nothing_measured: Report) -> None:
    told = lines(nothing_measured)
    assert told["degenerate.permutation.untestable_single_unit"]["value"] == "2"


def test_a_layer_without_heads_is_named_by_itself(by_layer: Report) -> None:
    assert "sites.layer2.correlation.attention_gradient" in lines(by_layer)


def test_a_policy_changes_no_number(report: Report) -> None:
    assert text_of(report, ".csv", every_kind()) == text_of(report, ".csv")


def test_someone_elses_text_is_neither_formula_nor_control_character(report: Report) -> None:
    text = csv_format.render(hostile(report))
    assert not set(text) & set("\x1b\x7f\x9b\u202e\r")
    for row in csv.reader(StringIO(text)):
        assert not row[0].startswith(FORMULA)


@given(st.text(st.sampled_from("=+-@＝ \t\r\n'a1\x1b\u200b"), max_size=8))
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    shown = cell(text)
    assert not shown.lstrip().startswith(FORMULA)
    assert shown.removeprefix("'").isprintable()
