"""What leave-one-out costs against Captum's FeatureAblation, on the same texts.

    python -m tests.benchmarks.leaving_out MODEL DATA [--json FILE] [--repeats 5] [--threads 1]
        [--sample 60]

MODEL is a HuggingFace classifier, DATA its data set. Captum replaces each token, special tokens
too, by the mask token, as many at once as is fastest for it of those tried. Figures are medians of
runs that are interleaved in one process, of one thread by its own clock: quote the ratio, not the
seconds.
"""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from attn_audit.data.example import sample_examples
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.measures.leave_one_out import leave_out
from attn_audit.models.huggingface.encoding import EncodedTokens
from attn_audit.models.huggingface.output import IDS, MASK
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.loading import load_model
from tests.benchmarks.huggingface import batches_of, over
from tests.benchmarks.measuring import Stages, interleaved_medians, show

TOGETHER = (16, 64)
"""Perturbed texts that Captum runs at once."""


@torch.no_grad()
def ablate(model: InterceptedModel, encoded: Sequence[EncodedTokens], n_together: int) -> None:
    """Captum's way, one text at a time."""
    token = model.classifier.neutral_token
    assert token is not None

    def logits(ids: Tensor) -> Tensor:
        found: Tensor = model.module(**{IDS: ids, MASK: torch.ones_like(ids)}).logits
        return found

    ablation = import_module("captum.attr").FeatureAblation(logits)
    for text in encoded:
        ids = torch.tensor([text.token_ids])
        ablation.attribute(ids, baselines=token.id, target=0, perturbations_per_eval=n_together)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sample", type=int, default=60)
    words = parser.parse_args()
    if find_spec("captum") is None:
        parser.exit(0, "skipped: captum is not installed (pip install captum)\n")

    torch.set_num_threads(words.threads)
    examples = list(read_examples(DataSource(words.data)))
    model = load_model(words.model, torch.device("cpu"), trial=examples[:8])
    assert isinstance(model, InterceptedModel)
    encoded = model.encode(sample_examples(examples, words.sample, seed=0))
    texts = [item for item in encoded if isinstance(item, EncodedTokens)]
    batches = batches_of(model, encoded)
    stages: Stages = {f"Captum, {n} at once": partial(ablate, model, texts, n) for n in TOGETHER}
    ours = "leave-one-out"
    stages[ours] = lambda: over(batches, lambda b: leave_out(model, b))
    clock = time.process_time if words.threads == 1 else time.perf_counter
    medians = interleaved_medians(stages, words.repeats, clock)
    ratio = medians[ours] / min(seconds for name, seconds in medians.items() if name != ours)
    title = f"{len(encoded)} examples, {words.threads} threads"
    show(title, medians, words.json, leave_one_out_over_captum=round(ratio, 3))


if __name__ == "__main__":
    main()
