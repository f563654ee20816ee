"""The units that can be in the best pair: running minima of attention along the logit axis."""

import numpy as np
from jaxtyping import Bool, Float64, Int64


def running_minima(
    attention: Float64[np.ndarray, "case unit"],
    order: Int64[np.ndarray, "case unit"],
    candidates: Bool[np.ndarray, "case unit"],
) -> Bool[np.ndarray, "case unit"]:
    """Mark the candidates with less attention than all before them, or than all behind them.

    Of units on one side of a bound c, mixed with a fixed unit i of the other side, let j have one
    nearer to c and one farther out, neither with more attention. The divergence is convex in the
    mixing weight and falls with a unit's own attention, so on one of the two it is at least as
    large as on j: j is never needed. What is left are the running minima seen from either end.

    Args:
        attention: Weights.
        order: Units in ascending order of their logit.
        candidates: The units of one side, which are consecutive in that order.

    Returns:
        A largest divergence among the pairs of marked units of the two sides is one among all.

    Source:
        This project.

    Example:
        >>> attention = np.array([[0.1, 0.3, 0.2, 0.4]])
        >>> running_minima(attention, np.arange(4)[None], np.ones((1, 4), dtype=bool))
        array([[ True, False,  True,  True]])
    """
    ascending = np.take_along_axis(np.where(candidates, attention, np.inf), order, axis=1)
    before = np.minimum.accumulate(ascending, axis=1)[:, :-2]
    behind = np.minimum.accumulate(ascending[:, ::-1], axis=1)[:, ::-1][:, 2:]
    inner = ascending[:, 1:-1]
    is_minimum = np.ones(ascending.shape, dtype=bool)
    is_minimum[:, 1:-1] = (inner < before) | (inner < behind)
    marked = np.empty_like(is_minimum)
    np.put_along_axis(marked, order, is_minimum, axis=1)
    marked &= candidates
    return marked
