"""How far a number may be from what was stored and still be the same to `verify`.

Computed again in other batches, by other threads or on another device, a number is not the same to
the last bit. What follows says of each how far rounding may take it; all of it stands in the
result beside the largest deviation that was met.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

HALF_PRECISION = {"bfloat16": 2.0**16, "float16": 2.0**13}
"""How many times as wide as float32's the spacing of such numbers is."""

COARSER = 100.0
"""Half precision has 8 to 11 bits where float32 has 24: probabilities move by about 1e-3."""

TAU_LIMIT = 0.02
SHARE_LIMIT = 0.03
ORDERED_LIMIT = 0.02
SMALL_WEIGHT = 1e-3
N_AT_HALF = 2
"""Texts that rounding may take to the other side of half a margin."""


@dataclass(frozen=True)
class Text:
    """What a deviation is measured by, of the example that it stands in."""

    n_units: int
    n_permutations: int


Scale = Callable[[Sequence[float], Text], list[float]]
"""What the deviation of each stored number is measured in."""


def at_least(smallest: float) -> Scale:
    """Parts of the number itself, or of so much where it is smaller."""
    return lambda stored, text: [max(smallest, abs(number)) for number in stored]


def of_text(unit: Callable[[Text], float]) -> Scale:
    """What is the same for all numbers of a text, where that is more than 1."""
    return lambda stored, text: [max(1.0, unit(text))] * len(stored)


itself = of_text(lambda text: 1.0)
"""The number's own unit."""


def of_largest(stored: Sequence[float], text: Text) -> list[float]:
    """Parts of the text's largest."""
    return [max(map(abs, stored), default=0.0) or 1.0] * len(stored)


@dataclass(frozen=True)
class Tolerance:
    """The largest deviation that is rounding, and why."""

    limit: float
    reason: str
    is_of_the_model: bool = True
    """Whether it grows where the model computes in half precision."""
    scale: Scale = itself

    def at(self, dtype: str) -> "Tolerance":
        """The tolerance for a model of that precision."""
        if dtype not in HALF_PRECISION or not self.is_of_the_model:
            return self
        return replace(self, limit=self.limit * COARSER, reason=f"{self.reason}; {dtype}")


OUTPUT = Tolerance(1e-4, "outputs, as in the self-check: float32 logits, added up in another order")
WEIGHT = Tolerance(
    1e-3,
    "attention, in parts of the weight itself or of 0.001: scores round to about 1e-5",
    scale=at_least(SMALL_WEIGHT),
)
MASS = Tolerance(1e-4, "sums and maxima of float32 weights")
GRADIENT = Tolerance(
    1e-3, "gradients, in parts of the text's largest: a float32 backward pass", scale=of_largest
)
MARGIN = Tolerance(
    1e-2,
    "shares of a margin, above 1 in parts of themselves: a margin may be a small difference",
    scale=at_least(1.0),
)
DIVERGENCE = Tolerance(1e-4, "divergences in nats: float64, from float32 weights")
BOUND = Tolerance(
    1e-3, "optima and bounds: where the output is steep, epsilon magnifies the logits' rounding"
)
SEARCHED = Tolerance(0.02, "searches, in nats: hundreds of steps magnify rounding")
TAU = Tolerance(
    TAU_LIMIT,
    "taus, or two pairs of a short text: ranks closer than rounding flip",
    False,
    # one flipped pair is 4 / n (n - 1)
    scale=of_text(lambda text: 8 / max(1, text.n_units * (text.n_units - 1)) / TAU_LIMIT),
)
SHARE = Tolerance(
    SHARE_LIMIT,
    "shares of permutations, or one of a few: those just at epsilon flip",
    False,
    scale=of_text(lambda text: 1 / text.n_permutations / SHARE_LIMIT),
)
ORDERED = Tolerance(
    ORDERED_LIMIT,
    "gains by an order, or two places of a short text: units that nearly tie change places",
    False,
    scale=of_text(lambda text: 2 / max(1, text.n_units) / ORDERED_LIMIT),
)
ORDERED_MARGIN = Tolerance(
    0.1,
    "shares of a margin by an order, above 1 in parts of themselves: units that nearly tie "
    "change places",
    False,
    scale=at_least(1.0),
)
OF_TWENTY = Tolerance(0.1, "shares of 20 orders: two of them may nearly tie", False)
CONCORDANCE = Tolerance(0.1, "concordances: pairs whose effects nearly tie change sides", False)
DISTRIBUTION = Tolerance(
    1e-5, "distributions: from a sum of 1, below 0, or where a row may not attend; float32", False
)
DERIVED = Tolerance(
    1e-6, "rankings of the record's own lists, by the same code: decimals of p-values", False
)
SUMMARY = Tolerance(
    1e-9, "summaries, in parts of the number itself: the same sums of the same records", False
)
