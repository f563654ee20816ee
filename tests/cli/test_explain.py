"""`explain`: one text in the terminal."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import AttnAudit

TEXT = "w4 w9 w11 w13 w30"


def test_words_taus_and_predictions(attn_audit: AttnAudit, model: Path) -> None:
    outcome = attn_audit("explain", model, "--text", TEXT)
    assert outcome.exit_code == 0
    for shown in (
        "the model's attention",
        "gradient importance  tau with attention",
        "leave-one-out importance  tau with attention",
        "adversarial attention  max JSD",
        "epsilon 0.01",
        "uniform attention",
        "without 'w",
        "shuffled attention, median of 100",
        "the output within 0.01",
    ):
        assert shown in outcome.stdout
    assert outcome.stderr == ""


def test_without_colour_there_are_bars(attn_audit: AttnAudit, model: Path) -> None:
    outcome = attn_audit("explain", model, "--text", TEXT)
    assert "\x1b" not in outcome.stdout
    assert "█" in outcome.stdout


def test_reads_standard_input(attn_audit: AttnAudit, model: Path) -> None:
    said = attn_audit("explain", model, "--text", TEXT)
    piped = attn_audit("explain", model, "--text", "-", input=TEXT + "\n")
    assert piped.stdout == said.stdout


def test_as_json(attn_audit: AttnAudit, model: Path) -> None:
    outcome = attn_audit(
        "explain", model, "--text", TEXT, "--format", "json", "--epsilon", "0.05", "--seed", "7"
    )
    found = json.loads(outcome.stdout)
    assert (found["epsilon"], found["seed"], found["text"]) == (0.05, 7, TEXT)
    assert found["record"]["units"] == TEXT.split()
    assert sum(found["own"]["probabilities"]) == pytest.approx(1)


def test_a_text_cannot_move_the_cursor(attn_audit: AttnAudit, model: Path) -> None:
    outcome = attn_audit("explain", model, "--text", "w4 \x1b[2Jw9 w11 \u202ew13 [red]w30[/red]")
    assert outcome.exit_code == 0
    assert "\x1b" not in outcome.stdout
    assert "\u202e" not in outcome.stdout
    assert r"\x1b[2Jw9" in outcome.stdout
    assert "[red]w30[/red]" in outcome.stdout


def test_a_single_word_says_why_nothing_moves(attn_audit: AttnAudit, model: Path) -> None:
    outcome = attn_audit("explain", model, "--text", "w4")
    assert outcome.exit_code == 0
    assert "a single unit: there is no other place" in " ".join(outcome.stdout.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no MODEL and no --text given"),
        (["model.pt"], "no --text given"),
        (["model.pt", "--text", " "], "--text is blank"),
        (["model.pt", "--text", "w4", "--layer", "all"], "explained by one attention"),
        (["model.pt", "--text", "w4", "--layer", "9"], "--layer 9: the model has 1 layer"),
        (["nowhere.pt", "--text", "w4"], "no model at nowhere.pt"),
    ],
)
def test_what_is_wrong_is_said(
    attn_audit: AttnAudit, model: Path, words: list[str], message: str
) -> None:
    outcome = attn_audit("explain", *words)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert model.exists()


def test_a_report_says_what_to_show_first(attn_audit: AttnAudit, model: Path, data: Path) -> None:
    report = model.parent / "report.json"
    attn_audit("recommend", model, data, "--measures", "leave_one_out", "--output", report)
    outcome = attn_audit("explain", model, "--text", TEXT, "--report", report)
    assert outcome.exit_code == 0
    said = " ".join(outcome.stdout.split())
    assert "Show instead: Cannot be told: " in said
    assert "set aside to judge, and 40 are the least" in said
    missing = attn_audit("explain", model, "--text", TEXT, "--report", "nowhere.json")
    assert missing.exit_code == 2
    assert "nowhere.json" in missing.stderr
