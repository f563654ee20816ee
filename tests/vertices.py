"""The exact adversary's plain definition: every vertex of the polytope, none left out."""

import numpy as np
from jaxtyping import Float64


def best_vertex(
    a: Float64[np.ndarray, " unit"],
    v: Float64[np.ndarray, " unit"],
    interval: Float64[np.ndarray, " 2"],
) -> tuple[float, Float64[np.ndarray, " unit"]]:
    """The first vertex of the largest divergence: single units, then pairs at lo, then at hi.

    Args:
        a: Attention of one text.
        v: Unit logits.
        interval: lo and hi.

    Returns:
        Divergence and weights; 0 and the attention itself where there is no vertex.
    """
    every = np.arange(len(a))
    inside = (interval[0] <= v) & (v <= interval[1])
    single = np.where(inside, _divergence(_term(a, np.ones(len(a))), 0.0), -np.inf)
    best, weights = float(single.max()), np.eye(len(a))[single.argmax()]
    for bound in interval[np.isfinite(interval)]:
        low, high = np.meshgrid(every[v < bound], every[v > bound], indexing="ij")
        share = np.clip((bound - v[low]) / (v[high] - v[low]), 0, 1)
        jsd = _divergence(_term(a[low], 1 - share), _term(a[high], share))
        if jsd.size and jsd.max() > best:
            where = np.unravel_index(jsd.argmax(), jsd.shape)
            best, weights = float(jsd.max()), np.zeros(len(a))
            weights[low[where]], weights[high[where]] = 1 - share[where], share[where]
    return (float(np.clip(best, 0, np.log(2))), weights) if np.isfinite(best) else (0.0, a)


def _divergence(first: np.ndarray, second: np.ndarray | float) -> np.ndarray:
    jsd: np.ndarray = np.log(2) + (first + second) / 2
    return jsd


def _term(a: np.ndarray, w: np.ndarray) -> np.ndarray:
    def x_log_x(x: np.ndarray) -> np.ndarray:
        product: np.ndarray = x * np.log(np.maximum(x, 1e-307))
        return product

    term: np.ndarray = x_log_x(a) + x_log_x(w) - x_log_x(a + w)
    return term
