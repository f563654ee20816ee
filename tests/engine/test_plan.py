"""What an audit will take is said before it is carried out."""

import json
from pathlib import Path
from typing import Any

import pytest

from attn_audit.checks.erasure import Outcomes
from attn_audit.engine.audit import run_audit
from attn_audit.engine.plan import forecast_audit
from attn_audit.findings.measure import measure
from attn_audit.progress import Watcher
from attn_audit.results.answers import Forecast
from attn_audit.settings import AuditSettings
from tests.cli.conftest import AttnAudit, attn_audit, model

__all__ = ["attn_audit", "model"]

MEASURES = ("leave_one_out", "gradient", "integrated_gradients")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thirty texts of 1 to 6 words, without labels."""
    texts = [" ".join(f"w{4 + (i + j) % 30}" for j in range(1 + i % 6)) for i in range(30)]
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def forecast(model: Path, data: Path, **settings: Any) -> Forecast:
    return forecast_audit(AuditSettings(model=str(model), data=(str(data),), **settings))


def test_every_part_of_an_audit_is_forecast(model: Path, data: Path) -> None:
    found = forecast(model, data)
    names = ["start-up", "reading attention", "correlation", "attended"]
    names += ["permutation", "adversarial", "summing up"]
    assert [stage.name for stage in found.stages] == names
    assert found.seconds == pytest.approx(sum(stage.seconds for stage in found.stages))
    assert min(stage.seconds for stage in found.stages) > 0


def test_passes_are_counted(model: Path, data: Path) -> None:
    passes = {stage.name: stage.passes for stage in forecast(model, data).stages}
    n_units = [1 + i % 6 for i in range(30)]
    drawn = {1: 1, 2: 2, 3: 6, 4: 24, 5: 100, 6: 100}
    assert passes == {
        "start-up": None,
        "reading attention": 30,
        "correlation": 2 * 30 + sum(n + 1 for n in n_units) + 2 * 30,
        "attended": 2 * 30,
        "permutation": sum(drawn[n] + n + 2 for n in n_units),
        "adversarial": 60,
        "summing up": None,
    }


@pytest.mark.parametrize(
    ("checks", "measures"),
    [(("attended",), "leave_one_out"), (("correlation", "attended"), "gradient")],
)
def test_leaving_out_is_counted_once_where_it_is_measured_first(
    model: Path, data: Path, checks: tuple[str, ...], measures: str
) -> None:
    found = forecast(model, data, checks=checks, measures=(measures,))
    passes = {stage.name: stage.passes for stage in found.stages}
    assert passes["attended"] == sum((1 + i % 6) + 1 + 2 for i in range(30))
    assert passes.get("correlation", 120) == 2 * 30 + 2 * 30  # gradients, and of shuffled attention


def test_a_search_is_counted_by_its_steps(model: Path, data: Path) -> None:
    found = forecast(model, data, checks=("adversarial",), method="gradient", iterations=40)
    assert found.stages[-2].passes == 30 * 40 * 5


def test_only_the_sample_is_forecast(model: Path, data: Path) -> None:
    assert forecast(model, data, limit=7).n_examples == 7


def test_sets_that_rankings_share_are_forecast_once(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [5, 12, 14, 16, 18, 20]
    texts = [" ".join(f"w{4 + (i + 3 * j) % 30}" for j in range(n)) for i, n in enumerate(lengths)]
    data = tmp_path / "long.jsonl"
    data.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    settings: dict[str, Any] = {"checks": ("erasure",), "measures": MEASURES}
    passes = {stage.name: stage.passes for stage in forecast(model, data, **settings).stages}
    n_sets, own = 0, Outcomes._keep

    def counted(self: Outcomes, rows: Any, asked: Any, gains: Any, lost: Any) -> None:
        nonlocal n_sets
        n_sets += sum(map(len, asked))
        own(self, rows, asked, gains, lost)

    monkeypatch.setattr(Outcomes, "_keep", counted)
    run_audit(AuditSettings(model=str(model), data=(str(data),), **settings), watcher=Watcher())
    n_measured = sum(measure(name).passes(n) for name in MEASURES for n in lengths)
    assert 1 / 1.3 < (passes["erasure"] or 0) / (n_sets + n_measured) < 1.3


def test_it_is_shown_as_a_table(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    outcome = attn_audit("plan", model, data, "--checks", "permutation")
    assert outcome.exit_code == 0, outcome.stderr
    assert "30 examples, 165 tokens, the longest 8" in " ".join(outcome.stdout.split())
    assert "permutation" in outcome.stdout
    assert "correlation" not in outcome.stdout
    assert "together" in outcome.stdout


def test_it_is_written_as_json(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    outcome = attn_audit("plan", model, data, "--format", "json")
    assert Forecast.model_validate_json(outcome.stdout).n_examples == 30


def test_it_fails_as_an_audit_does(attn_audit: AttnAudit, model: Path) -> None:
    assert attn_audit("plan", model).exit_code == 2
    assert attn_audit("plan", model, "nowhere.jsonl").exit_code == 2
