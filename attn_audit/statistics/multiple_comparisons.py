"""Keeping false alarms rare where many p-values are looked at together."""

import numpy as np
from jaxtyping import Float64


def benjamini_hochberg(
    p_values: Float64[np.ndarray, " test"],
) -> Float64[np.ndarray, " test"]:
    """Benjamini-Hochberg adjusted p-values, 0 to 1, in the order given.

    Calling all tests with an adjusted p-value of at most 0.05 significant makes at most 5 % of
    those calls false on average, as long as the tests do not work against each other.

    Args:
        p_values: One for each test, 0 to 1; tests without one are left out by the caller.

    Returns:
        The smallest share of false calls at which each test would be called significant.

    Raises:
        ValueError: A p-value is NaN or outside 0 to 1.

    Source:
        Benjamini & Hochberg (1995), "Controlling the false discovery rate".

    Example:
        >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.5]))
        array([0.04      , 0.05333333, 0.05333333, 0.5       ])
    """
    if not np.all((p_values >= 0) & (p_values <= 1)):
        raise ValueError("p-values lie between 0 and 1, and none is NaN")
    n = len(p_values)
    order = np.argsort(p_values)[::-1]
    scaled = p_values[order] * n / np.arange(n, 0, -1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted
