"""What every stage of an audit costs, against a bare forward pass of the same model.

    python -m tests.benchmarks.stages MODEL DATA [--json FILE] [--repeats 5] [--gradient] [--plain]

MODEL is a checkpoint for single texts, DATA its data set. All figures are medians of runs that are
interleaved in one process on one thread: quote the ratios, not the seconds.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, clone
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import length_batches
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.measures.registry import Importances
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.erased_logits import Sharing, erased_logits
from attn_audit.models.interception.removal import Deletion
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.paper.network import AttentionKind, AverageEncoder, BiLSTMEncoder, CNNEncoder
from tests.benchmarks.measuring import Stages, interleaved_medians, show

BATCH_SIZE = 128
EPSILON = 0.01
ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "linear": clone}


def batches_of(
    model: PaperModel, data: str, size: int = BATCH_SIZE, n_tokens: int = 10**9
) -> list[InterceptedBatch]:
    """The whole split in length-sorted batches."""
    encoded = model.encode(list(read_examples(DataSource(data))))
    order = length_batches([item.n_units for item in encoded], size, n_tokens)
    return [model.collate([encoded[i] for i in rows]) for rows in order]


@torch.inference_mode()
def bare_pass(model: PaperModel, batches: list[InterceptedBatch]) -> None:
    """F: packed LSTM (or CNN, or average), attention, readout, sigmoid, all written out here."""
    for batch in batches:
        bare_logits(model, batch, embedded(model, batch)).sigmoid()


def bare_gradient(model: PaperModel, batches: list[InterceptedBatch]) -> None:
    """B: the same with its gradient with respect to the embeddings, of one output."""
    for batch in batches:
        embeddings = embedded(model, batch).requires_grad_()
        logits = bare_logits(model, batch, embeddings)
        torch.autograd.grad(logits[:, 0].sum(), embeddings)


def embedded(model: PaperModel, batch: InterceptedBatch) -> Tensor:
    table = model.network.text_encoder.embedding.weight
    return torch.nn.functional.embedding(batch.inputs.arguments[0], table)


def bare_logits(model: PaperModel, batch: InterceptedBatch, embeddings: Tensor) -> Tensor:
    network = model.network
    states = bare_states(model, batch, embeddings)[:, 1:-1]
    attention = network.attention.get_submodule
    match network.architecture.attention:
        case AttentionKind.ADDITIVE:
            scores = attention("score")(attention("state")(states).tanh())
        case AttentionKind.DOT:
            scores = attention("score")(states) * states.shape[-1] ** -0.5
    scores = scores.squeeze(-1).masked_fill(~batch.unit_mask, -torch.inf)
    context = torch.einsum("bu,buh->bh", scores.softmax(-1), states)
    logits: Tensor = network.readout.output(context)
    return logits


def bare_states(model: PaperModel, batch: InterceptedBatch, embeddings: Tensor) -> Tensor:
    encoder = model.network.text_encoder.encoder
    activate = ACTIVATIONS[model.network.architecture.activation]
    match encoder:
        case BiLSTMEncoder():
            packed = pack_padded_sequence(
                embeddings, batch.inputs.arguments[1], batch_first=True, enforce_sorted=False
            )
            return pad_packed_sequence(encoder.lstm(packed)[0], batch_first=True)[0]
        case CNNEncoder():
            visible = torch.arange(embeddings.shape[1]) < batch.inputs.arguments[1].unsqueeze(1)
            channels = (embeddings * visible.unsqueeze(-1)).transpose(1, 2)
            windows = [convolution(channels) for convolution in encoder.convolutions]
            return activate(torch.cat(windows, dim=1)).transpose(1, 2)
        case AverageEncoder():
            return activate(encoder.projection(embeddings))


def leave_one_out_plainly(model: PaperModel, batches: list[InterceptedBatch]) -> None:
    """Every text without each of its units, run by itself."""
    for batch in batches:
        but_one = ~torch.eye(batch.unit_mask.shape[1], dtype=torch.bool)
        keep = torch.cat([torch.ones_like(but_one[:1]), but_one]).expand(len(batch), -1, -1)
        with torch.no_grad():
            erased_logits(
                Deletion(model.classifier),
                batch,
                keep,
                Sharing.TEXTS,
                model.capacity.n_tokens,
            )


def measure(
    model: PaperModel,
    bare: list[InterceptedBatch],
    batches: list[InterceptedBatch],
    with_gradient: bool,
    with_plain: bool,
) -> Stages:
    """The stages by name, each over the whole split; the bare ones in batches of 128."""
    read: list[AuditedBatch] = [read_batch(model, b, model.default_site, seed=0) for b in batches]
    stages: Stages = {
        "bare forward pass (F)": lambda: bare_pass(model, bare),
        "bare gradient (B)": lambda: bare_gradient(model, bare),
        "reading attention": lambda: [model.read(b, [model.default_site]) for b in batches],
        "gradient importance": lambda: [gradients(model, b)[..., 0] for b in batches],
        "leave-one-out": lambda: [leave_out(model, b).distance for b in batches],
        "correlation, all": lambda: [Correlation().run(unmeasured(a)) for a in read],
        "permutation, 100 draws": lambda: [Permutation(EPSILON).run(a) for a in read],
        "adversary, exact": lambda: [Adversarial(EPSILON).run(a) for a in read],
    }
    if with_gradient:
        search = Adversarial(EPSILON, Method.GRADIENT)
        withheld, bent = ([change(a) for a in read] for change in (without_readout, with_bend))
        stages["adversary, gradient, 500 steps"] = lambda: [search.run(a) for a in read]
        stages["adversary, gradient, through replay"] = lambda: [search.run(a) for a in withheld]
        stages["adversary, gradient, not linear"] = lambda: [search.run(a) for a in bent]
    if with_plain:
        stages["leave-one-out, text by text"] = lambda: leave_one_out_plainly(model, bare)
    return stages


def unmeasured(audited: AuditedBatch) -> AuditedBatch:
    """The batch as it was before its importance was first asked for."""
    return replace(audited, importances=Importances(audited.model, audited.batch, audited.margin))


def without_readout(audited: AuditedBatch) -> AuditedBatch:
    """The same model, of whose readout nothing is known."""
    return replace(audited, reading=replace(audited.reading, find_linear_readout=lambda: None))


def with_bend(audited: AuditedBatch) -> AuditedBatch:
    """The same with a readout that is not linear: the search goes through autograd and `replay`."""

    def replay(weights: Tensor, mass: Tensor | None = None) -> Tensor:
        logits: Tensor = audited.reading.replay(weights, mass)
        return logits + 0.1 * torch.sigmoid(logits)

    reading = replace(without_readout(audited).reading, replay=replay)
    own = replay(reading.attention.unsqueeze(1)).squeeze(1)
    return replace(audited, reading=reading, probabilities=audited.model.task.probabilities(own))


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--gradient", action="store_true", help="the gradient adversary too")
    parser.add_argument("--plain", action="store_true", help="leave-one-out text by text too")
    words = parser.parse_args()

    torch.set_num_threads(1)
    model = load_model(words.model, torch.device("cpu"))
    assert isinstance(model, PaperModel)
    bare = batches_of(model, words.data)
    limits = BatchLimits()
    batches = batches_of(model, words.data, limits.n_examples, limits.n_tokens)
    stages = measure(model, bare, batches, words.gradient, words.plain)
    medians = interleaved_medians(stages, words.repeats)
    show(f"{sum(map(len, batches))} examples, 1 thread", medians, words.json)


if __name__ == "__main__":
    main()
