"""Changes against NumPy and Newcombe's table; calibration that moved told from attention."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_audit import audit
from attn_audit.findings.registry import statistics
from attn_audit.judgement.comparison import newcombe_interval, what_changed
from attn_audit.results.report import Report
from attn_audit.results.verdict import Change
from attn_audit.statistics.intervals import Resamples, mean_interval, wilson_interval
from attn_audit.statistics.summary import Estimate, Interval
from tests.judged import compare
from tests.releases import Audited, write_content, write_texts
from tests.tiny import tiny_model

TAU = "correlation.attention_gradient"


def of(path_base: Path, path_new: Path, name: str) -> Change:
    changes = compare(path_base, path_new).changes
    return next(change for change in changes if change.metric == name)


def records(report: Path) -> dict[str, dict[str, object]]:
    """By id; the report's records are JSON Lines."""
    lines = (report.parent / "records.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


@pytest.fixture(scope="module")
def in_lines(audited: Audited) -> tuple[Path, Path]:
    """The base and the new one with records that are JSON Lines."""
    return audited(1.0, ".jsonl"), audited(6.0, ".jsonl")


def test_is_the_mean_of_the_differences_of_the_same_examples(in_lines: tuple[Path, Path]) -> None:
    base, new = in_lines
    before, after = records(base), records(new)
    field = "correlation.attention_gradient"
    pairs = [
        (before[name][field], after[name][field])
        for name in before
        if before[name][field] is not None and after[name][field] is not None
    ]
    differences = np.array([y - x for x, y in pairs])  # type: ignore[operator]
    change = of(base, new, TAU)
    assert change.is_paired
    assert change.n == len(pairs)
    assert change.n_undefined == len(before) - len(pairs)
    assert change.difference == pytest.approx(differences.mean(), abs=1e-12)
    assert change.new - change.base == pytest.approx(change.difference, abs=1e-12)
    assert change.effect_size == pytest.approx(differences.mean() / differences.std(ddof=1))
    expected = mean_interval(differences, Resamples(0))
    assert expected is not None
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == (expected.low, expected.high)


def test_names_the_examples_that_changed_most(in_lines: tuple[Path, Path]) -> None:
    base, new = in_lines
    before, after = records(base), records(new)
    field = "permutation.distance"
    sizes = {
        name: abs(after[name][field] - before[name][field])  # type: ignore[operator]
        for name in before
        if before[name][field] is not None
    }
    changed = of(base, new, "permutation.distance").most_changed
    assert [example.id for example in changed] == sorted(sizes, key=lambda n: (-sizes[n], n))[:5]
    assert changed[0].text == " ".join(before[changed[0].id]["units"])  # type: ignore[arg-type]


def test_a_report_has_not_changed_against_itself(base: Path) -> None:
    comparison = compare(base, base)
    assert comparison.n_pairs == Report.load(base).data.n_examples
    for change in comparison.changes:
        assert change.difference == 0
        assert change.effect_size is None
        assert change.most_changed == ()


def test_going_back_reverses_every_sign(base: Path, new: Path) -> None:
    there, back = compare(base, new).changes, compare(new, base).changes
    for one, other in zip(there, back, strict=True):
        assert one.difference == pytest.approx(-other.difference, abs=1e-12)


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_the_format_of_the_records_changes_nothing(
    audited: Audited, in_lines: tuple[Path, Path], base: Path, new: Path, suffix: str
) -> None:
    others = in_lines if suffix == ".jsonl" else (audited(1.0, suffix), audited(6.0, suffix))
    for one, two in zip(compare(base, new).changes, compare(*others).changes, strict=True):
        assert one.model_copy(update={"most_changed": ()}) == two.model_copy(
            update={"most_changed": ()}
        )
        assert [example.id for example in one.most_changed] == [
            example.id for example in two.most_changed
        ]


def test_examples_are_matched_by_id_in_whatever_order(
    audited: Audited, base: Path, tmp_path: Path
) -> None:
    texts = (base.parent / "texts.jsonl").read_text().splitlines()
    turned = tmp_path / "turned.jsonl"
    turned.write_text("\n".join(reversed(texts)) + "\n")
    other = audited(1.0, data=turned)
    content = json.loads(other.read_text())
    content["data"]["sha256"] = json.loads(base.read_text())["data"]["sha256"]
    write_content(other, content)
    assert all(
        change.difference == pytest.approx(0, abs=1e-6)
        for change in compare(base, other).changes
        if change.metric.startswith("correlation.attention")
    )


def test_without_records_summaries_are_compared_and_it_says_so(audited: Audited, new: Path) -> None:
    bare = audited(1.0, "")
    comparison = compare(bare, new)
    assert comparison.n_pairs is None
    assert comparison.why_unpaired is not None
    assert comparison.why_unpaired.startswith("Unpaired: the base report has no records")
    change = next(change for change in comparison.changes if change.metric == TAU)
    before, after = (Report.load(path).estimate_of(statistics()[TAU]).value for path in (bare, new))
    assert before is not None
    assert after is not None
    assert change.difference == after - before
    assert (change.is_paired, change.effect_size, change.most_changed) == (False, None, ())


def found(successes: int, n: int) -> Estimate:
    return Estimate(successes / n, n, wilson_interval(successes, n))


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10.
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_newcombes_own_examples(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    interval = newcombe_interval(found(*other), found(*one))
    assert interval is not None
    assert interval.low == pytest.approx(low, abs=6e-5)
    assert interval.high == pytest.approx(high, abs=6e-5)


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_interval_holds_the_difference(one: int, other: int) -> None:
    base, new = found(one, 50), found(other, 50)
    interval = newcombe_interval(base, new)
    assert interval is not None
    assert interval.low <= (new.value or 0) - (base.value or 0) <= interval.high


def test_a_number_without_interval_has_none_of_its_change() -> None:
    assert newcombe_interval(Estimate(0.5, 10), found(5, 10)) is None


Release = Callable[..., Path]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A report of a model whose logits and attention scores are multiplied, with records."""

    def audited(logits: float = 1.0, attention: float = 1.0, **more: object) -> Path:
        folder = tmp_path_factory.mktemp("release")
        model = tiny_model()
        with torch.no_grad():
            for name, parameter in model.network.named_parameters():
                factor = {"readout": logits, "attention": attention}.get(name.split(".")[0], 1.0)
                parameter.mul_(factor)
        options = {"permutations": 20, "iterations": 5, "records": folder / "found.parquet"}
        texts = write_texts(folder / "texts.jsonl", 40)
        report = audit(model, texts, **(options | more))  # type: ignore[arg-type]
        report.save(folder / "report.json")
        return folder / "report.json"

    return audited


@pytest.fixture(scope="module")
def unscaled(release: Release) -> Path:
    return release()


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_a_factor_on_all_logits_is_calibration(
    release: Release, unscaled: Path, factor: float
) -> None:
    found = compare(unscaled, release(logits=factor)).happened
    assert found is not None
    assert found.startswith("Calibration moved, attention did not: margins are ")
    assert f"{factor:.2f} times as wide" in found


def test_other_attention_is_a_change_of_attention(release: Release, unscaled: Path) -> None:
    found = compare(unscaled, release(attention=0.02)).happened
    assert found is not None
    assert found.startswith("Attention changed (")


def test_the_same_model_changed_nothing(release: Release, unscaled: Path) -> None:
    found = compare(unscaled, release()).happened
    assert found == "Neither attention nor calibration changed by more than chance would."


def test_without_margins_nothing_is_said(unscaled: Path, tmp_path: Path) -> None:
    report = Report.load(unscaled)
    metrics = {k: v for k, v in report.metrics.items() if k != "performance.margin"}
    old = report.model_copy(update={"metrics": metrics, "records_file": None})
    (tmp_path / "old.json").write_text(old.to_json(), encoding="utf-8")
    assert compare(unscaled, tmp_path / "old.json").happened is None


def test_a_margin_is_the_logit_of_what_is_predicted(unscaled: Path) -> None:
    for record in Report.load(unscaled).sampled_examples:
        p = record["probability"]
        p = p if record["prediction"] == "label1" else 1 - p
        assert record["margin"] == pytest.approx(torch.tensor(p).double().logit().item(), rel=1e-3)


def change(metric: str, base: float, by: float) -> Change:
    return Change(
        metric=metric, definition=".", base=base, new=base + by, difference=by, effect_size=None,
        interval=Interval(low=by - 1e-6, high=by + 1e-6, method="bootstrap"), n=9, n_undefined=0,
        is_paired=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("margin", "turned", "begins"),
    [
        (0.019, 0.009, "Neither"),
        (0.021, 0.009, "Calibration moved, attention did not: margins are 1.01 times"),
        (-0.021, 0.0, "Calibration moved, attention did not: margins are 0.99 times"),
        (0.019, -0.011, "Attention changed (permutation.turned); calibration did not move."),
        (0.021, 0.011, "Attention changed (permutation.turned), and calibration moved as well"),
    ],
)
def test_what_rounding_moves_is_no_change(margin: float, turned: float, begins: str) -> None:
    changes = [change("performance.margin", 2.0, margin), change("permutation.turned", 0.3, turned)]
    found = what_changed(changes, None)
    assert found is not None
    assert found.startswith(begins)
