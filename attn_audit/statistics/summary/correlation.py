"""The correlation check over the examples."""

from collections.abc import Sequence

import numpy as np

from attn_audit.results.summary import CorrelationSummary, Gap, TauSummary
from attn_audit.results.thresholds import SIGNIFICANT
from attn_audit.statistics.kendall_significance import exact_chance
from attn_audit.statistics.moments import mean
from attn_audit.statistics.multiple_comparisons import benjamini_hochberg
from attn_audit.statistics.summary.grouping import (
    TAU_EDGES,
    Grouping,
    Values,
    share_of,
)

PAIRS = {
    "attention_gradient": ("gradient",),
    "attention_leave_one_out": ("leave_one_out",),
    "gradient_leave_one_out": ("gradient", "leave_one_out"),
}
"""Which measures each correlation needs."""


def summarise_correlation(grouping: Grouping, measures: Sequence[str]) -> CorrelationSummary:
    """Tau of every pair of rankings, and how far attention falls short of the yardstick.

    Args:
        grouping: The records.
        measures: The importance measures that were computed.
    """
    taus = {
        pair: grouping.table.numbers(f"tau_{pair}")
        for pair, needed in PAIRS.items()
        if set(needed) <= set(measures)
    }
    summaries = {pair: _tau(grouping, pair, values) for pair, values in taus.items()}
    yardstick = taus.get("gradient_leave_one_out")
    gap = None
    if yardstick is not None:
        gap = Gap(
            attention_gradient=grouping.distribution(
                yardstick - taus["attention_gradient"], TAU_EDGES
            ),
            attention_leave_one_out=grouping.distribution(
                yardstick - taus["attention_leave_one_out"], TAU_EDGES
            ),
        )
    return CorrelationSummary(**{pair: summaries.get(pair) for pair in PAIRS}, gap=gap)


def _tau(grouping: Grouping, pair: str, tau: Values) -> TauSummary:
    p_value = grouping.table.numbers(f"p_{pair}")
    testable = ~np.isnan(p_value)
    n = int(testable.sum())
    positive, negative = tau[testable] > 0, tau[testable] < 0
    significant = p_value[testable] <= SIGNIFICANT
    corrected = benjamini_hochberg(p_value[testable]) <= SIGNIFICANT
    lengths = grouping.table.numbers("n_units")[testable].astype(np.int64)
    return TauSummary(
        **grouping.distribution(tau, TAU_EDGES).model_dump(),
        n_undefined=int(np.isnan(tau).sum()),
        n_untestable=int((~np.isnan(tau) & ~testable).sum()),
        significantly_positive=share_of(int((significant & positive).sum()), n),
        significantly_negative=share_of(int((significant & negative).sum()), n),
        expected_by_chance=mean(exact_chance(lengths, SIGNIFICANT)) if n else None,
        positive_after_correction=share_of(int((corrected & positive).sum()), n),
        negative_after_correction=share_of(int((corrected & negative).sum()), n),
        by_prediction=grouping.groups(tau, grouping.by_prediction, TAU_EDGES),
        by_length=grouping.groups(tau, grouping.by_length),
    )
