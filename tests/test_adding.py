"""Five things are added from outside of the package, each in as few places as it may take."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import attn_audit
from attn_audit.models.task import Task
from attn_audit.plugins import import_code, load_plugins
from tests import processes
from tests.conftest import REPOSITORY
from tests.models.custom.toys import EXAMPLES, Pooling, attend_plainly, custom_of

MEASURE = {
    "letters.py": """
import attn_audit
import torch
from attn_audit.findings.field import Field, Range, Shape
from attn_audit.findings.measure import Measure
from attn_audit.findings.tolerance import DERIVED

def importance(model, batch):
    values = torch.zeros(batch.unit_mask.shape, dtype=torch.float64)
    for row, item in zip(values, batch.encoded, strict=True):
        row[: item.n_units] = torch.tensor([float(len(unit.text)) for unit in item.units])
    return values

FIELD = Field(
    "letters", "How many letters each unit has", shape=Shape.UNITS, range=Range("letters"),
    null="the measure was not asked for", page="number of letters", claim="letters",
    tolerance=DERIVED,
)
LETTERS = Measure(FIELD, "letters", "{unit} is longest: {value}.", "all units are as long", 0.5)
attn_audit.register_measure(LETTERS, importance)
"""
}

CHECK = {
    "peak.py": """
from dataclasses import dataclass
from typing import ClassVar

import attn_audit
import peak_findings
from attn_audit.checks.base import or_none, rows_of
from attn_audit.checks.base import is_measured, statuses_of_interventions

@dataclass(frozen=True)
class Peak:
    id: ClassVar[str] = "peak"

    def passes(self, n_units):
        return 0

    def run(self, audited):
        two = audited.explanation.topk(min(2, audited.explanation.shape[1]), dim=1).values
        apart = (two[:, 0] - two[:, -1]).cpu().numpy()
        squares = rows_of(audited.explanation**2, audited.lengths)
        return {
            "peak.height": or_none(apart, is_measured(audited)),
            "peak.squares": squares,
            "peak.status": statuses_of_interventions(audited),
        }

attn_audit.register_check(Peak(), peak_findings.FINDINGS)
""",
    "peak_findings.py": """
from attn_audit.document import Histograms, Panel
from attn_audit.findings.check import CheckFindings, SiteNumber
from attn_audit.findings.example import status_field
from attn_audit.findings.field import SHARE, Field, Place, Shape
from attn_audit.findings.metric import UNIT_EDGES, MeanMetric, ShareMetric
from attn_audit.findings.tolerance import MASS
from attn_audit.numbers import mean, number, share

HEIGHT = Field(
    "peak.height", "How far the largest weight is above the second", place=Place.EVERYWHERE,
    range=SHARE, null="attention cannot be moved", page="height of the peak", claim="peaks",
    tolerance=MASS,
)
SQUARES = Field(
    "peak.squares", "The square of each weight", shape=Shape.UNITS, range=SHARE,
    null="the check was not run", page="squared attention", claim="squares", tolerance=MASS,
)
MEAN = MeanMetric.over(HEIGHT, UNIT_EDGES, is_coverage=True, groups={"length": None})
HIGH = ShareMetric(
    "peak.high", "Examples whose largest weight is a tenth above the second",
    values=lambda examples: examples.where(
        examples.is_known(HEIGHT), examples.numbers(HEIGHT) >= 0.1
    ),
)

def answer(report):
    return (f"The peak is {mean(report[MEAN])} high, and {share(report[HIGH])} stand out.",)

def figures(report):
    yield Histograms(
        name="peaks", title="How high peaks are", reading="How many have which.",
        panels=(Panel("All examples", report[MEAN]),), axis="height", counted="height",
        ticks=(0.0, 0.5, 1.0),
    )

def line(record):
    height = record.get("peak.height")
    return None if height is None else f"peak: {number(height)} above the second"

FINDINGS = CheckFindings(
    "peak", "Peak", "Does one word stand out?", (HEIGHT, SQUARES, status_field("peak")),
    (MEAN, HIGH), verdict=lambda report: "See for yourself.", in_short=answer, answer=answer,
    figures=figures, line=line,
    at_sites=(SiteNumber("peak.height", "peak", "peak", "has the highest peak"),),
)
""",
}

METRIC = {
    "long.py": """
import attn_audit
from attn_audit.findings.example import N_UNITS
from attn_audit.findings.metric import ShareMetric

attn_audit.register_metric(ShareMetric("permutation.long", "Texts of over 12 units", values=lambda e: e.numbers(N_UNITS) > 12))
"""  # noqa: E501 : one row
}

FORMAT = {
    "headings.py": """
import attn_audit

def render(document):
    return "".join(f"* {section.title}\\n" for section in document.sections)

attn_audit.register_format(".org", __name__)
"""
}

OUTPUT = {
    "next_word.py": """
from attn_audit.models.task import Multiclass

class NextWord(Multiclass):
    name = "next word"
    of_labels = (17, 4, 9)

    @property
    def n_outputs(self):
        return (30,)

    def from_outputs(self, outputs):
        return outputs[:, list(self.of_labels)]
"""
}

PLUGINS = ("letters.py", "peak.py", "long.py", "headings.py")
POLICY = """
min_examples = 1
[[bound]]
metric = "peak.height"
min = 0.9999
why = "attention shall be on one word"
[[bound]]
metric = "correlation.attention_letters"
min = -1.0
why = "any"
[[bound]]
metric = "permutation.long"
max = 1.0
why = "any"
"""

QUICK = ("--layer", "all", "--limit", "8", "--permutations", "5", "--restarts", "1", "-q")

Run = Callable[..., str]


def test_each_takes_as_few_places_as_it_may() -> None:
    """Files, and lines that say of the new thing that it is there."""
    changes: dict[str, Mapping[str, str]] = {
        "measure": MEASURE, "check": CHECK, "metric": METRIC, "format": FORMAT, "output": OUTPUT,
    }  # fmt: skip
    found = {
        name: (len(files), sum(len(telling(text)) for text in files.values()))
        for name, files in changes.items()
    }
    assert found == {
        "measure": (1, 1),
        "check": (2, 2),
        "metric": (1, 1),
        "format": (1, 1),
        "output": (1, 0),
    }


def telling(text: str) -> list[str]:
    """A registration, or the import of what is registered."""
    return re.findall(r"^(?:attn_audit\.register_\w+\(|import \w+_findings).*$", text, re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of all that is added, and nothing else."""
    folder = tmp_path_factory.mktemp("adding")
    for files in (MEASURE, CHECK, METRIC, FORMAT, OUTPUT):
        for name, text in files.items():
            (folder / name).write_text(text)
    (folder / "policy.toml").write_text(POLICY)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    """The command line in a process of its own: what is added ends with it."""

    def run(*words: str, code: int = 0, plugins: tuple[str, ...] = PLUGINS) -> str:
        named = [word for plugin in plugins for word in ("--plugin", plugin)]
        done = processes.run(folder, *words, *named, COLUMNS="200")
        assert done.exit_code == code, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def audited(folder: Path, run: Run) -> Path:
    """An audit of the packaged model with all of it, in every format."""
    outputs = [f"--output=report.{suffix}" for suffix in ("json", "html", "txt", "csv", "md")]
    run(
        *("audit", "demo", "demo", *QUICK),
        *("--records", "records.parquet", "--output=report.org", *outputs),
    )
    return folder


def test_records_hold_it(audited: Path) -> None:
    columns = pq.read_schema(audited / "records.parquet").names
    added = {"letters", "correlation.attention_letters", "peak.height", "peak.squares"}
    added |= {"erasure.letters", "erasure.letters.neutral"}
    assert added <= set(columns)
    assert "peak.height" in pq.read_schema(audited / "records.sites.parquet").names
    assert "peak.status" in columns
    assert pc.min(pq.read_table(audited / "records.parquet")["peak.height"]).as_py() >= 0


def test_the_report_and_its_tables_hold_it(audited: Path) -> None:
    report = json.loads((audited / "report.json").read_text())
    metrics = report["metrics"]
    assert metrics["peak.height"]["n"] == 8
    assert metrics["peak.high"]["interval"] is not None
    assert metrics["permutation.long"]["interval"] is not None
    assert metrics["correlation.attention_letters"]["mean"] is not None
    assert "correlation.letters_leave_one_out" not in metrics
    assert report["settings"]["checks"][-1] == "peak"
    assert report["settings"]["measures"] is None
    assert set(report["tool"]["plugins"]) == set(PLUGINS)
    assert all(version.startswith("sha256 ") for version in report["tool"]["plugins"].values())
    assert "peak.height" in report["sites"][0]["means"]
    named = {line.split(",")[0] for line in (audited / "report.csv").read_text().splitlines()}
    assert {"peak.height", "peak.high", "permutation.long"} <= named


def test_the_schema_and_the_list_of_metrics_name_it(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("metrics", "--output", "metrics.json", "-q")
    found = json.loads((folder / "metrics.json").read_text())
    assert {"peak.height.median", "permutation.long"} <= {
        entry["name"] for entry in found["metrics"]
    }
    assert {"letters", "peak.squares"} <= {entry["name"] for entry in found["fields"]}
    monkeypatch.chdir(folder)
    monkeypatch.setattr("attn_audit.plugins._LOADED", {})
    load_plugins(("letters.py", "peak.py"))
    schema = attn_audit.Report.model_json_schema()
    assert "peak.high" in schema["properties"]["metrics"]["properties"]
    record = schema["$defs"]["TellingExample"]["properties"]["record"]["properties"]
    assert {"letters", "peak.height", "peak.squares"} <= record.keys()


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("report.html", "How high peaks are"),
        ("report.txt", "examples by height"),
        ("report.md", "## Peak"),
    ],
)
def test_pages_and_terminals_show_it(audited: Path, name: str, figure: str) -> None:
    page = (audited / name).read_text()
    for text in ("Does one word stand out?", "stand out.", "with letters", figure):
        assert text in page, text


def test_examples_are_shaded_and_sorted_by_it(audited: Path) -> None:
    page = (audited / "report.html").read_text()
    for text in ("number of letters", "squared attention", "height of the peak"):
        assert text in page, text
    assert "above the second" in (audited / "report.txt").read_text()


def test_a_format_renders_the_whole_document(audited: Path) -> None:
    headings = (audited / "report.org").read_text().splitlines()
    assert "* Peak" in headings
    assert headings[1:3] == ["* Why this answer", "* How well the model works"]


def test_a_policy_bounds_it(audited: Path, run: Run) -> None:
    shown = run("gate", "report.json", "--policy", "policy.toml", code=1)
    assert re.search(r"fail.*peak\.height", shown, re.IGNORECASE | re.DOTALL)
    assert "correlation.attention_letters" in shown


def test_one_text_is_explained_by_it(run: Run) -> None:
    shown = run("explain", "demo", "--text", "A warm and very funny little film")
    shown = " ".join(shown.split())
    for text in (
        "number of letters",
        "squared attention",
        "tau with attention",
        "above the second",
    ):
        assert text in shown, text
    assert "with letters" not in shown  # the sentence stands on the paper's two


def test_what_it_takes_is_forecast(folder: Path, run: Run) -> None:
    run("plan", "demo", "demo", "--restarts", "1", "--output", "plan.json", "-q")
    (stage,) = (
        stage
        for stage in json.loads((folder / "plan.json").read_text())["stages"]
        if stage["name"] == "peak"
    )
    assert (stage["passes"], stage["seconds"] >= 0) == (0, True)


def test_two_reports_are_compared_by_it(audited: Path, run: Run) -> None:
    run("compare", "report.json", "report.json", "--output", "changes.json", "-q")
    changes = json.loads((audited / "changes.json").read_text())["changes"]
    paired = {change["metric"] for change in changes if change["is_paired"]}
    assert {"peak.height", "peak.high", "permutation.long"} <= paired
    assert "correlation.attention_letters" in paired


def test_a_report_is_verified_by_it(audited: Path, run: Run) -> None:
    shown = run("verify", "report.json", "demo", "demo")
    for claim in ("peaks", "squares", "letters"):
        assert claim in shown, claim


@pytest.mark.usefixtures("audited")
def test_a_report_needs_what_it_was_made_with(run: Run) -> None:
    shown = run("gate", "report.json", code=2, plugins=("letters.py", "long.py"))
    shown = " ".join(shown.split())
    assert "report.json was made with --plugin peak.py --plugin headings.py" in shown


def test_a_plugin_that_was_changed_is_another(audited: Path, run: Run) -> None:
    (audited / "other").mkdir()
    for files in (MEASURE, CHECK, METRIC, FORMAT):
        for name, text in files.items():
            (audited / "other" / name).write_text(text)
    (audited / "other" / "letters.py").write_text(MEASURE["letters.py"] + "# changed\n")
    others = tuple(f"other/{name}" for name in PLUGINS)
    shown = " ".join(run("verify", "report.json", "demo", "demo", code=2, plugins=others).split())
    assert "--plugin letters.py is not the one of this report" in shown
    records = ("--records", "other.parquet", "--output", "other.json")
    run("audit", "demo", "demo", *QUICK, *records, plugins=others)
    shown = run("compare", "report.json", "other.json", code=2)
    assert "plugin letters.py" in shown


def test_nothing_is_loaded_unless_it_is_named(folder: Path, run: Run) -> None:
    (folder / "attn-audit.toml").write_text('plugin = ["peak.py"]\n')
    try:
        shown = run("audit", "demo", "demo", "--limit", "3", code=2, plugins=())
    finally:
        (folder / "attn-audit.toml").rename(folder / "named.toml")
    assert "'plugin' names code to run" in shown
    flags = ("--checks", "peak", "--limit", "3", "-q", "--output", "named.json")
    run("audit", "demo", "demo", *flags, "--config", "named.toml", plugins=())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 / 0", "importing it failed: ZeroDivisionError"),
        (
            MEASURE["letters.py"].replace('"letters"', '"gradient"', 1),
            "there is a 'gradient' already",
        ),
        (
            CHECK["peak.py"].replace('"peak"', '"top"', 1),
            "the findings of 'top' are those of 'peak'",
        ),
        (None, "there is no file wrong.py"),
    ],
)
def test_a_plugin_that_cannot_be_used_is_refused(
    folder: Path, run: Run, text: str | None, problem: str
) -> None:
    if text is not None:
        (folder / "wrong.py").write_text(text)
    else:
        (folder / "wrong.py").unlink(missing_ok=True)
    shown = run("metrics", code=2, plugins=("wrong.py",))
    assert "--plugin wrong.py" in shown
    assert problem in " ".join(shown.split())


def test_the_documentations_measure_is_one(folder: Path, run: Run) -> None:
    page = (REPOSITORY / "docs" / "module.md").read_text(encoding="utf-8")
    (found,) = re.findall(r'```python title="letters.py"\n(.*?)```', page, re.DOTALL)
    (folder / "readme.py").write_text(found)
    assert "correlation.attention_letters" in run("metrics", plugins=("readme.py",))


def test_two_plugins_of_one_name_are_not_told_apart(folder: Path, run: Run) -> None:
    (folder / "same").mkdir()
    (folder / "same" / "long.py").write_text(METRIC["long.py"])
    shown = run("metrics", code=2, plugins=("long.py", "same/long.py"))
    assert "another plugin is called long.py" in shown


def test_an_output_of_ones_own_is_audited(folder: Path) -> None:
    task: type[Task] = vars(import_code("--adapter", str(folder / "next_word.py")))["NextWord"]
    model = custom_of(Pooling(attend_plainly, n_outputs=30), labels=("a", "b", "c"), task=task)
    report = attn_audit.audit(model, EXAMPLES, restarts=1, reproducible=True)
    assert report.model.task == "next word"
