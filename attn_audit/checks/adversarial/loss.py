"""The loss of the gradient adversary, with its gradient written by hand.

Only what needs the model, the change of the output, may need autograd (`penalty`).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.checks.adversarial.divergence import Divergences
from attn_audit.checks.adversarial.penalty import Distances, Penalty, Weights
from attn_audit.checks.base import AuditedBatch

Scores = Float[Tensor, "variant row unit batch"]
"""What the distributions are the softmax of."""


@dataclass(frozen=True)
class Step:
    """What one step of the search needs to know of its variants."""

    p: Weights
    """The distributions; overwritten by the next step."""
    jsd: Float[Tensor, "variant batch"]
    """Divergence of their explanations from the model's attention, nats."""
    distance: Distances
    """How far the output moves."""
    score_gradient: Scores
    """Gradient of the loss in the scores."""


class Loss:
    r"""The loss of K variants of each example's attention.

    It is

    .. math:: -\frac{1}{K} \sum_k \mathrm{JSD}(q_k, a) + \frac{500}{K} \sum_k [d_k - \epsilon]_+
        - \frac{1}{|P|} \sum_{(k, l) \in P} \mathrm{JSD}(q_k, q_l)

    over all pairs P of the variants, summed over the examples. q_k is the explanation that the
    variant's rows add up to, each row a distribution of its own; a the model's; d_k how far the
    output moves.

    Source: Jain & Wallace (2019), section 4.2.2, algorithm 3 and the released code.
    """

    def __init__(
        self, audited: AuditedBatch, n_variants: int, penalty: Penalty, dtype: torch.dtype
    ) -> None:
        """Prepare for one batch.

        Args:
            audited: The batch.
            n_variants: K.
            penalty: What the middle term is computed with.
            dtype: Of the scores.
        """
        self._penalty = penalty
        self._divergences = Divergences(audited.explanation.T.to(dtype).contiguous(), n_variants)
        self._share = audited.row_share.T.to(dtype).unsqueeze(1).contiguous()
        self._has_units = audited.admissible.any(dim=-1).T.unsqueeze(1)
        self._all_have_units = bool(self._has_units.all())
        if len(self._share) == 1:
            # The one row is the explanation, and the same memory serves for both.
            self._p = self._divergences.q.unsqueeze(1)
            self._log_p = self._divergences.log_q.unsqueeze(1)
        else:
            shape = (n_variants, len(self._share), *audited.explanation.T.shape)
            self._p = torch.empty(shape, dtype=dtype, device=audited.explanation.device)
            self._log_p = torch.empty_like(self._p)

    def at(self, scores: Scores) -> Step:
        """Evaluate the loss.

        Args:
            scores: Before the softmax; units that a row may not attend to have `PADDING_SCORE`.
        """
        self._weigh(scores)
        pull = self._divergences.gradient().unsqueeze(1)
        if len(self._share) > 1:
            pull = pull * self._share
        distance = self._penalty(self._p, pull)
        # Backward through softmax; constants along the units drop out.
        pull -= (self._p * pull).sum(dim=2, keepdim=True)
        return Step(self._p, self._divergences.from_own(), distance, pull.mul_(self._p))

    def _weigh(self, scores: Scores) -> None:
        """The rows and the explanations that they add up to, and the logarithms of these."""
        torch.log_softmax(scores, dim=2, out=self._log_p)
        torch.exp(self._log_p, out=self._p)
        if not self._all_have_units:
            self._p *= self._has_units
        if len(self._share) > 1:
            q, log_q = self._divergences.q, self._divergences.log_q
            torch.sum(self._p * self._share, dim=1, out=q)
            torch.log(q.clamp_min_(torch.finfo(q.dtype).tiny), out=log_q)
