"""What every stage of an audit of a transformer costs, against a bare forward pass of it.

    python -m tests.benchmarks.huggingface MODEL DATA [--json FILE] [--repeats 3] [--threads 1]
        [--adversary 200] [--device cpu]

MODEL is a HuggingFace classifier, DATA its data set. All figures are medians of runs that are
interleaved in one process: quote the ratios, not the seconds. F is a pass of the untouched module
over the whole split in length-sorted batches; leave-one-out and the adversary run on a sample, and
their ratio is to a bare pass over the same sample.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import read_batch
from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import length_batches, sample_examples
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.contract import EncodedExample, Site
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.loading import load_model, resolve_device
from tests.benchmarks.measuring import Stages, interleaved_medians, show

Item = TypeVar("Item")

BATCH_SIZE = 128
EPSILON = 0.01


@torch.inference_mode()
def bare_pass(model: InterceptedModel, batches: Sequence[InterceptedBatch]) -> None:
    """F: the module itself on its own kernels."""
    for batch in batches:
        model.module(**batch.inputs.keywords)
    _wait(model)


def _wait(model: InterceptedModel) -> None:
    if model.device.type == "cuda":
        torch.cuda.synchronize()


def batches_of(
    model: InterceptedModel, encoded: Sequence[EncodedExample]
) -> list[InterceptedBatch]:
    """Length-sorted batches."""
    order = length_batches([item.n_units for item in encoded], BATCH_SIZE, 16384)
    return [model.collate([encoded[i] for i in rows]) for rows in order]


def stages_of_split(model: InterceptedModel, batches: Sequence[InterceptedBatch]) -> Stages:
    """What runs over the whole split."""
    site = model.default_site
    every = [
        Site(layer, head)
        for layer, attention in enumerate(model.layers)
        for head in range(attention.n_heads)
    ]

    def permute(batch: InterceptedBatch) -> None:
        Permutation(EPSILON).run(read_batch(model, batch, site, seed=0))

    return {
        "bare forward pass (F)": lambda: bare_pass(model, batches),
        "reading the last layer": lambda: over(batches, lambda b: model.read(b, [site])),
        "reading all layers and heads": lambda: over(batches, lambda b: model.read(b, every)),
        "gradient importance": lambda: over(batches, lambda b: gradients(model, b)[..., 0]),
        "reading and 100 permutations": lambda: over(batches, permute),
    }


def stages_of_sample(model: InterceptedModel, batches: Sequence[InterceptedBatch]) -> Stages:
    """What runs over a sample."""
    read = [read_batch(model, batch, model.default_site, seed=0) for batch in batches]
    return {
        "bare forward pass (F)": lambda: bare_pass(model, batches),
        "leave-one-out": lambda: over(batches, lambda b: leave_out(model, b).distance),
        "adversary, 5 x 500 steps": lambda: over(read, Adversarial(EPSILON).run),
    }


def over(items: Iterable[Item], run: Callable[[Item], object]) -> None:
    """Do something with each, and keep nothing, as an audit does."""
    for item in items:
        run(item)


def tokens(batches: Sequence[InterceptedBatch]) -> tuple[int, int]:
    """Tokens of the texts, and of all their leave-one-out variants with the texts themselves."""
    own = sum(int(b.inputs.real.sum()) for b in batches)
    variants = sum(int((b.inputs.real.sum(1) * (b.unit_mask.sum(1) + 1)).sum()) for b in batches)
    return own, variants


def main() -> None:
    """Measure, print tables, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--device", default="cpu")
    words = parser.parse_args()

    torch.set_num_threads(words.threads)
    examples = list(read_examples(DataSource(words.data)))
    model = load_model(words.model, resolve_device(words.device), trial=examples[:8])
    assert isinstance(model, InterceptedModel)
    batches = batches_of(model, model.encode(examples))
    threads = f"{words.threads} thread{'s' if words.threads > 1 else ''}, {words.device}"
    medians = interleaved_medians(stages_of_split(model, batches), words.repeats)
    show(f"{len(examples)} examples, {threads}", medians, words.json)

    chosen = sample_examples(examples, words.sample, seed=0)
    sample = batches_of(model, model.encode(chosen))
    medians = interleaved_medians(stages_of_sample(model, sample), words.repeats)
    own, variants = tokens(sample)
    bare, leave_one_out = list(medians.values())[:2]
    throughput = (variants / leave_one_out) / (own / bare)
    show(
        f"{len(chosen)} examples, {threads}",
        medians,
        words.json and words.json.with_suffix(".sample.json"),
        leave_one_out_token_throughput_over_the_bare_model=round(throughput, 3),
    )


if __name__ == "__main__":
    main()
