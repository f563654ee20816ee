"""How far the search's explanations are from the model's and from each other, and the gradient.

Written for speed: the examples are the last axis, so that sums and logarithms run along them, all
logarithms of a step are taken in one call, and the gradient is one product of them with a constant
matrix.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.distances import MAX_JSD

Explanations = Float[Tensor, "variant unit batch"]
"""The mean of each variant's rows, weighted by their mass; nowhere exactly 0."""


class Divergences:
    r"""The part of the loss that knows nothing of the output.

    It is

    .. math:: -\frac{1}{K} \sum_k \mathrm{JSD}(q_k, a)
        - \frac{1}{|P|} \sum_{(k, l) \in P} \mathrm{JSD}(q_k, q_l)

    over all pairs P of the K variants. Each step writes `q` and `log_q` in place.

    Source: Jain & Wallace (2019), section 4.2.2, algorithm 3.
    """

    def __init__(self, own: Float[Tensor, "unit batch"], n_variants: int) -> None:
        """Prepare for one batch.

        Args:
            own: The explanations a of the model's own attention; 0 where there is no unit.
            n_variants: K.
        """
        self._own = own
        self._own_terms = torch.xlogy(own, own).sum(dim=0)
        # Shifting the variants cyclically by 1, 2, ... meets every pair once.
        self._n_shifts = n_variants // 2
        self._around = own.new_empty(n_variants + self._n_shifts, *own.shape)
        self._logs = own.new_empty((self._n_shifts + 2) * n_variants, *own.shape)
        self._scratch = torch.empty_like(self._logs[:n_variants])
        self._combination = _combination(n_variants).to(own)
        self._flat_logs, self._sums = self._logs.flatten(1), self._logs[n_variants:]
        self._of_own, *of_pairs = torch.split(self._sums, n_variants)
        others = [self._around[i : i + n_variants] for i in range(1, self._n_shifts + 1)]
        self._pairs = list(zip(others, of_pairs, strict=True))
        self.q: Explanations = self._around[:n_variants]
        self.log_q: Explanations = self._logs[:n_variants]

    def gradient(self) -> Explanations:
        """Gradient in `q`, up to a constant along the units, from `q` and `log_q`.

        d JSD(q, r) / d q = (ln q - ln(q + r)) / 2, up to such a constant.
        """
        self._around[len(self.q) :] = self.q[: self._n_shifts]
        torch.add(self.q, self._own, out=self._of_own)
        for others, sums in self._pairs:
            torch.add(self.q, others, out=sums)
        self._sums.log_()
        return (self._combination @ self._flat_logs).view_as(self.q)

    def from_own(self) -> Float[Tensor, "variant batch"]:
        """Divergence of each explanation from the model's, nats, after `gradient`.

        JSD = ln 2 + (sum q ln q + sum a ln a - sum (q + a) ln(q + a)) / 2.
        """
        terms = torch.sub(self.log_q, self._of_own, out=self._scratch).mul_(self.q)
        terms.addcmul_(self._own, self._of_own, value=-1)
        return MAX_JSD + (terms.sum(dim=1) + self._own_terms) / 2


def _combination(n_variants: int) -> Float[Tensor, "variant logarithm"]:
    """The gradient as a combination of ln q, ln(q + a) and ln(q + shifted q)."""
    n, each = n_variants, torch.eye(n_variants, dtype=torch.float64)
    parts = [-each, each]
    for shift in range(1, n // 2 + 1):
        # Of an even number the last shift meets each pair twice.
        weight = (0.5 if 2 * shift == n else 1.0) * 2 / (n - 1)
        parts[0] = parts[0] - 2 * weight * each
        parts.append(weight * (each + each.roll(shift, dims=0)))
    return torch.cat(parts, dim=1) / (2 * n)
