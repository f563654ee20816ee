"""Kendall's tau in batches against a loop over SciPy: `python tests/benchmarks/kendall.py`.

Both sides run in turn in one process; the ratio is one of medians. Ours includes the ranking.
"""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from statistics import median

import numpy as np
from jaxtyping import Float64, Int
from scipy.stats import kendalltau

from attn_audit.statistics.kendall import dense_ranks, kendall_tau_of_ranks

BATCH = 128
REPEATS = 5


@dataclass(frozen=True)
class Case:
    """Ragged rows of three measures, as attention, gradient and leave-one-out would be."""

    name: str
    lengths: Int[np.ndarray, " example"]
    measures: list[Float64[np.ndarray, "example unit"]]


def make_case(name: str, lengths: Int[np.ndarray, " example"], *, ties: bool = False) -> Case:
    rng = np.random.Generator(np.random.Philox(0))
    shape = (len(lengths), int(lengths.max()))
    measures = [rng.random(shape) for _ in range(3)]
    rounded = [np.floor(values * shape[1] / 4) for values in measures]
    return Case(name, np.sort(lengths), rounded if ties else measures)


def like_sst(n_examples: int) -> Int[np.ndarray, " example"]:
    """Lengths from 5 to 50, mean 18."""
    rng = np.random.Generator(np.random.Philox(1))
    return np.clip(rng.gamma(4.0, 4.6, n_examples).round().astype(np.int64), 5, 50)


def ours(case: Case) -> Float64[np.ndarray, "pair example 2"]:
    batches = []
    for start in range(0, len(case.lengths), BATCH):
        lengths = case.lengths[start : start + BATCH]
        rows = slice(start, start + BATCH), slice(0, int(lengths.max()))
        floors = np.zeros(len(lengths))
        ranks = [dense_ranks(values[rows], lengths, floors) for values in case.measures]
        results = [kendall_tau_of_ranks(x, y, lengths) for x, y in combinations(ranks, 2)]
        batches.append(np.array([np.stack([r.tau, r.p_value], axis=1) for r in results]))
    return np.concatenate(batches, axis=1)


def scipys(case: Case) -> Float64[np.ndarray, "pair example 2"]:
    return np.array(
        [
            [tuple(kendalltau(x[row, :n], y[row, :n])) for row, n in enumerate(case.lengths)]
            for x, y in combinations(case.measures, 2)
        ]
    )


def seconds(run: Callable[[Case], object], case: Case) -> float:
    start = time.perf_counter()
    run(case)
    return time.perf_counter() - start


def peak_mib(case: Case) -> float:
    tracemalloc.start()
    ours(case)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def line(case: Case) -> str:
    difference = np.nanmax(np.abs(ours(case) - scipys(case)), axis=(0, 1))
    times = [(seconds(ours, case), seconds(scipys, case)) for _ in range(REPEATS)]
    mine, theirs = (median(column) for column in zip(*times, strict=True))
    return (
        f"{case.name:<28}{len(case.lengths):>6} x 3{1e3 * mine:>10.1f}{1e3 * theirs:>10.1f}"
        f"{theirs / mine:>8.1f}{difference[0]:>10.1e}{difference[1]:>10.1e}{peak_mib(case):>8.1f}"
    )


def main() -> None:
    header = ("pairs", "ours ms", "SciPy ms", "ratio", "tau err", "p err", "MiB")
    print(f"{'n':<28}" + "{:>10}{:>10}{:>10}{:>8}{:>10}{:>10}{:>8}".format(*header))
    for ties in (False, True):
        name = " with ties" if ties else ""
        print(line(make_case(f"5 to 50, mean 18{name}", like_sst(1821), ties=ties)))
        for n, n_examples in ((200, 512), (1000, 128), (5000, 32)):
            print(line(make_case(f"{n}{name}", np.full(n_examples, n), ties=ties)))


if __name__ == "__main__":
    main()
