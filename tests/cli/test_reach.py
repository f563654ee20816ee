"""Attention that acts in few texts is found in them; where it acts in none, all that were tried."""

import json
from pathlib import Path

import pytest

from attn_audit.results.report import Report
from tests.cli.conftest import AttnAudit

ADAPTER = '''
import torch
from torch import nn

from attn_audit import CustomModel

class OneWordDecides(nn.Module):
    """Only "key" has a value, and with it most of the attention."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(torch.eye(50, 4), padding_idx=0)

    def forward(self, ids):
        is_key = (ids == 1).float()
        scores = 3 * is_key + 0.01 * ids
        weights = scores.masked_fill(ids == 0, -1e9).softmax(-1)
        one = self.embedding(ids).sum(-1) + 1 - self.embedding(ids).sum(-1).detach()
        return (weights * 2 * is_key * one).sum(-1, keepdim=True)

def load(_):
    def encode(texts):
        rows = [torch.tensor([1 if w == "key" else 2 + int(w[1:]) for w in text]) for text in texts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)

    return CustomModel(OneWordDecides(), encode, ["no", "yes"], "binary")
'''


@pytest.fixture
def adapter(tmp_path: Path) -> str:
    (tmp_path / "key.py").write_text(ADAPTER)
    (tmp_path / "model").touch()
    return "key.py:load"


def write(folder: Path, n: int, keys: set[int]) -> Path:
    """Texts of 5 to 11 words; those of `keys` have the word that decides."""
    texts = [" ".join(f"w{(i + j) % 40}" for j in range(5 + i % 7)) for i in range(n)]
    rows = [{"text": f"{text} key" if i in keys else text} for i, text in enumerate(texts)]
    path = folder / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_more_texts_are_tried_where_attention_reaches_the_output_in_none_of_a_few(
    attn_audit: AttnAudit, adapter: str, tmp_path: Path
) -> None:
    data = write(tmp_path, 60, {47, 55})
    words = ("correlate", "model", data, "--adapter", adapter, "--output", "report.json")
    outcome = attn_audit(*words, "--records", "records.jsonl")
    assert outcome.exit_code == 0, outcome.stderr
    report = Report.load(tmp_path / "report.json")
    assert report.data.n_examples == 60
    rows = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    moved = [i for i, row in enumerate(rows) if max(row["leave_one_out"]) > 0.01]
    assert moved == [47, 55]
    assert attn_audit("verify", "report.json", "model", data, "--adapter", adapter).exit_code == 0
    assert attn_audit("inspect", "model", data, "--adapter", adapter).exit_code == 0


@pytest.mark.parametrize(
    ("command", "n", "n_tried"), [("plan", 120, 120), ("audit", 400, 256), ("inspect", 1, 1)]
)
def test_where_it_does_in_none_the_number_that_was_tried_is_said(
    attn_audit: AttnAudit, adapter: str, tmp_path: Path, command: str, n: int, n_tried: int
) -> None:
    data = write(tmp_path, n, set())
    outcome = attn_audit(command, "model", data, "--adapter", adapter)
    assert outcome.exit_code == 2
    said = " ".join(outcome.stderr.split())
    one = "the one text that was tried does not let attention reach the output"
    many = f"none of the {n_tried} texts that were tried lets attention reach the output"
    assert (one if n == 1 else many) in said


def test_a_text_that_is_explained_is_tried_itself(
    attn_audit: AttnAudit, adapter: str, tmp_path: Path
) -> None:
    source = (tmp_path / "key.py").read_text()
    (tmp_path / "key.py").write_text(source.replace("2 + int(w[1:])", "2 + len(w)"))
    least = ("--permutations", 1, "--iterations", 1, "--restarts", 1)
    words = ("explain", "model", "--adapter", adapter, *least, "--text")
    assert attn_audit(*words, "w1 w2 key w3").exit_code == 0
    outcome = attn_audit(*words, "w1 w2 w3")
    assert outcome.exit_code == 2
    assert "none of the 5 texts" in " ".join(outcome.stderr.split())
