"""HuggingFace classifiers through the command line, one of each shape."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from attn_audit.models.huggingface.hub import quiet
from tests.checkpoints import SENTENCES, randomize
from tests.cli.conftest import AttnAudit
from tests.conftest import Checkpoint
from tests.models.huggingface.tokenizers import bertweet
from tests.models.interception.zoo import CONFIGURATIONS

SHAPES = ("llama", "gpt2", "deberta-v2", "modernbert", "t5", "mpnet", "bert")
DELETING = ("t5",)
"""Of these: masks do not hide what is left out."""
QUICK = ("--permutations", 3, "--iterations", 2, "--restarts", 1)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Three labelled texts of different lengths, all spelt as the tokenizers know them."""
    path = tmp_path / "texts.jsonl"
    rows = [{"id": f"e{i}", "text": text, "label": i % 2} for i, text in enumerate(SENTENCES[:3])]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def records_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("shape", "unit"), [*((shape, "word") for shape in SHAPES), ("gpt2", "token")]
)
def test_every_shape_is_audited(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, shape: str, unit: str
) -> None:
    outcome = attn_audit(
        "audit", checkpoint(shape), texts, "--unit", unit, *QUICK, "--records", "records.jsonl",
        "--output", "report.json",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(Path("report.json").read_text())
    assert all(check["passed"] for check in report["self_checks"])
    assert report["settings"]["unit"] == unit
    found = {name.partition(".")[0] for name in report["metrics"]}
    assert {"correlation", "attended", "permutation", "adversarial"} <= found
    for record, text in zip(records_in(Path("records.jsonl")), SENTENCES, strict=False):
        if unit == "word":
            assert record["units"] == text.split()
        assert sum(record["attention"]) == pytest.approx(1, abs=1e-6)
        assert record["permutation.status"] == "measured"
    findings = report["model"]["findings"]
    assert findings["removal"] == ("delete" if shape in DELETING else "mask")
    assert findings["masking_leaks"] == (shape in DELETING)


def test_a_decoders_last_token_is_deleted_and_counted(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path
) -> None:
    words = ("--format", "json", "--output", "report.txt")
    outcome = attn_audit("correlate", checkpoint("gpt2"), texts, *words)
    assert json.loads(outcome.stdout)["data"]["n_readout_deleted"] == 3
    assert "deleted" in Path("report.txt").read_text()


def test_every_layer_and_head_in_a_table_and_a_grid(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path
) -> None:
    words = ("correlate", checkpoint("bert"), texts, "--limit", 2, "--format", "json")
    written = ("--records", "records.jsonl", "--output", "grid.txt")
    outcome = attn_audit(*words, "--layer", "all", "--head", "all", *written)
    sites = json.loads(outcome.stdout)["sites"]
    assert [(site["layer"], site["head"]) for site in sites] == [
        (layer, head) for layer in range(3) for head in range(4)
    ]
    lines = records_in(Path("records.sites.jsonl"))
    assert len(lines) == 2 * len(sites)
    taus = [x["correlation.attention_gradient"] for x in lines if (x["layer"], x["head"]) == (1, 2)]
    found = next(s for s in sites if (s["layer"], s["head"]) == (1, 2))
    mean = found["means"]["correlation.attention_gradient"]["mean"]
    assert mean == pytest.approx(sum(taus) / len(taus))
    assert "layer" in Path("grid.txt").read_text()
    alone = json.loads(attn_audit(*words, "--layer", 1, "--head", 2).stdout)["metrics"]
    assert alone["correlation.attention_gradient"]["mean"] == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("shape", ["llama", "bart"])
def test_every_row_can_be_audited(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, shape: str
) -> None:
    outcome = attn_audit(
        "audit", checkpoint(shape), texts, "--rows", "all", "--layer", 1, *QUICK, "--limit", 1,
        "--output", "report.json",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    assert json.loads(Path("report.json").read_text())["settings"]["rows"] == "all"


def test_truncated_examples_are_counted(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path
) -> None:
    outcome = attn_audit(
        "permute", checkpoint("bert"), texts, "--max-length", 6, "--format", "json"
    )
    assert json.loads(outcome.stdout)["data"]["n_truncated"] == 3


def test_inspect_says_what_the_trial_found(attn_audit: AttnAudit, checkpoint: Checkpoint) -> None:
    shown = attn_audit("inspect", checkpoint("deberta-v2")).stdout
    for word in ("first token", "row", "layers 0-2, 4 heads", "Masking", "not linear"):
        assert word in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layer", 3), "--layer 3: the model has 3 layers, 0 to 2"),
        (("--head", 4), "--head 4"),
        (("--vocabulary", "words.json"), "--vocabulary means nothing to a HuggingFace model"),
        (("--max-length", 2), "--max-length"),
        (("--revision", "main"), "--revision is for models on the hub"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    attn_audit: AttnAudit,
    checkpoint: Checkpoint,
    texts: Path,
    words: tuple[object, ...],
    message: str,
) -> None:
    outcome = attn_audit("correlate", checkpoint("bert"), texts, *words)
    assert outcome.exit_code == 2
    assert message in outcome.stderr


def test_labels_that_do_not_match_are_listed_on_both_sides(
    attn_audit: AttnAudit, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"text": "a fine film", "label": "good"}\n{"text": "bad", "label": "awful"}\n')
    outcome = attn_audit("audit", checkpoint("bert"), data)
    assert outcome.exit_code == 2
    for name in ("good", "awful", "negative", "positive", "--label-map"):
        assert name in outcome.stderr


def test_a_real_model_is_tried_out(attn_audit: AttnAudit, texts: Path, shared: Path) -> None:
    outcome = attn_audit("inspect", shared / "models/minilm_sst", texts, "--format", "json")
    findings = json.loads(outcome.stdout)["findings"]
    assert findings["replay"] == "row"
    assert findings["replay_error"] < 1e-4


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_precisions_are_audited_and_verified(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, dtype: str
) -> None:
    """The ties of the records are those that are looked for, and witnesses stay within epsilon."""
    checks = ("--checks", "correlation,adversarial", *QUICK[2:])
    words = ("audit", checkpoint("bert"), texts, *checks, "--dtype", dtype)
    outcome = attn_audit(*words, "--output", "r.json", "--records", "r.jsonl")
    assert outcome.exit_code == 0, outcome.stderr
    for record in records_in(Path("r.jsonl")):
        assert record["adversarial.distance"] <= 0.01
    outcome = attn_audit("verify", "r.json", checkpoint("bert"), texts)
    assert outcome.exit_code == 0, outcome.stdout


def saved(folder: Path, model_type: str, tokenizer: Any, **said: Any) -> Path:
    """A tiny classifier of any architecture."""
    sizes = {**CONFIGURATIONS["bert"], **CONFIGURATIONS.get(model_type, {})}
    settings = {**sizes, "num_labels": 2, "vocab_size": len(tokenizer), **said}
    config = AutoConfig.for_model(model_type, **settings)
    module = AutoModelForSequenceClassification.from_config(config)
    randomize(module)
    with quiet():
        module.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return folder


def test_words_of_a_tokenizer_without_offsets(
    attn_audit: AttnAudit, texts: Path, tmp_path: Path
) -> None:
    model = saved(tmp_path / "model", "bert", bertweet(tmp_path / "tokenizer"))
    words = ("permute", model, texts, "--unit", "word", "--permutations", 5)
    outcome = attn_audit(*words, "--records", "records.jsonl")
    assert outcome.exit_code == 0, outcome.stderr
    for record, text in zip(records_in(Path("records.jsonl")), SENTENCES, strict=False):
        assert record["units"] == text.split()
    texts.write_text(json.dumps({"text": "fine手机 film"}) + "\n")
    outcome = attn_audit(*words)
    assert outcome.exit_code == 2
    assert "--unit word: the tokenizer (BertweetTokenizer)" in outcome.stderr
    assert "--unit token" in outcome.stderr


def test_what_padding_disturbs_is_audited(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert"))
    model = saved(tmp_path / "model", "convbert", tokenizer)
    outcome = attn_audit("permute", model, texts, *QUICK[:2])
    assert outcome.exit_code == 0, outcome.stderr
    assert "texts of one length share batches" in " ".join(outcome.stdout.split())


def test_a_model_that_fails_by_itself(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("bert"))
    model = saved(tmp_path / "model", "xmod", tokenizer, languages=["en_XX"])
    outcome = attn_audit("audit", model, texts)
    assert outcome.exit_code == 2
    assert "XmodForSequenceClassification of transformers itself fails at" in outcome.stderr
    assert "Input language unknown" in outcome.stderr
    assert "fault of attn-audit" not in outcome.stderr


def test_how_much_a_window_shows(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, tmp_path: Path
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint("llama"))
    model = saved(tmp_path / "model", "mistral", tokenizer, sliding_window=4)
    words = ("--attention-implementation", "eager")
    for command in (("inspect", model, texts), ("permute", model, texts)):
        outcome = attn_audit(*command, *words)
        assert outcome.exit_code == 0, outcome.stderr
        assert "the audited rows see" in outcome.stdout


@pytest.mark.parametrize("kind", ["paper", "unknown"])
def test_an_implementation_that_cannot_be(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, kind: str
) -> None:
    model, value = ("demo", "eager") if kind == "paper" else (checkpoint("bert"), "flash")
    outcome = attn_audit("audit", model, texts, "--attention-implementation", value)
    assert outcome.exit_code == 2
    assert "--attention-implementation" in outcome.stderr


def test_long_texts_are_read_in_windows_and_the_report_says_so(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path
) -> None:
    said = ("--max-length", 12, "--window-overlap", 3)
    outcome = attn_audit(
        "correlate", checkpoint("bert"), texts, *said, "--output", "report.json",
        "--output", "report.txt", "--records", "records.jsonl",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    report = json.loads(Path("report.json").read_text())
    records = [json.loads(line) for line in Path("records.jsonl").read_text().splitlines()]
    counts = [record["windows"] for record in records if record["windows"] is not None]
    assert report["data"]["n_windowed"] == len(counts) > 0
    assert min(counts) > 1
    assert report["data"]["n_truncated"] == 0
    assert report["settings"]["window_overlap"] == 3
    shown = " ".join(Path("report.txt").read_text().split())
    assert f"{len(counts)} examples read in windows of 12 tokens, each sharing 3 with" in shown
    outcome = attn_audit("verify", "report.json", checkpoint("bert"), texts)
    assert outcome.exit_code == 0, outcome.stdout
    text = json.loads(texts.read_text().splitlines()[0])["text"]
    outcome = attn_audit("explain", checkpoint("bert"), "--text", text, *said, *QUICK)
    assert f"in {records[0]['windows']} windows whose logits" in " ".join(outcome.stdout.split())


@pytest.mark.parametrize(
    ("overlap", "message"),
    [
        (10, "--window-overlap 10: a window holds 10 tokens of the text beside the special ones"),
        (-1, "--window-overlap: must be greater than or equal to 0"),
    ],
)
def test_windows_that_cannot_be(
    attn_audit: AttnAudit, checkpoint: Checkpoint, texts: Path, overlap: int, message: str
) -> None:
    outcome = attn_audit(
        "permute", checkpoint("bert"), texts, "--max-length", 12, "--window-overlap", overlap
    )
    assert outcome.exit_code == 2
    assert message in outcome.stderr


def test_windows_mean_nothing_to_the_papers_models(attn_audit: AttnAudit, texts: Path) -> None:
    outcome = attn_audit("permute", "demo", texts, "--window-overlap", 3)
    assert outcome.exit_code == 2
    assert "--window-overlap means nothing to a checkpoint of the paper's models" in outcome.stderr
