"""What staying within epsilon means for logits that are linear in attention."""

from collections.abc import Iterator

import torch
from jaxtyping import Float64
from torch import Tensor

from attn_audit.checks.adversarial.exact import exact_adversary
from attn_audit.checks.base import AuditedBatch
from attn_audit.models.base import LinearReadout


def is_exact(audited: AuditedBatch) -> bool:
    """Whether epsilon is one linear constraint: linear readout, and one sigmoid or two classes."""
    return audited.reading.linear_readout is not None and audited.model.task.is_one_number


def own_interval(
    audited: AuditedBatch, epsilon: float
) -> tuple[Float64[Tensor, "batch unit"], Float64[Tensor, "batch 2"]]:
    """Unit logits and the interval that sum_u a'_u v_u must stay in, where `is_exact`.

    z = b + m sum_u a'_u v_u is the log-odds of the second label, and |sigmoid(z) - y| <= epsilon
    bounds it from both sides; a side is infinite where the probability cannot go that far.

    Args:
        audited: A batch for which `is_exact`.
        epsilon: Largest output distance.
    """
    offset, unit_logits = _odds_of_second(audited)
    second = audited.probabilities[:, -1]
    bounds = _logit(torch.stack([second - epsilon, second + epsilon], dim=1))
    return unit_logits, _to_units(bounds, offset, audited.mass)


def upper_bound(
    audited: AuditedBatch, epsilon: float, readout: LinearReadout
) -> Float64[Tensor, " batch"]:
    """A divergence that no attention within epsilon can exceed, nats; for any number of labels.

    Being within epsilon puts the log-ratio of any two softmax outputs, and each sigmoid's logit,
    into an interval that is linear in attention. The exact optimum under one of these
    conditions alone bounds the optimum under all; the least of these bounds is returned.

    Args:
        audited: A batch of a model with a linear readout.
        epsilon: Largest output distance.
        readout: The model's readout.

    Returns:
        One bound for each example.

    Source:
        This project: the vertex argument of `exact_adversary`, applied to each condition.
    """
    bound = torch.full_like(audited.mass, torch.inf)
    for unit_logits, interval in _conditions(audited, epsilon, readout):
        witness = exact_adversary(
            audited.explanation, unit_logits, interval, audited.admissible[:, 0]
        )
        bound = torch.minimum(bound, witness.jsd)
    return bound


def _conditions(
    audited: AuditedBatch, epsilon: float, readout: LinearReadout
) -> Iterator[tuple[Tensor, Tensor]]:
    """Unit logits and interval of single conditions that epsilon implies."""
    offset, units = readout.offset.double(), readout.unit_logits.double()
    p = audited.probabilities
    n_labels = p.shape[1]
    if not audited.model.task.is_softmax:
        # The mean over L labels is within epsilon, so one label may move by L * epsilon.
        for label in range(n_labels):
            reach = n_labels * epsilon
            bounds = _logit(torch.stack([p[:, label] - reach, p[:, label] + reach], dim=1))
            yield units[..., label], _to_units(bounds, offset[:, label], audited.mass)
        return
    # Any of the pairs gives a valid bound; those with the predicted label are the tightest.
    top = p.argmax(dim=1, keepdim=True)
    rest = p.argsort(dim=1, descending=True, stable=True)
    for rank in range(1, n_labels):
        pair = torch.cat([top, rest[:, rank : rank + 1]], dim=1)
        p_i, p_j = p.gather(1, pair).unbind(dim=1)
        low = _log_ratio(p_i - epsilon, p_j + epsilon)
        high = -_log_ratio(p_j - epsilon, p_i + epsilon)
        b_i, b_j = offset.gather(1, pair).unbind(dim=1)
        v_i, v_j = units.gather(2, pair.unsqueeze(1).expand(-1, units.shape[1], -1)).unbind(dim=2)
        yield v_i - v_j, _to_units(torch.stack([low, high], dim=1), b_i - b_j, audited.mass)


def _odds_of_second(audited: AuditedBatch) -> tuple[Tensor, Tensor]:
    readout = audited.reading.linear_readout
    assert readout is not None, "only called where the readout is linear"
    offset, units = readout.offset.double(), readout.unit_logits.double()
    if offset.shape[1] == 1:
        return offset[:, 0], units[..., 0]
    return offset[:, 1] - offset[:, 0], units[..., 1] - units[..., 0]


def _logit(probability: Tensor) -> Tensor:
    """Log-odds; infinite at and beyond 0 and 1, where there is no bound."""
    return torch.logit(probability.clamp(0, 1))


def _log_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """log(numerator / denominator); -inf (no bound) where the numerator is not positive."""
    return numerator.clamp_min(0).log() - denominator.log()


def _to_units(bounds: Tensor, offset: Tensor, mass: Tensor) -> Tensor:
    """Bounds on b + m sum a v as bounds on sum a v.

    Infinite where the offset is: a label that is not allowed stays so under any attention.
    """
    free = torch.tensor([-torch.inf, torch.inf], dtype=bounds.dtype, device=bounds.device)
    inner = (bounds - offset[:, None]) / mass[:, None]
    return torch.where(offset.isfinite()[:, None], inner, free)
