"""What moving the output costs: by hand and through replay against autograd of the definition."""

from typing import Any

import pytest
import torch
from torch import Tensor

from attn_audit.checks.adversarial.loss import PENALTY, linear_penalty, replayed_penalty
from attn_audit.checks.base import AuditedBatch, output_distances, read_batch
from attn_audit.models.task import TaskKind
from tests.tiny import tiny_examples, tiny_model

EPSILON = 0.01
CASES: dict[str, dict[str, Any]] = {
    "binary": {"kind": TaskKind.BINARY},
    "two classes": {"kind": TaskKind.MULTICLASS},
    "three classes": {"kind": TaskKind.MULTICLASS, "n_labels": 3},
    "multilabel": {"kind": TaskKind.MULTILABEL, "n_labels": 3},
    "candidates": {"kind": TaskKind.CANDIDATES, "n_labels": 4},
}


@pytest.fixture(params=CASES)
def audited(request: pytest.FixtureRequest) -> AuditedBatch:
    model = tiny_model(**CASES[request.param])
    model.network.double()
    batch = model.collate(model.encode(tiny_examples(7, lengths=(3, 9))))
    return read_batch(model, batch, model.default_site, seed=0)


def along_rows(slope: Tensor, p: Tensor) -> Tensor:
    """What it is to a softmax: times the weights, less the part of each row's mean."""
    moved = slope * p.detach()
    return moved - p.detach() * moved.sum(dim=-1, keepdim=True)


@pytest.mark.parametrize("way", ["linear", "replayed"])
def test_distance_and_slope_are_autograds(audited: AuditedBatch, way: str) -> None:
    torch.manual_seed(0)
    scores = torch.randn(7, 5, 1, audited.attention.shape[-1], dtype=torch.float64)
    p = scores.masked_fill(~audited.admissible.unsqueeze(1), -60).softmax(dim=-1).requires_grad_()
    distance = output_distances(audited, p)
    excess = (distance - EPSILON).relu().sum() * PENALTY / 5
    (slope,) = torch.autograd.grad(excess, p)

    readout = audited.reading.linear_readout
    assert readout is not None
    penalty = (
        linear_penalty(audited, EPSILON, readout)
        if way == "linear"
        else replayed_penalty(audited, EPSILON)
    )
    pull = torch.ones_like(p).permute(1, 2, 3, 0).contiguous()
    with torch.no_grad():
        found = penalty(p.detach().permute(1, 2, 3, 0).contiguous(), pull)
    assert torch.allclose(found.T, distance, atol=1e-9)
    # Weights of a row sum to 1: what moves all of them alike is no part of a slope.
    found_slope = (pull - 1).permute(3, 0, 1, 2)
    assert torch.allclose(along_rows(found_slope, p), along_rows(slope, p), atol=1e-7)
    assert (distance > EPSILON).any()
