"""How many outputs each check has a model compute."""

import math
from collections.abc import Sequence

from attn_audit.checks.adversarial.check import Adversarial
from attn_audit.checks.base import Check
from attn_audit.checks.correlation import Correlation
from attn_audit.checks.permutation import Permutation
from attn_audit.results.record import Record


def count_passes(check: Check, n_units: Sequence[int], n_sites: int, tried: Record) -> int:
    """Outputs of one check: whole passes, or replays that begin at the attention.

    Args:
        check: Any check.
        n_units: Units of every example.
        n_sites: Layers and heads that are audited each by itself.
        tried: What was found for one of the examples.
    """
    n_examples = len(n_units)
    match check:
        case Correlation(measures):  # whole passes, once for all sites
            left_out = sum(n + 1 for n in n_units) if "leave_one_out" in measures else 0
            return left_out + (n_examples if "gradient" in measures else 0)
        case Permutation(_, n_draws):
            drawn = (min(n_draws, math.factorial(n)) if n <= 4 else n_draws for n in n_units)
            return n_sites * (sum(drawn) + n_examples)
        case Adversarial():
            exact = tried.adversarial_method == "exact"
            per_example = 2 if exact else check.n_iterations * check.n_restarts
            return n_sites * n_examples * per_example
        case _:
            return 0
