"""What was found for one text: plain validated data."""

from typing import Any

from attn_audit.results.description import ModelDescription
from attn_audit.summary import Value


class ModelOutput(Value):
    """What the model says under some attention, or of some part of the text."""

    prediction: str | tuple[str, ...]
    probabilities: tuple[float, ...]
    """One for each label, in the model's order; of two labels both."""
    distance: float
    """How far the output is from the model's own, 0 to 1."""


class Explanation(Value):
    """One text: its attention, what it is compared with, and what the model says under each."""

    model: ModelDescription
    text: str
    text_pair: str | None
    layer: int
    head: int | None
    """None: all heads, averaged."""
    rows: str
    unit: str
    seed: int
    epsilon: float
    """Largest output distance of the adversary."""
    permutations: int
    """That shuffled attention is the median of."""
    record: dict[str, Any]
    """As an audit's records have it."""
    own: ModelOutput
    adversarial: ModelOutput | None
    """None where attention cannot be moved, or has too many rows for a record to keep."""
    uniform: ModelOutput | None
    """The same weight on every unit; None where attention cannot be moved."""
    left_out: int
    """The unit whose leaving out moves the output most."""
    without: ModelOutput
    """Of the text without it."""
