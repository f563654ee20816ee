"""A field and a metric that are added from outside stand wherever others do."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import attn_audit
from attn_audit.checks.base import AuditedBatch, Columns
from attn_audit.checks.permutation import Permutation
from attn_audit.findings.example import N_UNITS
from attn_audit.findings.field import Field, Place, Range
from attn_audit.findings.metric import MeanMetric, ShareMetric
from attn_audit.findings.registry import added, all_fields, renamed, statistics
from attn_audit.findings.tolerance import DERIVED
from attn_audit.formats import csv as report_csv
from attn_audit.judgement.gate import judge
from attn_audit.results.report import Report
from attn_audit.results.storage import require_shown
from attn_audit.results.table import Examples, Values
from attn_audit.verification.tally import Numbers
from tests.judged import compare, policy_from
from tests.rows import RowsModel, texts

FIELD = Field[float | None](
    "permutation.spread", "How far apart the ends of an example's text are",
    place=Place.EVERYWHERE, range=Range("units", high=100.0), null="attention cannot be moved",
    page="spread", claim="spreads", tolerance=DERIVED, formerly="spread_of_permutations",
)  # fmt: skip


def is_long(examples: Examples) -> Values:
    return examples.where(examples.is_known(FIELD), examples.numbers(N_UNITS) > 6)


SPREAD = MeanMetric.over(FIELD, is_coverage=True, groups={"length": None})
LONG = ShareMetric("permutation.long", "Texts of over 6 units", values=is_long)


class Spread(Permutation):
    """The permutation check, and a number of a stranger's beside its own."""

    def run(self, audited: AuditedBatch) -> Columns:
        """One less than the units of each text; nothing of a text of 9."""
        spread = [None if n == 9 else float(n - 1) for n in audited.lengths]
        return super().run(audited) | {FIELD.name: spread}


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Report, Path]]:
    """An audit that measures the field, and its records."""
    monkeypatch.setattr("attn_audit.engine.sampling.make_checks", lambda *_: (Spread(0.05, 5),))
    monkeypatch.chdir(tmp_path)
    with added(FIELD, SPREAD, LONG):
        found = attn_audit.audit(
            RowsModel(), texts(4, 6, 7, 9), layer="all", checks="permutation",
            records="found.jsonl",
        )  # fmt: skip
        path = tmp_path / "report.json"
        path.write_text(found.to_json())
        yield Report.load(path), path


def test_records_of_examples_and_sites_hold_the_field(audited: tuple[Report, Path]) -> None:
    folder = audited[1].parent
    for name in ("found.jsonl", "found.sites.jsonl"):
        rows = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        assert {row["n_units"] - 1 for row in rows if "n_units" in row} <= {3, 5, 6, 8}
        assert {row[FIELD.name] for row in rows} == {3.0, 5.0, 6.0, None}


def test_the_report_sums_it_up(audited: tuple[Report, Path]) -> None:
    report, _ = audited
    spread, long = report[SPREAD], report[LONG]
    assert spread.n == 3
    assert spread.mean == pytest.approx(14 / 3)
    assert [group.name for group in spread.by_length] == ["1 to 4", "5 to 9"]
    assert (long.count, long.n) == (1, 3)
    assert all(site.means[FIELD.name].n == 3 for site in report.sites)
    assert report.coverage("permutation") == 3
    assert FIELD.name in report.sampled_examples[0]
    require_shown(report.sampled_examples[:1])


def test_schemas_csv_and_the_dictionary_name_it(audited: tuple[Report, Path]) -> None:
    schema = Report.model_json_schema()
    metrics = schema["properties"]["metrics"]["properties"]
    assert metrics["permutation.spread"]["description"].startswith("How far apart")
    record = schema["$defs"]["TellingExample"]["properties"]["record"]["properties"]
    assert record[FIELD.name]["description"] == f"{FIELD.definition}."
    lines = list(csv.reader(report_csv.render(audited[0]).splitlines()))
    assert {"permutation.spread", "permutation.spread.median", "permutation.long"} <= {
        line[0] for line in lines
    }
    assert "permutation.spread.q95" in statistics()
    assert FIELD in all_fields()
    assert renamed()["spread_of_permutations"] == renamed()["permutation.spread.mean"] == FIELD.name


def test_a_policy_bounds_it(audited: tuple[Report, Path], tmp_path: Path) -> None:
    policy = policy_from(tmp_path, '[[bound]]\nmetric = "permutation.spread"\nmax = 3.5\n')
    (judgement,) = judge(audited[0], policy).judgements
    assert judgement.estimate == pytest.approx(14 / 3)


def test_two_reports_are_paired_by_it(audited: tuple[Report, Path]) -> None:
    path = audited[1]
    changes = {change.metric: change for change in compare(path, path).changes}
    assert changes["permutation.spread"].is_paired
    assert changes["permutation.long"].n == 3


def test_verify_holds_it_to_its_tolerance() -> None:
    with added(FIELD):
        numbers = Numbers("sample", "float32", 5, searches_again=False)
        numbers.compare({"id": "a", FIELD.name: 3.0}, {"id": "a", FIELD.name: 3.1})
        (claim,) = [tally for tally in numbers.tallies if tally.name == "spreads"]
    assert (claim.n_failed, claim.tolerance) == (1, DERIVED)


def test_nothing_of_it_is_left_behind() -> None:
    assert FIELD not in all_fields()
    assert "permutation.spread" not in statistics()
    with added(FIELD), pytest.raises(ValueError, match="already"), added(FIELD):
        pass
    assert np.all([field.name != FIELD.name for field in all_fields()])
