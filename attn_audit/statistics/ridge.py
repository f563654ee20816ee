"""Ridge regression within groups: each has a mean of its own, which nothing else has to explain."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

PENALTY = 0.1
"""Of the mean square of the features, added to each of them."""


def ridge_within(
    features: Sequence[Float64[np.ndarray, "_row feature"]],
    targets: Sequence[Float64[np.ndarray, "_row target"]],
) -> Float64[np.ndarray, "feature target"]:
    """What each feature counts for, from how rows differ within their group.

    Args:
        targets: Of the same rows, several that are fitted by themselves.

    Returns:
        Coefficients; 0 where nothing differs.

    Source:
        Hoerl & Kennard (1970), "Ridge regression: biased estimation for nonorthogonal problems".
    """
    n_features = features[0].shape[1]
    squares = np.zeros((n_features, n_features))
    products = np.zeros((n_features, targets[0].shape[1]))
    for x, y in zip(features, targets, strict=True):
        centred = x - x.mean(axis=0)
        squares += centred.T @ centred
        products += centred.T @ (y - y.mean(axis=0))
    size = np.trace(squares) / n_features
    if size == 0:
        return products
    found: np.ndarray = np.linalg.solve(squares + PENALTY * size * np.eye(n_features), products)
    return found
