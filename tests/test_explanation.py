"""One text explained: the numbers of an audit, and what the model says under each attention."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import attn_audit
from attn_audit.data.example import Example
from attn_audit.document import ShadedText
from attn_audit.errors import ConfigurationError
from attn_audit.explanation import explain_text
from attn_audit.findings import registry
from attn_audit.formats import terminal
from attn_audit.formats.documents.explanation import document
from attn_audit.models.contract import AuditedModel
from attn_audit.models.paper.network import EncoderKind
from attn_audit.models.task import TaskKind
from attn_audit.settings import AuditSettings
from tests.conftest import Checkpoint
from tests.tiny import tiny_examples, tiny_model
from tests.verification.forging import save_model

TEXT = "w4 w9 w11 w13 w30 w31"


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(save_model(tiny_model(), tmp_path / "model.pt"))


def test_the_numbers_are_those_of_an_audit(model: str, tmp_path: Path) -> None:
    found = explain_text(AuditSettings(model=model, seed=3, epsilon=0.02), TEXT)
    path = tmp_path / "records.parquet"
    example = Example(id=found.record["id"], text=TEXT)
    attn_audit.audit(model, [example], records=path, seed=3, epsilon=0.02)
    (record,) = pq.read_table(path).to_pylist()
    for name, value in record.items():
        if not isinstance(value, float):
            assert found.record[name] == value, name
        else:
            assert found.record[name] == pytest.approx(value, abs=1e-9), name


def test_what_the_model_says_is_what_was_measured(model: str) -> None:
    found = explain_text(AuditSettings(model=model), TEXT)
    record = found.record
    assert found.own.probabilities[1] == pytest.approx(record["probability"])
    assert found.own.distance == 0
    assert found.adversarial is not None
    assert found.adversarial.distance == pytest.approx(record["adversarial.distance"], abs=1e-6)
    assert found.adversarial.distance <= found.epsilon + 1e-6
    assert found.uniform is not None
    assert found.uniform.distance == pytest.approx(record["permutation.uniform.distance"], abs=1e-6)
    assert found.uniform.prediction == record["permutation.uniform.prediction"]
    assert found.left_out == int(np.argmax(record["leave_one_out"]))
    assert found.without.distance == pytest.approx(max(record["leave_one_out"]), abs=1e-6)


def test_without_a_word_is_the_shorter_text(model: str) -> None:
    found = explain_text(AuditSettings(model=model), TEXT)
    words = TEXT.split()
    shorter = " ".join(word for i, word in enumerate(words) if i != found.left_out)
    alone = explain_text(AuditSettings(model=model), shorter)
    assert found.without.probabilities == pytest.approx(alone.own.probabilities, abs=1e-6)
    assert found.without.prediction == alone.own.prediction


@pytest.mark.parametrize(
    "model",
    [
        tiny_model(EncoderKind.CNN, kind=TaskKind.MULTICLASS, n_labels=3),
        tiny_model(kind=TaskKind.MULTILABEL, n_labels=3),
        tiny_model(EncoderKind.AVERAGE, is_pair=True),
    ],
)
def test_every_kind_of_model(model: AuditedModel, tmp_path: Path) -> None:
    saved = str(save_model(model, tmp_path / "model.pt"))  # type: ignore[arg-type]
    pair = "w5 w6 w7" if model.describe().takes_pairs else None
    found = explain_text(AuditSettings(model=saved, iterations=20), TEXT, pair)
    assert len(found.own.probabilities) == len(model.task.labels)
    assert found.text_pair == pair
    assert found.record["adversarial.max_jsd"] is not None


def test_heads_of_a_transformer(checkpoint: Checkpoint) -> None:
    settings = AuditSettings(model=str(checkpoint("bert")), unit="word", iterations=10, layer=0)
    found = explain_text(settings, "not a good film at all")
    assert (found.layer, found.head, found.unit) == (0, None, "word")
    assert found.adversarial is not None
    measured = found.record["adversarial.distance"]
    assert found.adversarial.distance == pytest.approx(measured, abs=1e-5)


def test_a_single_word_has_nothing_to_move(model: str) -> None:
    found = explain_text(AuditSettings(model=model), "w4")
    assert found.adversarial is None
    assert found.uniform is None
    assert found.record["adversarial.status"] == "untestable_single_unit"


@pytest.mark.parametrize(
    ("text", "pair", "message"),
    [
        (" ", None, "--text is blank"),
        ("w4", "\n", "--text-pair is blank"),
        ("w4 \ud800", None, "--text is not valid Unicode"),
    ],
)
def test_refuses_what_is_no_text(model: str, text: str, pair: str | None, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        explain_text(AuditSettings(model=model), text, pair)


def test_one_text_has_one_attention(model: str) -> None:
    with pytest.raises(ConfigurationError, match="explained by one attention"):
        explain_text(AuditSettings(model=model, layer="all"), TEXT)


def test_all_checks_run_whatever_the_settings_say(model: str) -> None:
    settings = AuditSettings(model=model, checks=("permutation",), measures=("gradient",))
    found = explain_text(settings, TEXT)
    assert found.record["correlation.attention_leave_one_out"] is not None
    assert found.record["adversarial.max_jsd"] is not None


def judged(model: str, measure: str | None, **options: Any) -> attn_audit.Report:
    """A report of erasure whose recommendation is as one wishes."""
    report = attn_audit.audit(model, tiny_examples(3), checks="erasure", **options)
    found = report.recommendation
    assert found is not None
    told = found.model_copy(update={"show_instead": measure, "short": "What it says."})
    return report.model_copy(update={"recommendation": told})


def test_what_the_report_shows_instead_is_computed_and_stands_first(model: str) -> None:
    report = judged(model, "gradient_x_input", measures="gradient_x_input")
    found = attn_audit.explain(model, TEXT, report=report)
    assert found.show_instead == "gradient_x_input"
    assert len(found.record["gradient_x_input"]) == len(TEXT.split())
    (shaded,) = document(found).sections[0].blocks
    assert isinstance(shaded, ShadedText)
    assert [row.name for row in shaded.rows][:2] == [
        "gradient x input (ranks words as removing them does)",
        "the model's attention",
    ]
    assert "Shown first: gradient x input" in terminal.render(document(found))
    alone = attn_audit.explain(model, TEXT)
    assert alone.show_instead is None
    assert "gradient x input" not in terminal.render(document(alone))


def test_where_nothing_is_shown_instead_that_is_said(model: str) -> None:
    found = attn_audit.explain(model, TEXT, report=judged(model, None, measures="leave_one_out"))
    assert (found.show_instead, found.instead) == (None, "What it says.")
    assert "Show instead: What it says." in terminal.render(document(found))


def test_scores_that_came_with_the_data_are_not_of_another_text(model: str) -> None:
    with registry.added():
        registry.add_shown(["lime"])
        report = judged(model, "shown.lime", measures="leave_one_out")
        found = attn_audit.explain(model, TEXT, report=report)
    assert found.show_instead is None
    assert "the scores 'lime': they come with the data" in found.instead


def test_a_report_of_something_else_is_refused(model: str, tmp_path: Path) -> None:
    report = judged(model, "leave_one_out", measures="leave_one_out")
    other = str(save_model(tiny_model(seed=1), tmp_path / "other.pt"))
    with pytest.raises(ConfigurationError, match="the report is of another model"):
        attn_audit.explain(other, TEXT, report=report)
    of_words = report.settings.model_copy(update={"unit": "word"})
    by_word = report.model_copy(update={"settings": of_words})
    with pytest.raises(ConfigurationError, match="judged the order of words, and here tokens"):
        attn_audit.explain(model, TEXT, report=by_word)
    unasked = report.model_copy(update={"recommendation": None})
    with pytest.raises(ConfigurationError, match="the erasure check was not run"):
        attn_audit.explain(model, TEXT, report=unasked)


def test_a_fitted_mix_of_heads_is_that_of_the_report(checkpoint: Checkpoint) -> None:
    folder = str(checkpoint("bert"))
    report = judged(folder, "head_mix", measures="head_mix", permutations=1)
    mix = report.head_mix
    assert mix is not None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager"
    )
    for text in ("not a good film at all", "not a good one"):  # one of each half
        found = attn_audit.explain(folder, text, report=report, iterations=1, permutations=1)
        assert (found.show_instead, found.instead) == ("head_mix", "What it says.")
        with torch.no_grad():
            called = network.eval()(**tokenizer(text, return_tensors="pt"), output_attentions=True)
        rows = torch.cat([layer[0, :, 0, 1:-1] for layer in called.attentions]).double()
        weights = torch.tensor(mix.weights, dtype=torch.float64).flatten()
        assert found.record["head_mix"] == pytest.approx((weights @ rows).tolist(), rel=1e-4)
    fewer = mix.model_copy(update={"weights": mix.weights[:-1]})
    with pytest.raises(ConfigurationError, match="of a model with other layers or heads"):
        attn_audit.explain(folder, TEXT, report=report.model_copy(update={"head_mix": fewer}))


def test_without_a_report_there_is_no_mix_of_heads(model: str) -> None:
    with pytest.raises(ConfigurationError, match="fitted to many texts, and here is one"):
        attn_audit.explain(model, TEXT, measures="head_mix")
