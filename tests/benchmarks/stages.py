"""What every stage of an audit costs, against a bare forward pass of the same model.

    python -m tests.benchmarks.stages MODEL DATA [--json FILE] [--repeats 5] [--gradient]

MODEL is a checkpoint with a BiLSTM, DATA its data set. All figures are medians of runs that are
interleaved in one process on one thread: quote the ratios, not the seconds.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.checks.reading import read_batch
from attn_audit.data.batching import length_batches
from attn_audit.data.reading import DataSource, read_examples
from attn_audit.importance.gradient import gradient_importance
from attn_audit.importance.leave_one_out import leave_one_out_importance
from attn_audit.importance.measures import Importances
from attn_audit.models.attention_pooling.batch import TokenBatch
from attn_audit.models.attention_pooling.model import AttentionPoolingModel
from attn_audit.models.loading import load_model
from tests.benchmarks.measuring import Stages, interleaved_medians, show

BATCH_SIZE = 128
EPSILON = 0.01


@torch.inference_mode()
def bare_pass(model: AttentionPoolingModel, batches: list[TokenBatch]) -> None:
    """F: packed LSTM, attention, readout, sigmoid, written out without the product's code."""
    network = model.network
    encoder = network.text_encoder
    lstm = encoder.get_submodule("encoder.lstm")
    for batch in batches:
        embedded = encoder.embedding(batch.token_ids)
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            embedded, batch.lengths, batch_first=True, enforce_sorted=False
        )
        states, _ = torch.nn.utils.rnn.pad_packed_sequence(lstm(packed)[0], batch_first=True)
        states = states[:, 1:-1]
        scores = network.attention(states, None).masked_fill(~batch.unit_mask, -torch.inf)
        context = torch.einsum("bu,buh->bh", scores.softmax(-1), states)
        network.readout.output(context).sigmoid()


def measure(model: AttentionPoolingModel, batches: list[TokenBatch], with_gradient: bool) -> Stages:
    """The stages by name, each over the whole split."""
    read: list[AuditedBatch] = [read_batch(model, b, model.default_site, seed=0) for b in batches]
    stages: Stages = {
        "bare forward pass (F)": lambda: bare_pass(model, batches),
        "reading attention": lambda: [model.read(b, [model.default_site]) for b in batches],
        "gradient importance": lambda: [gradient_importance(model, b) for b in batches],
        "leave-one-out": lambda: [leave_one_out_importance(model, b) for b in batches],
        "correlation, all": lambda: [Correlation().run(unmeasured(a)) for a in read],
        "permutation, 100 draws": lambda: [Permutation(EPSILON).run(a) for a in read],
        "adversary, exact": lambda: [Adversarial(EPSILON).run(a) for a in read],
    }
    if with_gradient:
        search = Adversarial(EPSILON, Method.GRADIENT)
        stages["adversary, gradient, 500 steps"] = lambda: [search.run(a) for a in read]
    return stages


def unmeasured(audited: AuditedBatch) -> AuditedBatch:
    """The batch as it was before its importance was first asked for."""
    return replace(audited, importances=Importances(audited.model, audited.batch))


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--gradient", action="store_true", help="the gradient adversary too")
    words = parser.parse_args()

    torch.set_num_threads(1)
    model = load_model(words.model, torch.device("cpu"))
    assert isinstance(model, AttentionPoolingModel)
    encoded = model.encode(list(read_examples(DataSource(words.data))))
    lengths = [item.n_units for item in encoded]
    order = length_batches(lengths, BATCH_SIZE, 10**9)
    batches = [model.collate([encoded[i] for i in rows]) for rows in order]

    medians = interleaved_medians(measure(model, batches, words.gradient), words.repeats)
    show(f"{len(encoded)} examples, 1 thread", medians, words.json)


if __name__ == "__main__":
    main()
