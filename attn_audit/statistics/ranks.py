"""Ranks of ragged rows of numbers, computed once for each measure and then compared in pairs."""

import numpy as np
from jaxtyping import Bool, Float, Float64, Int


def dense_ranks(
    values: Float64[np.ndarray, "batch unit"],
    lengths: Int[np.ndarray, " batch"],
    noise_floor: Float[np.ndarray, " batch"],
) -> Int[np.ndarray, "batch unit"]:
    """Rank each row's values from 0 up; values closer than the noise floor share a rank.

    Sorted by size, a new rank starts wherever the step up from the next smaller value exceeds the
    row's floor. Values are thus tied in chains: 0.0, 0.9 and 1.8 all tie under a floor of 1.

    Args:
        values: Finite numbers, units first; what stands in the padding is ignored.
        lengths: Number of units in each row.
        noise_floor: Difference, in the unit of the values, up to which two of a row are tied;
            0 ties only equal values.

    Returns:
        Ranks without gaps, 0 for the smallest; -1 in the padding.

    Example:
        >>> values = np.array([[0.3, 0.1, 0.30001, 0.2], [5.0, 4.0, 0.0, 0.0]])
        >>> dense_ranks(values, np.array([4, 2]), np.array([1e-3, 0.0])).tolist()
        [[2, 0, 2, 1], [1, 0, -1, -1]]
    """
    is_unit = np.arange(values.shape[1]) < lengths[:, None]
    padded = np.where(is_unit, values, np.inf)
    order = np.argsort(padded, axis=1)
    order += np.arange(len(values))[:, None] * values.shape[1]  # from here on of the flat array
    ascending = padded.take(order)
    rises = np.zeros(values.shape, dtype=np.int32)
    rises[:, 1:] = ascending[:, 1:] > ascending[:, :-1] + noise_floor[:, None]
    ranks = np.empty_like(rises)
    ranks.ravel()[order] = np.cumsum(rises, axis=1, dtype=np.int32)
    return np.where(is_unit, ranks, np.int32(-1))


def is_constant(
    ranks: Int[np.ndarray, "batch unit"], lengths: Int[np.ndarray, " batch"]
) -> Bool[np.ndarray, " batch"]:
    """Whether all units of a row share one rank, so that nothing can correlate with it.

    Args:
        ranks: Dense ranks, as `dense_ranks` gives them.
        lengths: Number of units in each row.

    Returns:
        True for each row that ranks nothing; a row with one unit or none does not either.

    Example:
        >>> is_constant(np.array([[0, 0, -1], [1, 0, 0]]), np.array([2, 3]))
        array([ True, False])
    """
    is_unit = np.arange(ranks.shape[1]) < lengths[:, None]
    has_step: Bool[np.ndarray, " batch"] = np.any((ranks > 0) & is_unit, axis=1)
    return ~has_step
