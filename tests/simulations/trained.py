"""What is answered of trained models, and of the same with all logits times a factor.

    python -m tests.simulations.trained MODEL DATA [--layer best] [--limit 400] [--seed 0]
    python -m tests.simulations.trained MODEL.pt DATA --scales 0.1 1 2 10

A line each scale: the numbers that the rules of level `no` and `hint` read, that of unattended
words with its interval; beside it, once, that of random words: as many, drawn at random, left out
in their place. A factor (of the paper's models: on the readout's weight and bias) changes no
decision, no ranking and no attention, so answers must be the same. `docs/rules.md` has what came
out.
"""

import argparse
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from attn_audit import audit
from attn_audit.checks.attended import unattended_units
from attn_audit.findings.attended import UNATTENDED
from attn_audit.judgement.policy import load_policy
from attn_audit.models.contract import AuditedModel
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.results.verdict import Answer, Level

CHECKS, MEASURES = ("correlation", "attended", "permutation"), ("leave_one_out",)
"""What the rules need of an audit."""

READ = tuple(
    dict.fromkeys(bound.metric for bound in load_policy().bounds if bound.level is not Level.NOTE)
)


def scaled(path: str, factor: float) -> AuditedModel:
    """A model of the paper with all logits times a factor."""
    model = load_model(path, torch.device("cpu"))
    assert isinstance(model, PaperModel), "a model that `attn-audit train` wrote"
    with torch.no_grad():
        for parameter in model.network.readout.output.parameters():
            parameter.mul_(factor)
    return model


def answer_of(model: str | AuditedModel, data: str, options: dict[str, Any]) -> Answer:
    """What the packaged rules say."""
    answer = audit(model, data, checks=CHECKS, measures=MEASURES, threads=1, **options).answer
    assert answer is not None, "every audit has one"
    return answer


def random_words(attention: np.ndarray, ranks: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """As many words of each text as are unattended, whatever their attention."""
    chosen = unattended_units(attention, ranks, lengths)
    draw = np.random.default_rng(attention.size)
    for row, length in zip(chosen, lengths, strict=True):
        row[:length] = draw.permutation(row[:length])
    return chosen


def numbers(answer: Answer) -> dict[str, str]:
    """Those that were judged, the share of unattended words with its interval."""
    found = {}
    for judgement in answer.judgements:
        written = "-" if judgement.estimate is None else f"{judgement.estimate:.3f}"
        if judgement.metric == UNATTENDED.name and judgement.interval is not None:
            written += f" [{judgement.interval.low:.3f}, {judgement.interval.high:.3f}]"
        found[judgement.metric] = written
    return found


def tell(path: str, data: str, scales: Sequence[float], options: dict[str, Any]) -> None:
    """A line each scale."""
    with patch("attn_audit.checks.attended.unattended_units", random_words):
        at_random = numbers(answer_of(path, data, options))[UNATTENDED.name]
    print(f"{path} random words {at_random}")
    for scale in scales:
        model = path if scale == 1 else scaled(path, scale)
        answer = answer_of(model, data, options)
        found = numbers(answer)
        print(f"{path} x{scale:g}", *(f"{name} {found[name]}" for name in READ), sep="; ")
        print(f"    {answer.verdict}: {answer.sentence} {list(answer.because)}", flush=True)


def main() -> None:
    """Audit what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0])
    parser.add_argument("--layer")
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    options = {"limit": given.limit, "seed": given.seed}
    if given.layer is not None:
        options["layer"] = given.layer if given.layer == "best" else int(given.layer)
    tell(given.model, given.data, given.scales, options)


if __name__ == "__main__":
    main()
