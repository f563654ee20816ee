"""Numbers that decide, held to their meaning from outside: words in, a report or a page out.

Every limit is written out here once more, so that it cannot change unseen. A limit is tried on both
sides, nearer than a factor of 2.
"""

import html
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from attn_audit.models.task import TaskKind
from attn_audit.results.report import Report
from tests.cli.conftest import AttnAudit, invoke
from tests.formats.conftest import report
from tests.judged import GAP, MOVED, RULES, YARDSTICK, with_number
from tests.releases import write_model, write_texts

__all__ = ["report"]

LOO_GAP = "correlation.gap.attention_leave_one_out"
AUC = "performance.roc_auc"
AGREES, UNAGREED = {YARDSTICK: (0.4, 0.6)}, {YARDSTICK: (0.21, 0.39)}

UNATTENDED, POLARITY = RULES["unattended"], RULES["polarity"]

CLAIMED = f"""\
min_examples = 100
min_coverage = 0.95
[[bound]]
metric = "{GAP}"
max = 0.2
only_if = {{ metric = "{YARDSTICK}", min = 0.4 }}
[[bound]]
metric = "{LOO_GAP}"
max = 0.2
only_if = {{ metric = "{YARDSTICK}", min = 0.4 }}
[[bound]]
metric = "{MOVED}"
min = 0.5
[[bound]]
metric = "{AUC}"
min = 0.7
[[bound]]
metric = "{UNATTENDED}"
max = 0.05
[[bound]]
metric = "{POLARITY}"
max = 0.25
"""
"""What the page claims, as bounds."""

Columns = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an audit of 240 texts."""
    folder = tmp_path_factory.mktemp("decisive")
    model = write_model(folder / "model.pt", 2.0, TaskKind.BINARY)
    texts = write_texts(folder / "texts.jsonl", n=240)
    flags = ("--checks", "correlation,attended,permutation", "--permutations", "20", "--quiet")
    outputs = ("--output", folder / "report.json", "--records", folder / "records.jsonl")
    assert invoke("audit", model, texts, *flags, *outputs).exit_code == 0
    return folder


@pytest.fixture(scope="module")
def audited(folder: Path) -> tuple[dict[str, Any], Columns]:
    """The report as JSON, and the numbers of its records; null is NaN."""
    rows = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    numbers = {
        name: np.array([row[name] for row in rows], dtype=float)
        for name in rows[0]
        if all(row[name] is None or isinstance(row[name], float) for row in rows)
    }
    labels = np.array([{"label0": 0, "label1": 1, None: np.nan}[row["label"]] for row in rows])
    return json.loads((folder / "report.json").read_text()), numbers | {"label": labels}


def test_an_output_moves_by_a_tenth_where_shuffles_differ_by_a_tenth(
    audited: tuple[dict[str, Any], Columns],
) -> None:
    """Attention that is too even to show anything counts as not moved."""
    content, numbers = audited
    distance = numbers["permutation.distance"]
    jsd, known = numbers["permutation.jsd"], ~np.isnan(distance)
    found = {name: content["metrics"][f"permutation.{name}"] for name in ("moved", "too_even")}

    def moved(least: float) -> int:
        return int((known & (distance >= least) & (jsd >= 0.1)).sum())

    def too_even(least: float) -> int:
        return int((known & (jsd < least)).sum())

    assert found["moved"]["count"] == moved(0.1)
    assert found["too_even"]["count"] == too_even(0.1)
    assert found["moved"]["n"] == found["too_even"]["n"] == known.sum()
    assert moved(0.05) > moved(0.1) > moved(0.2)
    assert too_even(0.05) < too_even(0.1) < too_even(0.2)
    assert too_even(0.1) > 0


def test_a_margin_moves_where_half_of_it_does(audited: tuple[dict[str, Any], Columns]) -> None:
    """Shuffled, where shuffles differ by a tenth; and by attention on some one unit."""
    content, numbers = audited
    margin, reach = numbers["permutation.margin"], numbers["permutation.reach"]
    turns, differs = numbers["permutation.reach.turns"], numbers["permutation.jsd"] >= 0.1
    found = {
        name: content["metrics"][f"permutation.{name}"] for name in ("half_margin", "within_reach")
    }

    def moved(least: float) -> int:
        return int(((margin >= least) & differs).sum())

    def within_reach(least: float) -> int:
        return int(((reach >= least) | (turns >= least)).sum())

    assert found["half_margin"]["count"] == moved(0.5)
    assert found["within_reach"]["count"] == within_reach(0.5)
    assert moved(0.25) > moved(0.5) > moved(1.0)
    assert within_reach(0.25) > within_reach(0.5)


def test_a_word_matters_little_below_a_quarter_and_its_sign_from_a_twentieth_on(
    audited: tuple[dict[str, Any], Columns],
) -> None:
    content, numbers = audited
    effect, against = numbers["attended.top_effect"], numbers["attended.top_is_against"]
    found = content["metrics"]["attended.top_effect_small"]

    def small(most: float) -> int:
        return int((effect < most).sum())

    assert found["count"] == small(0.25)
    assert small(0.125) < small(0.25) < small(0.5)
    assert ((effect >= 0.05) == ~np.isnan(against)).all()
    assert small(0.025) < small(0.05) < small(0.1)


def test_a_tau_is_significant_up_to_a_twentieth(audited: tuple[dict[str, Any], Columns]) -> None:
    content, numbers = audited
    tau, p_value = (
        numbers["correlation.attention_gradient"],
        numbers["correlation.attention_gradient_p_value"],
    )
    found = content["metrics"]["correlation.attention_gradient.significantly_positive"]

    def significant(most: float) -> int:
        return int(((p_value <= most) & (tau > 0)).sum())

    assert found["count"] == significant(0.05)
    assert significant(0.025) < significant(0.05) < significant(0.1)
    assert found["n"] == (~np.isnan(p_value)).sum()


def test_the_area_under_the_roc_curve_has_delongs_interval(
    audited: tuple[dict[str, Any], Columns],
) -> None:
    """From placements counted pair by pair, on the scale of the log-odds."""
    content, numbers = audited
    label, score = numbers["label"], numbers["probability"]
    wins = np.sign(score[label == 1][:, None] - score[label == 0]) / 2 + 0.5
    area, sides = wins.mean(), (wins.mean(axis=1), wins.mean(axis=0))
    error = np.sqrt(sum(side.var(ddof=1) / len(side) for side in sides))
    centre, half = np.log(area / (1 - area)), 1.959964 * error / (area * (1 - area))
    ends = 1 / (1 + np.exp(-np.array([centre - half, centre + half])))
    found = content["metrics"]["performance.roc_auc"]
    assert found["value"] == pytest.approx(area, abs=1e-12)
    interval = found["interval"]
    assert (interval["low"], interval["high"]) == pytest.approx(tuple(ends), abs=1e-6)


@pytest.mark.parametrize("name", ["roc_auc", "macro_f1"])
def test_a_model_at_the_bound_is_no_coin_to_be_flipped(
    attn_audit: AttnAudit, folder: Path, tmp_path: Path, name: str
) -> None:
    report = folder / "report.json"
    value = json.loads(report.read_text())["metrics"][f"performance.{name}"]["value"]
    for limit in (value - 0.01, value + 0.01):
        policy = tmp_path / "policy.toml"
        policy.write_text(f'[[bound]]\nmetric = "performance.{name}"\nmin = {limit:.6f}\n')
        done = attn_audit("gate", report, "--policy", policy, "--format", "json")
        assert done.exit_code == 4
        (judgement,) = json.loads(done.stdout)["judgements"]
        assert judgement["outcome"] == "inconclusive"
        assert judgement["interval"]["low"] < limit < judgement["interval"]["high"]


Said = tuple[str, dict[str, tuple[float, float]], int, str, str]
"""A card, intervals, how many texts they are over, how the card begins, and what the gate finds."""

PASSED: list[Said] = [
    ("correlation", {**AGREES, GAP: (0.11, 0.2), LOO_GAP: (0.11, 0.2)}, 1821, "Yes: ", "pass"),
    ("permutation", {MOVED: (0.5, 0.9)}, 1821, "In most examples: ", "pass"),
    ("model", {AUC: (0.7, 0.9)}, 1821, "Yes: ", "pass"),
    ("attended", {UNATTENDED: (0.026, 0.05), POLARITY: (0.13, 0.25)}, 1821, "Yes: ", "pass"),
]
FAILED: list[Said] = [
    ("correlation", {**AGREES, GAP: (0.21, 0.3), LOO_GAP: (0.21, 0.3)}, 1821, "No: ", "fail"),
    ("permutation", {MOVED: (0.26, 0.49)}, 100, "In most examples it hardly", "fail"),
    ("model", {AUC: (0.4, 0.69)}, 1821, "No: ", "fail"),
    ("attended", {UNATTENDED: (0.051, 0.09)}, 1821, "No: ", "fail"),
]
OPEN: list[Said] = [
    ("correlation", {**UNAGREED, GAP: (0.21, 0.3), LOO_GAP: (0.21, 0.3)}, 1821,
     "Open: the two measures themselves hardly", "inconclusive"),
    ("permutation", {MOVED: (0.057, 0.51)}, 1821,
     "Open: too few texts (28% [5.7%, 51%]).", "inconclusive"),
    ("model", {AUC: (0.6, 0.8)}, 1821,
     "Open: too few texts (ROC AUC 0.70 [0.60, 0.80]).", "inconclusive"),
    ("attended", {UNATTENDED: (0.03, 0.06)}, 1821,
     "Open: too few texts (words with hardly any attention decide 4.5% [3.0%, 6.0%]).",
     "inconclusive"),
]  # fmt: skip
TOO_FEW: list[Said] = [
    ("permutation", {MOVED: (0.26, 0.49)}, 99,
     "Open: too few texts (38% [26%, 49%]; 99 texts, and 100", "inconclusive"),
]  # fmt: skip


@pytest.mark.parametrize("cards", [PASSED, FAILED, OPEN, TOO_FEW])
def test_the_page_says_what_the_gate_says(
    attn_audit: AttnAudit, report: Report, tmp_path: Path, cards: list[Said]
) -> None:
    stored = report.model_copy(update={"records": None})
    for _, numbers, n, _, _ in cards:
        for name, (low, high) in numbers.items():
            stored = with_number(stored, name, (low + high) / 2, (low, high), n)
    (tmp_path / "report.json").write_text(stored.to_json())
    done = attn_audit("report", "report.json", "--output", "page.html")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    (tmp_path / "claimed.toml").write_text(CLAIMED)
    flags = ("--policy", "claimed.toml", "--format", "json")
    done = attn_audit("gate", "report.json", *flags)
    judged = {entry["metric"]: entry for entry in json.loads(done.stdout)["judgements"]}
    for card, numbers, _, said, gated in cards:
        found = re.search(rf'id="card-{card}".*?<p class="verdict">(.*?)</p>', page, re.DOTALL)
        assert found is not None
        assert html.unescape(found[1]).startswith(said)
        for metric in numbers.keys() - {YARDSTICK}:
            assert judged[metric]["outcome"] == gated, metric
