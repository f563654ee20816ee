"""What Python users hold does what the commands do, and says so in a few lines."""

import gc
import json
import pickle
import sys
from dataclasses import FrozenInstanceError
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import kendalltau
from typer.testing import CliRunner

import attn_audit
from attn_audit.cli import app
from attn_audit.errors import (
    AttnAuditError,
    ConfigurationError,
    MetricError,
    RecordsError,
    ReportError,
    ReportsError,
    UsageError,
)
from attn_audit.findings.registry import record_fields, statistics
from attn_audit.formats.charts import specification
from attn_audit.formats.documents.report import figures
from attn_audit.formats.palette import FILES
from attn_audit.formats.registry import FORMATS, OF_RESULTS
from attn_audit.public import PublicResult
from tests.models.custom.toys import TEXTS
from tests.tiny import tiny_model

SMALL = {"limit": 12, "reproducible": True, "permutations": 10}


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code in (0, 1, 4), done.output
    return done.stdout


@pytest.fixture(scope="module")
def report() -> attn_audit.Report:
    return attn_audit.audit("demo", "demo", **SMALL)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two reports with their records, `old.json` and `new.json`, of two seeds."""
    made = tmp_path_factory.mktemp("reports")
    for name, n in (("old", 10), ("new", 12)):
        found = attn_audit.audit(
            "demo", "demo", limit=12, reproducible=True, checks="permutation",
            records=made / f"{name}.parquet", batch_size=n,
        )  # fmt: skip
        found.save(made / f"{name}.json")
    return made


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text('[[bound]]\nmetric = "permutation.moved"\nmax = 0.9\n')
    return path


# --- numbers ----------------------------------------------------------------------------------


def test_every_number_is_there_by_its_name_or_says_why_not(report: attn_audit.Report) -> None:
    measured = {name for name in statistics() if statistics()[name].metric.name in report.metrics}
    for name in set(statistics()) - measured:
        with pytest.raises(MetricError, match=r"was not measured\. "):
            report[name]
    assert len(measured) > 100
    for name in measured:
        estimate, summary = report[name], report.metrics[statistics()[name].metric.name]
        suffix = statistics()[name].suffix or "estimate"
        assert estimate.value == getattr(summary, suffix)
        assert estimate.n == summary.n
        if statistics()[name].has_interval and summary.interval is not None:
            assert (estimate.low, estimate.high) == (summary.interval.low, summary.interval.high)
        else:
            assert (estimate.low, estimate.high) == (None, None)


def test_an_estimate_is_a_small_value_that_reads_well() -> None:
    estimate = attn_audit.Estimate(0.25, 0.125, 0.5, 40)
    assert str(estimate) == "0.25 [0.125, 0.5] (n=40)"
    assert repr(estimate) == "Estimate(value=0.25, low=0.125, high=0.5, n=40)"
    assert str(attn_audit.Estimate(3.0)) == "3"
    with pytest.raises(FrozenInstanceError):
        estimate.value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("permutation.distnce", "Did you mean 'permutation.distance'?"),
        ("permutation.distance.medain", "Did you mean 'permutation.distance.median'?"),
        ("permutation.distance.mean", "It is called 'permutation.distance' now."),
        ("x", "`attn-audit metrics` lists them all."),
    ],
)
def test_a_number_that_there_is_not_is_a_key_error_with_the_nearest_name(
    report: attn_audit.Report, name: str, message: str
) -> None:
    with pytest.raises(KeyError) as caught:
        report[name]
    assert str(caught.value) == f"there is no {name!r}. {message}"
    assert isinstance(caught.value, AttnAuditError)


def test_a_number_that_was_not_measured_says_what_to_do() -> None:
    report = attn_audit.audit(tiny_model(), TEXTS, checks="permutation", permutations=5)
    with pytest.raises(KeyError, match="adversarial check was not run") as caught:
        report["adversarial.max_jsd"]
    assert "`checks=permutation,adversarial`" in str(caught.value)
    with pytest.raises(KeyError, match="The data has no labels"):
        report["performance.accuracy"]


# --- records ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_records_are_the_same_table_wherever_they_are_kept(tmp_path: Path, suffix: str) -> None:
    model, data = tiny_model(), TEXTS
    kept = tmp_path / f"records{suffix}"
    spooled = attn_audit.audit(model, data, **SMALL)  # type: ignore[arg-type]
    filed = attn_audit.audit(model, data, records=kept, **SMALL)  # type: ignore[arg-type]
    sharded = attn_audit.audit(model, data, run_dir=tmp_path / "run", **SMALL)  # type: ignore[arg-type]
    filed.save(tmp_path / "report.json")
    loaded = attn_audit.load_report(tmp_path / "report.json")
    table = spooled.records
    assert table is spooled.records
    assert table.column_names == [field.name for field in record_fields()]
    assert table.equals(sharded.records)
    assert loaded.model_copy(update={"records_file": filed.records_file}) == filed
    for report in (filed, loaded):
        assert report.records.equals(table.select(report.records.column_names))
    assert (suffix == ".csv") == (filed.records.num_columns < table.num_columns)
    assert spooled == sharded
    assert spooled.records_file is None


def test_records_outlive_a_change_of_folder_and_go_with_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quick = {**SMALL, "checks": "permutation"}
    attn_audit.audit("demo", "demo", records="mine.jsonl", **quick).save("mine.json")  # type: ignore[arg-type]
    spooled = attn_audit.audit("demo", "demo", **quick)  # type: ignore[arg-type]
    loaded = attn_audit.load_report("mine.json")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert spooled.records.equals(loaded.records)
    loaded.save("moved.json")
    assert attn_audit.load_report("moved.json").records.equals(loaded.records)
    (tmp_path / "mine.jsonl").write_text("{}")
    with pytest.raises(RecordsError, match="is not the file that"):
        attn_audit.load_report("moved.json").records  # noqa: B018
    assert spooled._spool is not None
    file = spooled._spool.path
    copied = spooled.model_copy()
    del spooled
    gc.collect()
    assert file.exists()
    del copied
    gc.collect()
    assert not file.parent.exists()


def test_a_report_without_records_says_how_to_get_some(
    tmp_path: Path, report: attn_audit.Report
) -> None:
    report.save(tmp_path / "report.json")
    with pytest.raises(ReportError, match="it names no records") as caught:
        attn_audit.load_report(tmp_path / "report.json").records  # noqa: B018
    assert caught.value.hint == "Audit with records=..., and save that report."


# --- saving and showing -----------------------------------------------------------------------


def everything(report: attn_audit.Report) -> list[PublicResult]:
    return [
        report,
        attn_audit.judge(report),
        attn_audit.compare(report, report),
        attn_audit.explain("demo", "A warm and funny film ."),
        attn_audit.plan("demo", "demo", limit=12, checks="permutation"),
        attn_audit.verify(report, "demo", "demo"),
    ]


def test_a_frame_holds_every_number_that_can_be_asked_for(report: attn_audit.Report) -> None:
    frame = report.to_frame()
    assert list(frame.columns) == ["value", "low", "high", "n", "definition"]
    assert frame.index.name == "metric"
    for name, row in frame.iterrows():
        asked = report[str(name)]
        assert row["value"] == asked.value
        ends = (asked.low, asked.high)
        assert [None if np.isnan(row[end]) else row[end] for end in ("low", "high")] == [*ends]
        assert (None if row.isna()["n"] else int(row["n"])) == asked.n
        assert row["definition"] == statistics()[str(name)].definition
    for name in set(statistics()) - set(frame.index):
        with pytest.raises(MetricError, match="was not measured"):
            report[name]


def test_a_frame_without_pandas_is_refused_with_what_to_do(
    report: attn_audit.Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigurationError, match="pandas is not installed") as caught:
        report.to_frame()
    assert caught.value.hint == "pip install pandas"


def test_charts_are_the_figures_that_are_written(report: attn_audit.Report) -> None:
    """The same data and marks, with the title that files have not."""
    charts = report.figures()
    assert list(charts) == [figure.name for figure in figures(report)]
    for figure in figures(report):
        shown, file = charts[figure.name].to_dict(), specification(figure, FILES)
        assert shown.pop("title") == figure.title
        config = file.pop("config")
        assert {**shown.pop("config"), "view": None} == config | {
            "view": None,
            "background": "white",
        }
        assert file.pop("description") == figure.title
        assert shown == file


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_every_result_is_saved_shown_and_framed(tmp_path: Path, report: attn_audit.Report) -> None:
    for result in everything(report):
        assert 1 < len(repr(result).splitlines()) < 10
        assert str(result) == repr(result)
        for suffix in set(result.formats) - {".xml", ".sarif"}:  # what a policy says
            path = tmp_path / f"out{suffix}"
            result.save(path)
            assert path.stat().st_size > 100
        assert set(OF_RESULTS) <= set(result.formats)
        page = (tmp_path / "out.html").read_text(encoding="utf-8")
        elements = Elements()
        elements.feed(result._repr_html_())
        ((tag, attributes),) = elements.found
        assert tag == "iframe"
        assert attributes["srcdoc"] == page
        assert attributes["sandbox"] == "allow-scripts"
        with pytest.raises(ConfigurationError, match=r"^path .*\.pdf: the suffix says") as caught:
            result.save(tmp_path / "out.pdf")
        assert str(caught.value.hint).startswith("Use one of .json")


def test_a_report_says_the_model_the_question_the_answer_and_what_each_check_found(
    report: attn_audit.Report,
) -> None:
    first, question, answer, *answers = repr(report).splitlines()
    assert "BiLSTM" in first
    assert "12 examples of texts.jsonl" in first
    assert report.answer is not None
    assert answer == f"  ? {report.answer.said}"
    assert question.strip().endswith("?")
    assert [answer.split(":")[0] for answer in answers] == [
        "  - Model", "  - Correlation", "  - Attended words", "  - Permutation", "  - Adversarial",
    ]  # fmt: skip


def test_reports_are_saved_as_the_command_writes_them(tmp_path: Path, folder: Path) -> None:
    found = attn_audit.load_report(folder / "new.json")
    outputs = [word for suffix in FORMATS for word in ("-o", tmp_path / f"theirs{suffix}")]
    run("report", folder / "new.json", "--policy", "default", *outputs, "-q")
    for suffix in FORMATS:
        found.save(tmp_path / f"ours{suffix}", policy="default")
        ours, theirs = (tmp_path / f"{name}{suffix}" for name in ("ours", "theirs"))
        assert ours.read_bytes() == theirs.read_bytes(), suffix
    with pytest.raises(ConfigurationError, match="no policy is named") as caught:
        found.save(tmp_path / "out.xml")
    assert caught.value.hint is not None
    assert "policy=default" in caught.value.hint


def test_a_comparison_is_saved_in_the_formats_of_reports(
    tmp_path: Path, report: attn_audit.Report
) -> None:
    plain = attn_audit.compare(report, report)
    plain.save(tmp_path / "out.csv")
    with pytest.raises(ConfigurationError, match="no policy is named"):
        plain.save(tmp_path / "out.sarif")
    drop = {"bound": [{"metric": "permutation.moved", "max_drop": 0.1}]}
    judged = attn_audit.compare(report, report, drop)
    judged.save(tmp_path / "out.sarif")
    assert isinstance(judged.verdict, attn_audit.Verdict)


def test_the_figures_that_an_audit_is_asked_for_are_drawn(tmp_path: Path) -> None:
    options = {**SMALL, "checks": "permutation"}
    attn_audit.audit("demo", "demo", figures=tmp_path / "figures", **options)  # type: ignore[arg-type]
    assert list((tmp_path / "figures").glob("*.png"))


# --- the same as the commands -----------------------------------------------------------------


def test_a_report_is_judged_as_the_command_judges_it(folder: Path, policy: Path) -> None:
    stored = folder / "new.json"
    by_hand = {"bound": [{"metric": "permutation.moved", "max": 0.9}]}
    for name in ("default", policy):
        expected = json.loads(run("gate", stored, "--policy", name, "--format", "json"))
        for report in (stored, str(stored), attn_audit.load_report(stored)):
            found = attn_audit.judge(report, name)
            assert json.loads(found.to_json()) == expected
    loaded = attn_audit.load_policy(str(policy))
    assert attn_audit.judge(stored, loaded) == attn_audit.judge(stored, policy)
    found = attn_audit.judge(stored, by_hand)
    assert found.judgements == attn_audit.judge(stored, policy).judgements
    assert found.policy == "in memory"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ("nowhere.toml", "^policy nowhere.toml: there is no such file"),
        ({"bonud": []}, "^policy: unknown key 'bonud'"),
        ({"bound": [{"metric": "x", "max": 1.0}]}, r"^policy: bound 1 \(x\): there is no metric"),
        ({}, "the policy in memory bounds no number of a report"),
    ],
)
def test_what_is_wrong_with_a_policy_is_said(
    folder: Path, policy: str | dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        attn_audit.judge(folder / "new.json", policy)


def test_a_waiver_holds_through_its_last_day(report: attn_audit.Report) -> None:
    policy = {
        "bound": [{"metric": "permutation.distance", "min": 0.99}],
        "waiver": [
            {"metric": "permutation.distance", "reason": "known", "expires": date(2026, 5, 1)}
        ],
    }
    outcomes = [attn_audit.judge(report, policy, date(2026, 5, day)).outcome for day in (1, 2)]
    assert outcomes == ["pass", "fail"]


def test_reports_are_compared_as_the_command_compares_them(folder: Path) -> None:
    old, new = folder / "old.json", folder / "new.json"
    expected = json.loads(run("compare", old, new, "--format", "json"))
    assert json.loads(attn_audit.compare(old, str(new)).to_json()) == expected
    loaded = attn_audit.compare(attn_audit.load_report(old), attn_audit.load_report(new))
    assert json.loads(loaded.to_json()) == expected
    assert expected["n_pairs"] == 12


def test_reports_in_memory_are_compared_example_by_example(report: attn_audit.Report) -> None:
    found = attn_audit.compare(report, report)
    assert found.n_pairs == 12
    assert found.base.report == "report in memory"
    other = attn_audit.audit(tiny_model(), TEXTS, checks="permutation", permutations=10)
    with pytest.raises(AttnAuditError) as caught:
        attn_audit.compare(report, other)
    assert "--" not in f"{caught.value.message} {caught.value.hint}"


def test_reports_are_tabled_as_the_command_tables_them(
    folder: Path, tmp_path: Path, report: attn_audit.Report
) -> None:
    old, other = folder / "old.json", tmp_path / "other.json"
    report.save(other)
    expected = json.loads(run("table", old, other, "--format", "json"))
    found = attn_audit.table(attn_audit.load_report(old), str(other))
    assert found.model_dump(mode="json") == expected
    for suffix in (".csv", ".md", ".tex", ".html", ".txt", ".json"):
        found.save(tmp_path / f"table{suffix}")
        assert (tmp_path / f"table{suffix}").stat().st_size > 100
    assert "<iframe" in found._repr_html_()
    assert "report in memory, number 1" in attn_audit.table(report, old).model_dump_json()


def test_what_cannot_be_tabled_is_said(report: attn_audit.Report) -> None:
    with pytest.raises(ConfigurationError, match="reports: nothing to put into a table"):
        attn_audit.table()
    with pytest.raises(ReportsError, match="an audit of the same weights"):
        attn_audit.table(report, report)
    with pytest.raises(ReportsError, match=r"none\.json"):
        attn_audit.table("none.json")


def test_a_report_is_verified_as_the_command_verifies_it(tmp_path: Path, folder: Path) -> None:
    stored, out = folder / "new.json", tmp_path / "out.json"
    run("verify", stored, "demo", "demo", "--output", out, "-q")
    expected = json.loads(out.read_text())
    found = attn_audit.verify(stored, "demo", "demo").model_dump(mode="json")
    del expected["seconds"], found["seconds"]
    assert found == expected
    assert found["holds"]


def test_models_and_texts_in_memory_are_verified_and_planned() -> None:
    report = attn_audit.audit(tiny_model(), TEXTS, **SMALL)  # type: ignore[arg-type]
    found = attn_audit.verify(report, tiny_model(), TEXTS, seed=1)
    assert found.holds
    assert (found.report, found.model, found.n_examples) == ("report in memory", "in memory", 4)
    others = [f"{text} w3" for text in TEXTS]
    assert not attn_audit.verify(report, tiny_model(), others).holds
    forecast = attn_audit.plan(tiny_model(), TEXTS, checks="permutation")
    assert forecast.n_examples == len(TEXTS)


def test_options_of_one_call_are_not_those_of_another(folder: Path) -> None:
    for call in (
        lambda: attn_audit.verify(folder / "new.json", "demo", "demo", epsilon=0.1),  # type: ignore[call-arg]
        lambda: attn_audit.plan("demo", "demo", records="x.parquet"),  # type: ignore[call-arg]
        lambda: attn_audit.explain("demo", "fine", limit=3),  # type: ignore[call-arg]
    ):
        with pytest.raises(ConfigurationError, match="no such option"):
            call()


# --- the rest ---------------------------------------------------------------------------------


def test_everything_public_is_there_and_no_module_takes_its_name() -> None:
    assert dir(attn_audit) == sorted(attn_audit.__all__)
    for name in attn_audit.__all__:
        assert not isinstance(getattr(attn_audit, name), ModuleType)
    with pytest.raises(AttributeError, match="no attribute 'adit'"):
        attn_audit.adit  # type: ignore[attr-defined]  # noqa: B018


def test_a_loaded_report_goes_to_other_processes(folder: Path) -> None:
    report = attn_audit.load_report(folder / "new.json")
    again = pickle.loads(pickle.dumps(report))
    assert again == report
    assert isinstance(again.records, pa.Table)


def test_kendall_tau_is_that_of_scipy() -> None:
    generator = np.random.default_rng(5)
    x, y = generator.integers(0, 6, (2, 30, 12)).astype(float)
    lengths = generator.integers(2, 13, 30)
    found = attn_audit.kendall_tau(x, y, lengths)
    for i, n in enumerate(lengths):
        expected = kendalltau(x[i, :n], y[i, :n])
        np.testing.assert_allclose(found.tau[i], expected.statistic, atol=1e-12)
        np.testing.assert_allclose(found.p_value[i], expected.pvalue, atol=1e-12)
    whole = attn_audit.kendall_tau(list(x[0]), list(y[0]))
    np.testing.assert_allclose(whole.tau, [kendalltau(x[0], y[0]).statistic])


@pytest.mark.parametrize(
    ("x", "y", "lengths", "message"),
    [
        ([1, 2], [1, 2, 3], None, "^x and y: rows of as many numbers"),
        ([1, 2], [1, float("nan")], None, "^y: a number that counts is not finite"),
        ([1, 2], [2, 1], [3], "^lengths: a row has 2 numbers"),
        ([1, 2], [2, 1], [1, 2], "^lengths: one whole number for each of 1 rows"),
        ([1, 2], [2, 1], [1.5], "^lengths: one whole number"),
    ],
)
def test_kendall_tau_refuses_what_does_not_fit(
    x: list[float], y: list[float], lengths: list[int] | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        attn_audit.kendall_tau(x, y, lengths)
