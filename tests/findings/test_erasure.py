"""What a report says of erasure is made of its records, and is found again."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

import attn_audit
from attn_audit.data.example import sample_examples
from attn_audit.document import ForestPlot
from attn_audit.findings.erasure import FINDINGS, Ranking, rankings
from attn_audit.formats.charts import specification
from attn_audit.formats.palette import PAGE
from attn_audit.models.paper.network import EncoderKind
from tests.tiny import tiny_examples, tiny_model

EXAMPLES = tiny_examples(40, lengths=(1, 13), seed=2)
N_SAMPLED = 24
PLANNED: dict[str, Any] = {"checks": "erasure", "erasure_sample": N_SAMPLED, "seed": 5}
SETTINGS: dict[str, Any] = {
    **PLANNED, "reproducible": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[attn_audit.Report, Path]:
    folder = tmp_path_factory.mktemp("erasure")
    report = attn_audit.audit(
        tiny_model(EncoderKind.AVERAGE), EXAMPLES, records=folder / "records.jsonl", **SETTINGS
    )
    report.save(folder / "report.json")
    return report, folder


def columns_of(folder: Path) -> dict[str, list[Any]]:
    rows = [json.loads(row) for row in (folder / "records.jsonl").read_text().splitlines()]
    return {name: [row[name] for row in rows] for name in rows[0]}


def numbers(columns: dict[str, list[Any]], name: str) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in columns[name]], dtype=float)


def judged_in(report: attn_audit.Report) -> list[Ranking]:
    """Of what the model has scores of, attention and chance beside them."""
    found = [ranking for ranking in rankings() if f"erasure.{ranking.name}" in report.metrics]
    assert {"attention", "leave_one_out", "random"} <= {ranking.name for ranking in found}
    return found


def value(report: attn_audit.Report, name: str) -> float:
    found = report.metrics[name].model_dump()
    return float(found["mean"] if "mean" in found else found["value"])


def test_the_sample_is_a_function_of_seed_and_ids(
    audited: tuple[attn_audit.Report, Path],
) -> None:
    report, folder = audited
    columns = columns_of(folder)
    sampled = {e.id for e in sample_examples(EXAMPLES, N_SAMPLED, 5)}
    pairs = zip(columns["id"], columns["erasure.status"], strict=True)
    assert {id_ for id_, status in pairs if status != "not_sampled"} == sampled
    n_judged = sum(half is not None for half in columns["erasure.half"])
    assert value(report, "erasure.n_judged") == n_judged
    assert not any(entry.status == "not_sampled" for entry in report.degenerate)


def test_scores_gaps_and_the_agreement_of_both_ways_are_made_of_the_records(
    audited: tuple[attn_audit.Report, Path],
) -> None:
    report, folder = audited
    columns = columns_of(folder)
    for way in ("", ".neutral"):
        random, upper = (numbers(columns, f"erasure.{n}{way}") for n in ("random", "upper"))
        own, attention = (
            numbers(columns, f"erasure.{n}{way}") for n in ("leave_one_out", "attention")
        )
        known = ~np.isnan(upper + own)
        score = (own - random)[known].mean() / (upper - random)[known].mean()
        assert value(report, f"erasure.leave_one_out{way}.score") == pytest.approx(score)
        gap = np.nanmean(own - attention)
        assert value(report, f"erasure.leave_one_out{way}.gap") == pytest.approx(gap)
        assert score <= 1 + 1e-9
    names = [ranking.name for ranking in judged_in(report)]
    means = [
        [np.nanmean(numbers(columns, f"erasure.{n}{way}")) for n in names]
        for way in ("", ".neutral")
    ]
    assert value(report, "erasure.operators_tau") == pytest.approx(kendalltau(*means).statistic)


def test_the_section_says_and_draws_every_ranking(
    audited: tuple[attn_audit.Report, Path],
) -> None:
    report, folder = audited
    (picture,) = FINDINGS.figures(report)
    assert isinstance(picture, ForestPlot)
    words = [ranking.words for ranking in judged_in(report)]
    assert sorted([*(name for name, *_ in picture.rows), "random"]) == sorted(words)
    assert picture.best is not None
    assert picture.best[1] == pytest.approx(value(report, "erasure.upper"))
    assert specification(picture, PAGE)["layer"]
    report.save(folder / "report.md")
    text = " ".join((folder / "report.md").read_text().split())
    assert all(each in text for each in words)
    assert "The best order reaches" in text
    assert "Kendall's tau of" in text


def test_one_text_is_said_beside_chance_and_the_best_order() -> None:
    record = {"erasure.attention": 0.25, "erasure.random": 0.1, "erasure.upper": 0.5}
    said = FINDINGS.line(record)
    assert said is not None
    assert re.findall(r"0\.\d+", said) == ["0.25", "0.10", "0.50"]
    assert FINDINGS.line({"erasure.attention": None}) is None


def test_verification_finds_every_number_again(audited: tuple[attn_audit.Report, Path]) -> None:
    report, _ = audited
    found = attn_audit.verify(report, model=tiny_model(EncoderKind.AVERAGE), data=EXAMPLES)
    assert found.holds
    assert "erasure: mean gain" in {claim.name for claim in found.claims}


def test_what_it_takes_is_forecast_for_the_sample_alone() -> None:
    found = attn_audit.plan(tiny_model(EncoderKind.AVERAGE), EXAMPLES, **PLANNED)
    (stage,) = (stage for stage in found.stages if stage.name == "erasure")
    sampled = sample_examples(EXAMPLES, N_SAMPLED, 5)
    lengths = [len(example.text.split()) for example in sampled]
    assert stage.passes is not None
    assert stage.passes >= sum(2 * 2**n for n in lengths if 1 < n <= 10)
