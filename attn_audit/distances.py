"""Distances between outputs and between attention distributions, in float64 where it matters.

Axis names come from one list: `batch` examples, `variant` interventions on one example, `row` query
rows, `unit` audited tokens or words, `label` outputs; inside models also `position`, `hidden`,
`embedding`, `layer`, `head`.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Attention = Float[Tensor, "batch row unit"]
"""Post-softmax weights over the audited units; each row sums to 1 along `unit`, padding is 0."""

Logits = Float[Tensor, "batch label"]
"""Scores before the link function; -inf where an example does not allow a candidate."""

UnitMask = Bool[Tensor, "batch unit"]
"""True where an example has a unit; units come first, padding after."""

VariantLogits = Float[Tensor, "batch variant label"]
"""The same of each of an example's variants."""

VariantAttention = Float[Tensor, "batch variant row unit"]
"""Other weights for each row; each row sums to 1."""

KeptUnits = Bool[Tensor, "batch variant unit"]
"""The units that each variant of a text has; the others are left out of it."""

MAX_JSD = math.log(2)
"""The largest Jensen-Shannon divergence in nats: of distributions that share no unit."""


def total_variation_distance(
    p: Float[Tensor, "*#batch label"], q: Float[Tensor, "*#batch label"]
) -> Float[Tensor, "*batch"]:
    r"""Total variation distance between two softmax outputs, from 0 to 1.

    .. math:: \mathrm{TVD}(p, q) = \tfrac{1}{2} \sum_i |p_i - q_i|

    This is the most probability that any set of labels gains or loses between ``p`` and ``q``.

    Args:
        p: Probabilities; every slice along ``label`` sums to 1.
        q: Probabilities of the same shape, or one that broadcasts.

    Returns:
        One distance for each batch element.

    Source:
        Jain & Wallace (2019), section 4.

    Example:
        >>> total_variation_distance(torch.tensor([0.9, 0.1]), torch.tensor([0.6, 0.4]))
        tensor(0.3000)
    """
    return (p - q).abs().sum(dim=-1) / 2


def mean_absolute_difference(
    p: Float[Tensor, "*#batch label"], q: Float[Tensor, "*#batch label"]
) -> Float[Tensor, "*batch"]:
    """Mean over independent sigmoid outputs of the change of probability, from 0 to 1.

    For a single sigmoid this is |p - q|, which is also the total variation distance of the two
    labels it stands for.

    Args:
        p: Probabilities, each of its own label.
        q: Probabilities of the same shape, or one that broadcasts.

    Returns:
        One distance for each batch element.

    Source:
        Jain & Wallace (2019), section 4: the output difference of the released code.

    Example:
        >>> mean_absolute_difference(torch.tensor([0.9, 0.2]), torch.tensor([0.6, 0.1]))
        tensor(0.2000)
    """
    return (p - q).abs().mean(dim=-1)


def jensen_shannon_divergence(
    p: Float[Tensor, "*#batch unit"], q: Float[Tensor, "*#batch unit"]
) -> Float[Tensor, "*batch"]:
    r"""Jensen-Shannon divergence between two attention distributions, in nats, 0 to ln 2.

    .. math:: \mathrm{JSD}(p, q) = H\left(\tfrac{p + q}{2}\right) - \tfrac{H(p) + H(q)}{2}

    Returns:
        One divergence for each batch element; rounding below 0 is cut off.

    Source:
        Jain & Wallace (2019), section 4; note that SciPy's `jensenshannon` is the root of this.

    Example:
        >>> jensen_shannon_divergence(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))
        tensor(0.6931)
    """
    mixed = entropy((p + q) / 2)
    return (mixed - (entropy(p) + entropy(q)) / 2).clamp(0, MAX_JSD)


def entropy(p: Float[Tensor, "*batch unit"]) -> Float[Tensor, "*batch"]:
    """Shannon entropy in nats, 0 to ln n; zero weights add nothing.

    Returns:
        One entropy for each batch element.

    Example:
        >>> entropy(torch.tensor([0.5, 0.5, 0.0]))
        tensor(0.6931)
    """
    return -_x_log_x(p).sum(dim=-1)


def attainable_jsd(least: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
    r"""The largest divergence that any distribution over the same units reaches, nats, 0 to ln 2.

    The divergence is convex, so its maximum over all distributions is at a single unit, the one
    with the least attention :math:`a`:

    .. math:: \ln 2 + \tfrac{1}{2}(a \ln a - (1 + a) \ln(1 + a))

    It depends on attention and number of units: from uniform weights 0.42 at 5 units, 0.68 at 200.

    Args:
        least: The smallest attention weight among each example's units, 0 to 1.

    Returns:
        One divergence for each batch element, 0 where the only unit has all attention.

    Example:
        >>> attainable_jsd(torch.tensor([0.2, 0.005, 1.0]))
        tensor([0.4228, 0.6774, 0.0000])
    """
    return MAX_JSD + pair_term(least, torch.ones_like(least)) / 2


def pair_term(a: Float[Tensor, "*#batch"], w: Float[Tensor, "*#batch"]) -> Float[Tensor, "*batch"]:
    r"""One unit's part in a divergence: a ln a + w ln w - (a + w) ln(a + w), at most 0.

    With it :math:`\mathrm{JSD}(a, w) = \ln 2 + \tfrac{1}{2} \sum_u g(a_u, w_u)`, where only units
    with w > 0 have a part: the divergence from a distribution over one or two units costs four
    logarithms, however long the text.

    Returns:
        The part of each unit.
    """
    return _x_log_x(a) + _x_log_x(w) - _x_log_x(a + w)


def _x_log_x(x: Tensor) -> Tensor:
    """Times its logarithm, 0 at 0. On CPU `torch.xlogy` and `entr` are six times slower."""
    return x.clamp_min(torch.finfo(x.dtype).tiny).log_().mul_(x)
