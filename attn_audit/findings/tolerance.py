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


def itself(stored: Sequence[float], text: Text) -> list[float]:
    """In the number's own unit."""
    return [1.0] * len(stored)


def weight_scale(stored: Sequence[float], text: Text) -> list[float]:
    """Attention weights are measured in parts of each weight itself."""
    return [max(weight, SMALL_WEIGHT) for weight in stored]


def margin_scale(stored: Sequence[float], text: Text) -> list[float]:
    """Shares of a margin above 1 are measured in parts of themselves."""
    return [max(1.0, abs(share)) for share in stored]


def gradient_scale(stored: Sequence[float], text: Text) -> list[float]:
    """Gradients are measured in parts of the text's largest."""
    largest = max(map(abs, stored), default=0.0)
    return [largest if largest > 0 else 1.0] * len(stored)


def tau_scale(stored: Sequence[float], text: Text) -> list[float]:
    """A tau of few units may move more: one flipped pair is 4 / n (n - 1)."""
    flipped = 2 * 4 / max(1, text.n_units * (text.n_units - 1))
    return [max(1.0, flipped / TAU_LIMIT)] * len(stored)


def share_scale(stored: Sequence[float], text: Text) -> list[float]:
    """A share of few permutations may move more: by one of them."""
    return [max(1.0, 1 / text.n_permutations / SHARE_LIMIT)] * len(stored)


def ordered_scale(stored: Sequence[float], text: Text) -> list[float]:
    """A mean over few sizes may move more: by what two places of a curve are at most."""
    return [max(1.0, 2 / max(1, text.n_units) / ORDERED_LIMIT)] * len(stored)


@dataclass(frozen=True)
class Tolerance:
    """The largest deviation that is rounding, and why."""

    limit: float
    reason: str
    is_of_the_model: bool = True
    """Whether it grows where the model computes in half precision."""
    scale: Callable[[Sequence[float], Text], list[float]] = itself
    """What a deviation is measured in."""

    def at(self, dtype: str) -> "Tolerance":
        """The tolerance for a model of that precision."""
        if dtype not in HALF_PRECISION or not self.is_of_the_model:
            return self
        return replace(self, limit=self.limit * COARSER, reason=f"{self.reason}; {dtype}")


OUTPUT = Tolerance(1e-4, "outputs, as in the self-check: float32 logits, added up in another order")
WEIGHT = Tolerance(
    1e-3,
    "attention, in parts of the weight itself or of 0.001: scores round to about 1e-5",
    scale=weight_scale,
)
MASS = Tolerance(1e-4, "sums and maxima of float32 weights")
GRADIENT = Tolerance(
    1e-3, "gradients, in parts of the text's largest: a float32 backward pass", scale=gradient_scale
)
MARGIN = Tolerance(
    1e-2,
    "shares of a margin, above 1 in parts of themselves: a margin may be a small difference",
    scale=margin_scale,
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
    scale=tau_scale,
)
SHARE = Tolerance(
    SHARE_LIMIT,
    "shares of permutations, or one of a few: those just at epsilon flip",
    False,
    scale=share_scale,
)
ORDERED = Tolerance(
    ORDERED_LIMIT,
    "gains by an order, or two places of a short text: units that nearly tie change places",
    False,
    scale=ordered_scale,
)
ORDERED_MARGIN = Tolerance(
    0.1,
    "shares of a margin by an order, above 1 in parts of themselves: units that nearly tie "
    "change places",
    False,
    scale=margin_scale,
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
