"""`--shown`: scores that a product shows; and plausibility, where people marked the texts."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from attn_audit.findings import registry
from attn_audit.results import report as module
from tests.cli.conftest import AttnAudit, invoke, write_model
from tests.tiny import tiny_examples

N_TEXTS = 90


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Fields are known as measures until the process ends."""
    with registry.added():
        yield


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on texts whose product shows what leaving out does, and of others' lengths."""
    folder = tmp_path_factory.mktemp("shown")
    model = write_model(folder / "model.pt")
    plain = [{"id": e.id, "text": e.text} for e in tiny_examples(N_TEXTS, lengths=(3, 4))]
    data, known = write(folder / "data.jsonl", plain), folder / "known.jsonl"
    invoke("audit", model, data, "--checks", "attended", "--records", known, "--quiet")
    rows = [
        row | {
            "ours": record["margin_lost"],
            "length": [len(unit) for unit in record["units"]],
            "rationale": [[0, len(record["units"][0])]],
        }
        for row, record in zip(plain, rows_of(known), strict=True)
    ]  # fmt: skip
    write(data, rows)
    with registry.added():
        done = invoke(
            "audit", model, data, "--checks", "erasure,plausibility", "--shown", "ours,length",
            "--measures", "leave_one_out", "--output", folder / "report.json",
            "--records", folder / "records.jsonl", "--quiet",
        )  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, "")
    return folder


def test_a_product_that_shows_what_leaving_out_does_is_judged_as_that(judged: Path) -> None:
    metrics = json.loads((judged / "report.json").read_text())["metrics"]
    for suffix in ("", ".neutral", ".sufficiency", ".above_random"):
        own = metrics[f"erasure.leave_one_out{suffix}"]
        assert metrics[f"erasure.shown.ours{suffix}"] == own
    assert metrics["erasure.shown.ours"]["mean"] > metrics["erasure.shown.length"]["mean"]


def test_it_is_recommended_for_it_costs_nothing(judged: Path) -> None:
    report = json.loads((judged / "report.json").read_text())
    found = report["recommendation"]
    assert found["show_instead"] == "shown.ours"
    candidates = {each["measure"]: each for each in found["candidates"]}
    assert candidates["shown.ours"]["passes"] == 0
    assert not candidates["shown.length"]["passed"]
    assert "the scores 'ours'" in found["sentence"]


def test_people_are_agreed_with_apart_from_all_that(judged: Path) -> None:
    report = json.loads((judged / "report.json").read_text())
    assert report["metrics"]["plausibility.attention.gap"]["n"] == N_TEXTS
    assert report["metrics"]["plausibility.shown.ours.auprc"]["mean"] > 0
    shown = invoke("report", judged / "report.json").stdout
    assert "agreement with people, not faithfulness" in " ".join(shown.split())


def test_the_report_follows_the_published_schema(judged: Path) -> None:
    schema = json.loads(Path(module.__file__).with_name("report.schema.json").read_text())
    jsonschema.validate(json.loads((judged / "report.json").read_text()), schema)


def test_whoever_reads_the_report_knows_the_fields(judged: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[bound]]\nmetric = "erasure.shown.length"\nmin = 0.99\n')
    assert "erasure.shown.length" not in registry.statistics()
    assert invoke("gate", judged / "report.json", "--policy", policy).exit_code == 1
    verified = invoke("verify", judged / "report.json", judged / "model.pt", judged / "data.jsonl")
    assert verified.exit_code == 0


MISFITS: list[tuple[list[object], str]] = [
    ([0.5], "'ours' holds 1 score, and the model reads 3 units"),
    ([0.5, float("nan"), 1], "'ours' holds nan, which is no finite number"),
    ([[0, 99, 0.5]], "'ours' holds [0, 99], which is outside of the text (9 characters)"),
]
SHOWN = ("--checks", "erasure", "--shown", "ours", "--quiet")


@pytest.mark.parametrize(("scores", "problem"), MISFITS)
def test_scores_that_do_not_fit_are_named_by_line(
    attn_audit: AttnAudit, model: Path, tmp_path: Path, scores: list[object], problem: str
) -> None:
    rows = [{"text": "w4 w9 w11", "ours": [1, 2, 3]}, {"text": "w5 w9 w12", "ours": scores}]
    done = attn_audit("audit", model, write(tmp_path / "data.jsonl", rows), *SHOWN)
    assert done.exit_code == 2
    assert "data.jsonl:2" in done.stderr
    assert problem in done.stderr


def test_rows_whose_scores_do_not_fit_are_left_out_where_that_is_said(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    fitting = [{"text": f"w{i} w9 w11", "ours": [1, 2, 3]} for i in (4, 6)]
    misfits = [{"text": f"w{i} w9 w12", "ours": of} for i, (of, _) in enumerate(MISFITS, 13)]
    data = write(tmp_path / "data.jsonl", [*fitting, *misfits])
    done = attn_audit("audit", model, data, *SHOWN, "--on-bad-row", "skip", "--output", "r.json")
    assert done.exit_code == 0, done.stderr
    left_out = json.loads((tmp_path / "r.json").read_text())["data"]["left_out"]
    assert [(rows["fault"], rows["n"]) for rows in left_out] == [("wrong_scores", 3)]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--shown", "lime", "--checks", "erasure"), "--shown lime: no row of the data has scores"),
        (("--shown", "ours", "--checks", "permutation"), "--shown ours: no check reads"),
        (
            ("--checks", "plausibility"),
            "no row of the data has a rationale in its field 'rationale'",
        ),
        (
            ("--checks", "all", "--rationale-field", "why"),
            "no row of the data has a rationale in its field 'why'",
        ),
    ],
)
def test_what_would_judge_nothing_is_refused(
    attn_audit: AttnAudit, model: Path, tmp_path: Path, words: tuple[str, ...], problem: str
) -> None:
    data = write(tmp_path / "data.jsonl", [{"text": "w4 w9 w11", "ours": [1, 2, 3]}] * 2)
    done = attn_audit("audit", model, data, *words, "--quiet")
    assert done.exit_code == 2
    assert problem in done.stderr


def test_all_checks_leave_out_plausibility_where_nobody_marked_anything(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    fast = ("--permutations", "2", "--iterations", "2", "--limit", "2", "--output", "r.json")
    assert attn_audit("audit", model, data, "--checks", "all", *fast, "--quiet").exit_code == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert "erasure" in report["settings"]["checks"]
    assert "plausibility" not in report["settings"]["checks"]


def test_data_are_checked_for_them(attn_audit: AttnAudit, model: Path, tmp_path: Path) -> None:
    rows = [{"text": "w4 w9 w11", "ours": [1, 2, 3], "why": [[0, 2]]}]
    data = write(tmp_path / "data.jsonl", [*rows, {"text": "w4 w9", "ours": [1], "why": [[0, 9]]}])
    done = attn_audit("check-data", model, data, "--shown", "ours", "--rationale-field", "why")
    assert done.exit_code == 2
    assert "data.jsonl:2: 'why' holds [0, 9], which is outside of the text" in done.stderr


def test_without_a_model_fields_are_held_against_people_and_each_other(
    attn_audit: AttnAudit, tmp_path: Path
) -> None:
    rows = [
        {"text": "w4 w9 w11", "lime": [3, 2, 1], "shap": [3, 1, 2], "why": [[0, 2]]},
        {"text": "w5 w6", "lime": [1, 2], "shap": [[0, 2, 0.5]], "why": [[3, 5]]},
    ]
    data = write(tmp_path / "data.jsonl", rows)
    said = ("shown", data, "--shown", "lime,shap", "--rationale-field", "why")
    done = attn_audit(*said, "--quiet")
    assert done.exit_code == 0
    words = " ".join(done.stdout.split())
    assert "agreement with people, not faithfulness" in words
    assert "No model was asked" in words
    assert attn_audit(*said, "--output", "found.json", "--output", "found.html").exit_code == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["pairs"][0]["tau"]["mean"] == pytest.approx((1 / 3 - 1) / 2)
    assert (tmp_path / "found.html").stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "nothing to compare: no DATA and no --shown given"),
        (("data.jsonl",), "nothing to compare: no --shown given"),
    ],
)
def test_nothing_to_compare_is_said(
    attn_audit: AttnAudit, words: tuple[str, ...], problem: str
) -> None:
    done = attn_audit("shown", *words)
    assert done.exit_code == 2
    assert problem in done.stderr
