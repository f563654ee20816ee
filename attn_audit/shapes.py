"""The tensors used everywhere, by name.

Axis names come from one list: `batch` examples, `variant` interventions on one example, `row` query
rows, `unit` audited tokens or words, `label` outputs; inside models also `position`, `hidden`,
`embedding`, `layer`, `head`.
"""

from jaxtyping import Bool, Float
from torch import Tensor

Attention = Float[Tensor, "batch row unit"]
"""Post-softmax weights over the audited units; each row sums to 1 along `unit`, padding is 0."""

Logits = Float[Tensor, "batch label"]
"""Scores before the link function; -inf where an example does not allow a candidate."""

UnitMask = Bool[Tensor, "batch unit"]
"""True where an example has a unit; units come first, padding after."""
