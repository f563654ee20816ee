"""How long a batch takes, learnt from batches of other sizes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float64

MARGIN = 0.02
"""How much closer, in parts of the time, a term must bring the fit to be believed."""

MARGIN_OF_ALL = 0.04
"""The same of as many terms as there are batches: these fit anything, and foretell little."""

TIE = 0.005
"""Fits that are no farther apart, in parts of the time, are equally good: batches of one shape can
not tell a cost of each batch from one of each token, and their rounding must not."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the cost of one batch, or of many together, is made of."""

    n_batches: int = 0
    tokens: int = 0
    """Padding included."""
    squares: int = 0
    """Each example's length squared, without padding: what leaving out each of its tokens takes."""
    n_examples: int = 0

    @staticmethod
    def of(lengths: Iterable[int]) -> "Shape":
        """Of one batch.

        Args:
            lengths: Tokens of its examples.
        """
        sizes = list(lengths)
        longest = max(sizes)
        return Shape(1, len(sizes) * longest, sum(size**2 for size in sizes), len(sizes))

    def __add__(self, other: "Shape") -> "Shape":
        return Shape(
            self.n_batches + other.n_batches,
            self.tokens + other.tokens,
            self.squares + other.squares,
            self.n_examples + other.n_examples,
        )

    def __sub__(self, other: "Shape") -> "Shape":
        return Shape(
            self.n_batches - other.n_batches,
            self.tokens - other.tokens,
            self.squares - other.squares,
            self.n_examples - other.n_examples,
        )


@dataclass(frozen=True)
class Cost:
    """Seconds = a a batch + b a token + c for each token and token of its text + d an example."""

    per_batch: float
    per_token: float
    per_square: float
    per_example: float = 0.0

    def seconds(self, shape: Shape) -> float:
        """What batches will take.

        Args:
            shape: Of all of them together.
        """
        of_tokens = self.per_token * shape.tokens + self.per_square * shape.squares
        of_examples = self.per_example * shape.n_examples
        return self.per_batch * shape.n_batches + of_tokens + of_examples

    def times(self, factor: float) -> "Cost":
        """The same on a machine that takes so many times as long."""
        terms = (self.per_batch, self.per_token, self.per_square, self.per_example)
        return Cost(*(term * factor for term in terms))


def fit_cost(shapes: Sequence[Shape], seconds: Sequence[float]) -> Cost:
    """The cost that fits what was measured, with as few terms as do and none below 0.

    Relative errors count, so that short batches say as much as long ones.

    Args:
        shapes: At least one.
        seconds: What each took.
    """
    rows = [(s.n_batches, s.tokens, s.squares, s.n_examples) for s in shapes]
    table = np.array(rows, dtype=np.float64)
    table /= np.maximum(np.array(seconds), 1e-9)[:, None]
    fits = [_fit(table, terms) for terms in _choices(len(shapes))]
    least = min(error for error, _ in fits)
    best = next(weights for error, weights in fits if error <= least + TIE)
    return Cost(*best.tolist())


def _choices(n_measured: int) -> list[tuple[int, ...]]:
    """Sets of terms that so few measurements can tell apart; of equals the first is taken."""
    order = (1, 2, 0, 3)
    sizes = range(1, min(3, n_measured) + 1)
    return [terms for size in sizes for terms in combinations(order, size)]


def _fit(
    table: Float64[np.ndarray, "batch 4"], terms: tuple[int, ...]
) -> tuple[float, Float64[np.ndarray, " 4"]]:
    """How far the best weights of some terms are off, and the weights."""
    weights = np.zeros(4)
    chosen = table[:, terms]
    scale = np.abs(chosen).max(axis=0)
    found = np.linalg.lstsq(chosen / scale, np.ones(len(table)), rcond=None)[0] / scale
    if (found < 0).any():
        return np.inf, weights
    weights[list(terms)] = found
    error = float(np.sqrt(np.mean((table @ weights - 1) ** 2)))
    margin = MARGIN_OF_ALL if len(terms) == len(table) else MARGIN
    return error + margin * len(terms), weights
