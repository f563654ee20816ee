"""How surprising a Kendall's tau is, and how false alarms stay rare where many are looked at."""

from functools import cache
from math import erfc, factorial, sqrt

import numpy as np
from jaxtyping import Float64, Int

from attn_audit.statistics.pair_counts import PairCounts, Ties, inversion_distribution

LARGEST_EXACT_N = 33
"""Up to here SciPy's `auto` rule takes exact p-values, where nothing is tied."""

LARGEST_ENUMERATED_N = 100
"""Up to here `exact_chance` adds up the exact distribution."""


def p_values(pairs: PairCounts) -> Float64[np.ndarray, " batch"]:
    """Two-sided p-values, 0 to 1, of the taus that these pairs make.

    Exact where nothing is tied and either n is at most 33 or all pairs but one agree in direction;
    else from the normal distribution, its variance corrected for ties.

    Returns:
        One p-value for each row; without meaning where tau is undefined.

    Source:
        Kendall (1970), "Rank Correlation Methods"; the rule is the one of
        `scipy.stats.kendalltau(method="auto")`.

    Example:
        >>> from attn_audit.statistics.pair_counts import count_pairs
        >>> order = np.arange(5)[None]
        >>> p_values(count_pairs(order, order, np.array([5]))).round(4)
        array([0.0167])
    """
    smaller = np.minimum(pairs.discordant, pairs.total - pairs.discordant)
    untied = (pairs.x.pairs == 0) & (pairs.y.pairs == 0)
    few = untied & (pairs.n <= LARGEST_EXACT_N)
    extreme = untied & (smaller <= 1) & ~few
    p = np.array([erfc(value) for value in (np.abs(_z_scores(pairs)) / sqrt(2)).tolist()])
    p[few] = _exact_p_values()[pairs.n[few], smaller[few]]
    p[extreme] = [_extreme_p_value(int(n)) for n in (pairs.n - smaller)[extreme]]
    return p


def exact_chance(
    lengths: Int[np.ndarray, " example"], alpha: float = 0.05
) -> Float64[np.ndarray, " example"]:
    """Probability that chance alone makes tau significantly positive; the same for negative.

    The yardstick for a share of significant examples: p-values of short texts come in few steps, so
    that chance stays below alpha / 2; with fewer than 5 units no p-value reaches 0.05 and it is 0.

    Args:
        alpha: The two-sided p-value from which on a tau counts as significant.

    Returns:
        One probability for each length, under a random order without ties, by the p-values of
        `kendall_tau_of_ranks`: added up exactly to 100 units, above taken as alpha / 2.

    Source:
        This project, on the distribution of Kendall (1938).

    Example:
        >>> exact_chance(np.array([4, 5, 18, 1000])).round(4)
        array([0.    , 0.0083, 0.0239, 0.025 ])
    """
    distinct, where = np.unique(lengths, return_inverse=True)
    chances = np.array([_chance(int(n), alpha) for n in distinct], dtype=np.float64)
    return chances[where]


def adjusted(p_values: Float64[np.ndarray, " example"]) -> Float64[np.ndarray, " example"]:
    """Each p-value as it counts among all of them: those below q are false alarms at rate q.

    Returns:
        For each the smallest rate of false discoveries at which it is still among them, as
        `scipy.stats.false_discovery_control` has it: importing that takes longer than most audits'
        statistics.

    Source:
        Benjamini and Hochberg (1995), "Controlling the False Discovery Rate".

    Example:
        >>> adjusted(np.array([0.01, 0.04, 0.03])).round(3)
        array([0.03, 0.04, 0.04])
    """
    order, n = np.argsort(p_values), len(p_values)
    of_ordered = p_values[order] * (n / np.arange(1, n + 1))
    found = np.empty(n)
    found[order] = np.minimum.accumulate(of_ordered[::-1])[::-1].clip(0, 1)
    return found


@cache
def _chance(n: int, alpha: float) -> float:
    if n < 2:
        return 0.0
    if n > LARGEST_ENUMERATED_N:
        return alpha / 2
    probability = inversion_distribution(n)
    pairs = _untied(n, np.arange(len(probability)))
    is_significant = (pairs.difference > 0) & (p_values(pairs) <= alpha)
    return float(probability[is_significant].sum())


def _untied(n: int, discordant: Int[np.ndarray, " batch"]) -> PairCounts:
    none = np.zeros_like(discordant)
    no_ties = Ties(none, none, none)
    return PairCounts(np.full_like(discordant, n), discordant, none, no_ties, no_ties)


@cache
def _exact_p_values() -> Float64[np.ndarray, "n discordant"]:
    """By n and the discordant (or, where they are fewer, the concordant) pairs."""
    most = LARGEST_EXACT_N * (LARGEST_EXACT_N - 1) // 4
    table = np.ones((LARGEST_EXACT_N + 1, most + 1))
    for n in range(2, LARGEST_EXACT_N + 1):
        tail = inversion_distribution(n)[: n * (n - 1) // 4 + 1].cumsum()
        table[n, : len(tail)] = np.minimum(2 * tail, 1)
    return table


def _extreme_p_value(n: int) -> float:
    """2 / n!: all pairs agree; with one that does not it is 2 / (n - 1)!. SciPy ends at 170."""
    return 2 / factorial(n) if n <= 170 else 0.0


def _z_scores(pairs: PairCounts) -> Float64[np.ndarray, " batch"]:
    """Concordant less discordant pairs, in standard deviations of what chance would give."""
    n, x, y = pairs.n.astype(np.float64), pairs.x, pairs.y
    m = n * (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):  # where tau itself is undefined
        variance = (
            (m * (2 * n + 5) - x.spread - y.spread) / 18
            + 2.0 * x.pairs * y.pairs / m
            + 1.0 * x.triples * y.triples / (9 * m * (n - 2))
        )
        return np.asarray(pairs.difference / np.sqrt(variance))
