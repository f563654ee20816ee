"""Whether calibration moved or attention changed is told apart, whatever the factor."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attn_audit import audit
from attn_audit.judgement.comparison import compare
from attn_audit.judgement.what_changed import what_changed
from attn_audit.results.report import Report
from attn_audit.results.verdict import Change
from attn_audit.statistics.estimate import Interval
from tests.releases import write_texts
from tests.tiny import tiny_model

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
def base(release: Release) -> Path:
    return release()


@pytest.mark.parametrize("factor", [0.1, 0.5, 10.0])
def test_a_factor_on_all_logits_is_calibration(release: Release, base: Path, factor: float) -> None:
    found = compare(base, release(logits=factor)).happened
    assert found is not None
    assert found.startswith("Calibration moved, attention did not: margins are ")
    assert f"{factor:.2f} times as wide" in found


def test_other_attention_is_a_change_of_attention(release: Release, base: Path) -> None:
    found = compare(base, release(attention=0.02)).happened
    assert found is not None
    assert found.startswith("Attention changed (")


def test_the_same_model_changed_nothing(release: Release, base: Path) -> None:
    found = compare(base, release()).happened
    assert found == "Neither attention nor calibration changed by more than chance would."


def test_without_margins_nothing_is_said(base: Path, tmp_path: Path) -> None:
    report = Report.load(base)
    metrics = {k: v for k, v in report.metrics.items() if k != "performance.margin"}
    old = report.model_copy(update={"metrics": metrics, "records_file": None})
    (tmp_path / "old.json").write_text(old.to_json(), encoding="utf-8")
    assert compare(base, tmp_path / "old.json").happened is None


def test_a_margin_is_the_logit_of_what_is_predicted(base: Path) -> None:
    for record in Report.load(base).sampled_examples:
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
