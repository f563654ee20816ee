"""How often the packaged rules answer No by chance.

    python -m tests.simulations.error_rates

Of a model whose true numbers lie exactly on the limits of all rules of level `no`, the share of
audits that answer No, where each rule errs independently, which is the worst case; beside it that
of each rule, exact of a share and simulated of tau. `docs/rules.md` has what it said.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import binom

from attn_audit.findings.metric import ShareMetric
from attn_audit.findings.registry import statistics
from attn_audit.findings.rule import Outcome
from attn_audit.judgement.gate import Measurement, judge_bound
from attn_audit.judgement.policy import Bound, load_policy
from attn_audit.statistics.intervals import Resamples, mean_interval, wilson_interval
from attn_audit.statistics.summary import Estimate, Interval

RULES = load_policy()
RESAMPLES = Resamples(0)
N_SIMULATED = 2000
SPREAD_OF_TAU = 0.25
"""About that of trained models."""


def deciding() -> list[Bound]:
    """The rules that may answer No."""
    return [bound for bound in RULES.bounds if bound.level.decides]


def wrongly_violated(bound: Bound, n: int, n_simulated: int = N_SIMULATED) -> float:
    """Share of the audits of n texts that violate a rule on whose limit the truth lies."""

    def is_violated(value: float, interval: Interval | None) -> bool:
        found = Measurement(Estimate(value, n, interval), "", "", None, ())
        return judge_bound(bound, found, RULES).outcome is Outcome.FAIL

    if isinstance(statistics()[bound.metric].metric, ShareMetric):
        counts = range(n + 1)
        violated = [is_violated(k / n, wilson_interval(k, n)) for k in counts]
        return float(np.dot(binom.pmf(counts, n, bound.limit), violated))
    draw = np.random.default_rng(n)
    drawn = (draw.normal(bound.limit, SPREAD_OF_TAU, n) for _ in range(n_simulated))
    violated = [is_violated(v.mean(), mean_interval(v, RESAMPLES)) for v in drawn]
    return float(np.mean(violated))


def any_of(shares: Sequence[float]) -> float:
    """The share of any of several errors that are independent."""
    return 1 - math.prod(1 - share for share in shares)


def limits() -> None:
    """False No of a model on all limits."""
    print("texts  all rules  " + "  ".join(bound.metric for bound in deciding()))
    for n in (100, 200, 400, 1800):
        by_rule = {bound.metric: wrongly_violated(bound, n) for bound in deciding()}
        each = "  ".join(f"{share:{len(name)}.3f}" for name, share in by_rule.items())
        print(f"{n:5}  {any_of(list(by_rule.values())):9.3f}  {each}", flush=True)


if __name__ == "__main__":
    limits()
