"""A folder of valid inputs of every kind, small enough that thousands of changed ones are tried."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import torch
from pyarrow import parquet
from typer.testing import CliRunner

from attn_audit.cli import app
from attn_audit.models.paper.checkpoint import MARKERS, save_checkpoint
from tests.checkpoints import write_checkpoint
from tests.tiny import WORDS, checkpoint_of, tiny_model

ROWS = [
    {"id": "a", "text": "w5 w6 w7 w8 w9", "label": "label0"},
    {"id": "b", "text": "w10 w11 w5", "label": "label1"},
    {"id": "c", "text": "w12 w13 w14 w15 w16 w17", "label": "label0"},
]
SENTENCES = ("A gorgeous, witty and seductive movie.", "Slow, dull and far too long.", "It is bad.")

CONFIGURATION = """\
model = "model.pt"
data = "data.jsonl"
checks = ["correlation", "attended", "permutation", "adversarial"]
measures = "gradient,leave_one_out"
label_map = { label0 = "label0", label1 = "label1" }
layer = "last"
head = "mean"
permutations = 2
epsilon = 0.05
iterations = 2
restarts = 1
seed = 3
limit = 3
text_field = "text"
batch_size = "auto"
threads = 1
output = ["out/report.json", "out/report.md"]
records = "out/records.jsonl"
"""
POLICY = """\
min_examples = 1
min_coverage = 0.5
[[bound]]
metric = "correlation.gap.attention_gradient"
max = 0.15
level = "warn"
only_if = { metric = "correlation.gradient_leave_one_out", min = 0.4 }
[[bound]]
metric = "permutation.moved"
min = 0.5
why = "It should move."
[[waiver]]
metric = "permutation.moved"
reason = "known"
expires = 2027-06-30
"""
FEW = ("--iterations", "2", "--restarts", "1", "--permutations", "2", "--threads", "1", "--quiet")
"""The least that all checks do."""


def write_seeds(folder: Path) -> None:
    """Write a valid input of every kind.

    Args:
        folder: An empty one.
    """
    _write_models(folder)
    _write_data(folder)
    (folder / "attn-audit.toml").write_text(CONFIGURATION)
    (folder / "empty.toml").write_text("")
    (folder / "policy.toml").write_text(POLICY)
    for name, records in (("report", "records.parquet"), ("other", "other.jsonl")):
        words = ["audit", "model.pt", "data.jsonl", *FEW, "--output", f"{name}.json"]
        paths = [str(folder / word) if "." in word else word for word in words]
        done = CliRunner().invoke(app, [*paths, "--records", str(folder / records)])
        assert done.exit_code == 0, done.output


def _write_models(folder: Path) -> None:
    tiny = tiny_model()
    save_checkpoint(folder / "model.pt", checkpoint_of(tiny, training={"epochs": 3}))
    write_original(folder / "original")
    write_checkpoint(
        "bert", folder / "bert", hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8,
    )  # fmt: skip


def write_original(folder: Path) -> None:
    """In the original's layout: one file as it was written in 2019, one as today."""
    network = tiny_model().network.state_dict()
    encoder = {
        name.removeprefix("text_encoder.").replace("encoder.lstm.", "rnn."): tensor
        for name, tensor in network.items()
        if name.startswith("text_encoder.")
    }
    renamed = {
        "readout.output.": "linear_1.", "attention.state.": "attention.attn1.",
        "attention.score.": "attention.attn2.",
    }  # fmt: skip
    decoder = {
        new + name.removeprefix(old): tensor
        for name, tensor in network.items()
        for old, new in renamed.items()
        if name.startswith(old)
    }
    sizes = {"vocab_size": len(MARKERS) + len(WORDS), "embed_size": 10, "hidden_size": 8}
    attention = {"attention": {"type": "tanh"}, "output_size": 1}
    config = {"model": {"encoder": {"type": "rnn", **sizes}, "decoder": attention}}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    words = {word: i for i, word in enumerate((*MARKERS, *WORDS))}
    (folder / "vocab.json").write_text(json.dumps(words))
    torch.save(encoder, folder / "enc.th", _use_new_zipfile_serialization=False)
    torch.save(decoder, folder / "dec.th")


def _write_data(folder: Path) -> None:
    lines = "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()
    (folder / "data.jsonl").write_bytes(lines)
    (folder / "data.jsonl.gz").write_bytes(gzip.compress(lines, mtime=0))
    for suffix, delimiter in ((".csv", ","), (".tsv", "\t")):
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
        (folder / f"data{suffix}").write_text(table.getvalue())
    parquet.write_table(pa.Table.from_pylist(ROWS), folder / "data.parquet")
    texts = "".join(f"{json.dumps({'text': row['text']})}\n" for row in ROWS)
    (folder / "unlabelled.jsonl").write_text(texts)
    sentences = "".join(f"{json.dumps({'text': text})}\n" for text in SENTENCES)
    (folder / "sentences.jsonl").write_text(sentences)
