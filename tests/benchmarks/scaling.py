"""How the stages of an audit grow with the length of the texts: time and memory an example.

    python -m tests.benchmarks.scaling MODEL DATA [--json FILE] [--documents 2000] [--stage NAME]

MODEL is a checkpoint for single texts, DATA its data set, whose texts are joined to documents.
Every figure is from a process of its own with one thread. Memory is what its peak rises by over a
bare forward pass of the model on the same batches; where values are synthetic, over a tiny batch.
Time is the CPU's: other processes change it little, but not nothing.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from attn_audit.checks.adversarial.check import Adversarial, Method
from attn_audit.checks.permutation import Permutation
from attn_audit.data.example import Example, length_batches
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.measures.gradient import gradients
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.statistics.kendall import dense_ranks, kendall_tau_of_ranks
from tests.benchmarks.stages import bare_pass
from tests.benchmarks.synthetic import Relation, synthetic_batch

LENGTHS = (20, 200, 2000)
DOCUMENT = 180
"""Words of the documents that stand for long texts of the real kind."""

LIMITS = BatchLimits()
EPSILON = 0.01

OnBatch = Callable[[PaperModel, InterceptedBatch], object]
ON_MODELS: dict[str, OnBatch] = {
    "reading": lambda model, batch: model.read(batch, [model.default_site]),
    "gradient importance": gradients,
    "leave-one-out": leave_out,
}
ON_VALUES = (
    "permutations",
    *(f"exact adversary, {relation}" for relation in Relation),
    "gradient adversary",
    "kendall's tau",
)


@dataclass(frozen=True)
class Figure:
    """What one stage costs at one length."""

    stage: str
    n_units: int
    n_examples: int
    ms_per_example: float
    added_mb: float


def measure(words: argparse.Namespace) -> Figure:
    """Run one stage in this process."""
    torch.set_num_threads(1)
    if words.stage in ON_MODELS:
        warm_up, run, n_examples = on_model(words)
    else:
        warm_up, run, n_examples = on_values(words.stage, words.length)
    own = peak_mb(warm_up)
    start = time.process_time()
    added = peak_mb(run) - own
    seconds = time.process_time() - start
    return Figure(words.stage, words.length, n_examples, 1e3 * seconds / n_examples, added)


def peak_mb(run: Callable[[], object]) -> float:
    """The process's largest resident memory while something runs; Linux alone forgets old peaks."""
    Path("/proc/self/clear_refs").write_text("5")
    run()
    (line,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(line) / 1024


Run = tuple[Callable[[], object], Callable[[], object], int]
"""What comes before the measurement, what is measured, and over how many examples."""


def on_model(words: argparse.Namespace) -> Run:
    """A stage over joined texts in batches of an audit's size, after a bare pass over them."""
    model = load_model(words.model, torch.device("cpu"))
    assert isinstance(model, PaperModel)
    texts = [example.text for example in read_examples(DataSource(words.data))]
    count = words.documents
    if words.length != DOCUMENT or words.stage == "leave-one-out":  # quadratic in the length
        count = min(count, {20: 512, DOCUMENT: 32, 200: 32, 2000: 2}[words.length])
    encoded = model.encode(documents(texts, words.length, count))
    order = length_batches([item.n_units for item in encoded], LIMITS.n_examples, LIMITS.n_tokens)
    batches = [model.collate([encoded[i] for i in rows]) for rows in order]
    stage = ON_MODELS[words.stage]

    def run() -> None:
        for batch in batches:
            stage(model, batch)

    return lambda: bare_pass(model, batches), run, count


def documents(texts: Sequence[str], n_words: int, count: int) -> list[Example]:
    """Texts joined and cut to so many words, from the first again once they are used up."""
    every = " ".join(texts).split()
    places = [np.arange(i * n_words, (i + 1) * n_words) % len(every) for i in range(count)]
    return [Example(str(i), " ".join(every[j] for j in at)) for i, at in enumerate(places)]


def on_values(stage: str, n_units: int) -> Run:
    """A stage over synthetic values, after the same on a very small batch."""
    n_examples = max(2, min(LIMITS.n_examples, LIMITS.n_tokens // n_units))
    small, large = (of_stage(stage, *shape) for shape in ((2, 6), (n_examples, n_units)))
    return small, large, n_examples


def of_stage(stage: str, n_examples: int, n_units: int) -> Callable[[], object]:
    """The stage itself, its input made."""
    if stage == "kendall's tau":
        values = np.random.Generator(np.random.Philox(0)).random((2, n_examples, n_units))
        lengths, floors = np.full(n_examples, n_units), np.zeros(n_examples)

        def correlate() -> object:
            x, y = (dense_ranks(v, lengths, floors) for v in values)
            return kendall_tau_of_ranks(x, y, lengths)

        return correlate
    relation = Relation(stage.partition(", ")[2] or Relation.INDEPENDENT)
    audited = synthetic_batch(n_examples, n_units, relation)
    check: Permutation | Adversarial = Adversarial(EPSILON)
    if stage == "permutations":
        check = Permutation(EPSILON)
    if stage == "gradient adversary":
        check = Adversarial(EPSILON, Method.GRADIENT)
    return lambda: check.run(audited)


def measured_apart(words: argparse.Namespace, stage: str, length: int) -> Figure:
    """Run one stage in a process of its own."""
    arguments = [words.model, words.data, "--documents", str(words.documents)]
    arguments += ["--stage", stage, "--length", str(length)]
    command = [sys.executable, "-m", "tests.benchmarks.scaling", *arguments]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return Figure(**json.loads(result.stdout.splitlines()[-1]))


def show(figures: Sequence[Figure], file: Path | None) -> None:
    """Print a table, and write the same as JSON."""
    table = Table("stage", "units", "examples", "CPU ms an example", "MB added")
    for figure in figures:
        numbers = (f"{figure.ms_per_example:.3f}", f"{figure.added_mb:.0f}")
        table.add_row(figure.stage, str(figure.n_units), str(figure.n_examples), *numbers)
    Console().print(table)
    if file is not None:
        file.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")


def main() -> None:
    """Measure all stages at all lengths, or one of them here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--stage", help="only this one, in this process", choices=list_stages())
    parser.add_argument("--length", type=int, default=LENGTHS[0])
    words = parser.parse_args()
    if words.stage:
        print(json.dumps(asdict(measure(words))))
        return
    figures = [
        measured_apart(words, stage, length)
        for stage in list_stages()
        for length in sorted({*LENGTHS, *([DOCUMENT] if stage in ON_MODELS else [])})
    ]
    show(figures, words.json)


def list_stages() -> list[str]:
    """Names of all stages."""
    return [*ON_MODELS, *ON_VALUES]


if __name__ == "__main__":
    main()
