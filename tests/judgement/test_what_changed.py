"""Whether calibration moved or attention changed is told apart, whatever the factor."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from attn_audit import audit
from attn_audit.judgement.comparison import compare
from attn_audit.results.report import Report
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
