"""The gradient adversary's hand-written gradient against autograd."""

import itertools

import pytest
import torch

from attn_audit.checks.adversarial import gradient
from attn_audit.checks.adversarial.loss import Step
from attn_audit.checks.adversarial.replaying import output_distances
from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.distances import jensen_shannon_divergence
from tests.tiny import tiny_examples, tiny_model


@pytest.fixture
def audited() -> AuditedBatch:
    model = tiny_model()
    model.network.double()
    examples = tiny_examples(6, lengths=(4, 9))
    return read_batch(model, model.collate(model.encode(examples)), model.sites[0], seed=0)


def loss(audited: AuditedBatch, scores: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The paper's loss, as it is written down."""
    p = scores.softmax(dim=-1)
    own = audited.explanation.unsqueeze(1)
    pairs = list(itertools.combinations(range(p.shape[1]), 2))
    apart = [jensen_shannon_divergence(p[:, i], p[:, j]) for i, j in pairs]
    excess = (output_distances(audited, p) - epsilon).relu()
    each = -jensen_shannon_divergence(p, own).mean(dim=1) + 500 * excess.mean(dim=1)
    return (each - torch.stack(apart).mean(dim=0)).sum() if apart else each.sum()


@pytest.mark.parametrize("n_restarts", [1, 2, 3, 4, 5, 6])
def test_gradient_is_autograds(audited: AuditedBatch, n_restarts: int) -> None:
    torch.manual_seed(0)
    scores = torch.randn(6, n_restarts, audited.explanation.shape[1], dtype=torch.float64)
    scores = scores.masked_fill(~audited.batch.unit_mask.unsqueeze(1), gradient.PADDING_SCORE)
    scores.requires_grad_()
    (expected,) = torch.autograd.grad(loss(audited, scores, 0.01), scores)
    log_p = scores.detach().log_softmax(dim=-1)
    p = log_p.exp()
    step = Step.of(audited, p, log_p, epsilon=0.01)
    assert torch.allclose(step.score_gradient, expected, atol=1e-9)


def test_divergence_of_the_iterates_is_their_divergence(audited: AuditedBatch) -> None:
    torch.manual_seed(0)
    p = torch.rand(6, 5, audited.explanation.shape[1]).double() * audited.batch.unit_mask[:, None]
    p = (p + 1e-12) / (p + 1e-12).sum(-1, keepdim=True)
    step = Step.of(audited, p, p.log(), epsilon=0.01)
    expected = jensen_shannon_divergence(p, audited.explanation.unsqueeze(1))
    assert torch.allclose(step.jsd, expected, atol=1e-9)
