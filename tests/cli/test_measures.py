"""`--measures`, and the list of what it takes."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit


def test_all_are_listed_with_what_they_cost_and_need(attn_audit: AttnAudit) -> None:
    found = json.loads(attn_audit("measures", "--format", "json").stdout)["measures"]
    by_name = {measure["name"]: measure for measure in found}
    assert by_name["rollout"]["passes_of_20_units"] == 1
    assert by_name["leave_one_out"]["passes_of_20_units"] == 21
    assert by_name["integrated_gradients"]["signed"] is True
    assert by_name["rollout"]["deterministic"] is True
    assert by_name["head_mix"]["deterministic"] is False
    assert by_name["rollout"]["needs"].startswith("several layers")
    assert all(measure["source"] and measure["definition"] for measure in found)
    shown = attn_audit("measures").stdout
    assert all(name in shown for name in by_name)


def test_one_that_does_not_apply_is_refused_where_it_is_named(
    attn_audit: AttnAudit, model: Path, data: Path
) -> None:
    outcome = attn_audit("correlate", model, data, "--measures", "gradient,rollout")
    assert outcome.exit_code == 2
    assert outcome.stdout == ""
    assert "--measures rollout does not apply to this model: " in outcome.stderr
    assert "tokens are pooled" in outcome.stderr


def test_attention_is_correlated_with_those_named(
    attn_audit: AttnAudit, model: Path, data: Path, tmp_path: Path
) -> None:
    output = ("--records", tmp_path / "records.jsonl", "--format", "json")
    named = "attention_gradient,gradient_x_input"
    outcome = attn_audit("correlate", model, data, "--measures", named, *output)
    metrics = json.loads(outcome.stdout)["metrics"]
    assert metrics["correlation.attention_attention_gradient"]["mean"] > 0
    assert metrics["correlation.attention_gradient_x_input"]["n"] > 0
    assert "correlation.attention_gradient" not in metrics
    lines = (tmp_path / "records.jsonl").read_text().splitlines()
    for record in map(json.loads, lines):
        assert len(record["gradient_x_input"]) == record["n_units"]
        assert sum(record["attention_gradient"]) in (0, pytest.approx(1))


def test_one_text_is_shown_by_those_named(attn_audit: AttnAudit, model: Path) -> None:
    text = ("--text", "w4 w9 w11 w13 w30")
    shown = attn_audit("explain", model, *text, "--measures", "integrated_gradients").stdout
    assert "integrated gradients  tau with attention" in shown
    assert "attention x gradient" not in shown


def test_what_could_not_be_recommended_is_refused_before_the_model_is_read(
    attn_audit: AttnAudit, data: Path, tmp_path: Path
) -> None:
    outcome = attn_audit("recommend", "owner/model", data, "--measures", "gradient")
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(
        "error: --measures gradient: nothing that could be recommended, for it is read for "
        "correlation alone\nhint: Name some of leave_one_out,"
    )


def test_what_is_fitted_to_many_texts_explains_none(attn_audit: AttnAudit, model: Path) -> None:
    text = ("--text", "w4 w9 w11")
    outcome = attn_audit("explain", model, *text, "--measures", "head_mix")
    assert outcome.exit_code == 2
    assert "--measures head_mix: it is fitted to many texts, and here is one" in outcome.stderr
