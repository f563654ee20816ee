"""A user's own module on the command line: the documented example, and its failures."""

import json
import runpy
import sys
from pathlib import Path
from random import Random

import pytest

from tests.cli.conftest import AttnAudit

SAMPLE = Path(__file__).parents[2] / "sample_configs" / "plain_bilstm.py"
WORDS = {"good": ("fine", "lovely", "warm"), "bad": ("dull", "grim", "stale")}
OTHERS = ("the", "film", "plot", "actors", "it", "and", "a", "music")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Sixty sentences, each with one word that tells its label."""
    draw = Random(0)
    path = tmp_path / "texts.jsonl"
    with path.open("w") as lines:
        for i in range(60):
            label = draw.choice(list(WORDS))
            words = [draw.choice(WORDS[label]), *draw.choices(OTHERS, k=draw.randint(2, 9))]
            draw.shuffle(words)
            text = " ".join(words).capitalize()
            lines.write(json.dumps({"id": f"t{i}", "text": text, "label": label}) + "\n")
    return path


@pytest.fixture
def trained(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the example's own training writes."""
    checkpoint = tmp_path / "plain.pt"
    monkeypatch.setattr(sys, "argv", [str(SAMPLE), "train", str(texts), str(checkpoint)])
    runpy.run_path(str(SAMPLE), run_name="__main__")
    return checkpoint


def test_the_example_is_audited_as_its_docstring_says(
    attn_audit: AttnAudit, trained: Path, texts: Path, tmp_path: Path
) -> None:
    outcome = attn_audit(
        *("audit", trained, texts, "--adapter", f"{SAMPLE}:load"),
        *("--records", "records.jsonl", "--format", "json"),
    )
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(outcome.stdout)
    assert report["model"]["linear_readout"]
    assert report["model"]["findings"]["replay"] == "resume"
    assert report["settings"]["adapter"] == f"{SAMPLE}:load"
    records = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert len(records) == 60
    assert {record["adversarial.method"] for record in records} == {"exact"}
    given = [json.loads(line)["text"] for line in texts.read_text().splitlines()]
    assert [" ".join(record["units"]) for record in records] == given


def test_the_example_can_be_inspected(attn_audit: AttnAudit, trained: Path, texts: Path) -> None:
    outcome = attn_audit("inspect", trained, texts, "--adapter", f"{SAMPLE}:load")
    assert outcome.exit_code == 0, outcome.stderr
    assert "BiLSTMClassifier (Embedding, LSTM, Linear)" in outcome.stdout


def test_an_adapter_that_is_not_there_is_wrong_usage(attn_audit: AttnAudit, texts: Path) -> None:
    outcome = attn_audit("audit", "model.pt", texts, "--adapter", "nowhere.py:load")
    assert outcome.exit_code == 2
    assert "error: --adapter nowhere.py:load: there is no file nowhere.py" in outcome.stderr


def test_a_module_that_fails_at_a_text_names_it(
    attn_audit: AttnAudit, trained: Path, texts: Path, tmp_path: Path
) -> None:
    adapter = tmp_path / "failing.py"
    adapter.write_text(
        f"""
import runpy
from attn_audit import CustomModel

def load(checkpoint):
    made = runpy.run_path({str(SAMPLE)!r})["load"](checkpoint)

    def encode(texts):
        if any("unheard" in words for words in texts):
            raise ValueError("a word that nobody knows")
        return made.encode(texts)

    return CustomModel(made.module, encode, made.labels, made.task)
"""
    )
    with texts.open("a") as lines:
        lines.write('{"id": "last", "text": "an unheard word"}\n')
    outcome = attn_audit("audit", trained, texts, "--adapter", f"{adapter}:load")
    assert outcome.exit_code == 3
    assert (
        "error: the adapter's code failed at example 'last': "
        "ValueError: a word that nobody knows (failing.py, line 10)" in outcome.stderr
    )
    assert "Traceback" not in outcome.stderr
