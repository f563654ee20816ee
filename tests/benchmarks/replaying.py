"""What a step of the adversarial search costs a decoder, by the way of replay that is taken.

    python -m tests.benchmarks.replaying [--texts 4] [--words 20] [--layers 8] [--hidden 256]
        [--repeats 3] [--threads 1]

The model is a Llama of random weights that is made on the spot and asked. At each of some layers
five variants of each text are replayed and differentiated: by full passes, and by the cheapest way
that a trial proved. Figures are medians of runs that are interleaved in one process: quote the
ratio, not the seconds.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from attn_audit import Example
from attn_audit.models.contract import Site
from attn_audit.models.huggingface.model import HuggingFaceModel
from attn_audit.models.interception.replay import full
from tests.benchmarks.measuring import Stages, interleaved_medians, show
from tests.checkpoints import SENTENCES, write_language_model
from tests.models.huggingface.test_language_model import asked

N_VARIANTS = 5


def step_of(model: HuggingFaceModel, examples: list[Example], site: Site) -> Callable[[], None]:
    """Replays of one batch and their gradient, by the way that is taken now."""
    (reading,) = model.read(model.collate(model.encode(examples)), [site])
    attention = reading.attention.unsqueeze(1).repeat(1, N_VARIANTS, 1, 1).requires_grad_()

    def step() -> None:
        torch.autograd.grad(reading.replay(attention).sum(), attention)

    step()  # what is prepared once
    return step


def main() -> None:
    """Measure, and print a table for each layer."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = {"texts": 4, "words": 20, "layers": 8, "hidden": 256, "repeats": 3, "threads": 1}
    for name, value in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    words = " ".join(SENTENCES).split()
    texts = [" ".join(words[7 * i : 7 * i + given.words]) for i in range(given.texts)]
    examples = [Example(f"e{i}", text) for i, text in enumerate(texts)]
    config = {
        "hidden_size": given.hidden,
        "intermediate_size": 4 * given.hidden,
        "num_hidden_layers": given.layers,
        "max_position_embeddings": 512,
    }
    with tempfile.TemporaryDirectory() as folder:
        model = asked(write_language_model("llama", Path(folder) / "llama", **config))
    for layer in (0, given.layers // 2, given.layers - 2, given.layers - 1):
        site = Site(layer)
        cheapest = model._way(site)
        taken = step_of(model, examples, site)
        model._ways[site.layer, site.rows] = replace(cheapest, name="full", prepare=full)
        stages: Stages = {"full passes": step_of(model, examples, site), cheapest.name: taken}
        medians = interleaved_medians(stages, given.repeats, time.process_time)
        show(f"layer {layer} of {given.layers}, {len(examples)} texts", medians, None)


if __name__ == "__main__":
    main()
