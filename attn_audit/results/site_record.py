"""The record of one example at one of several layers and heads."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteRecord:
    """What was found for one example at one site; fields mean what those of `Record` mean.

    What does not depend on attention, the prediction and the importance measures, stands in the
    example's own record alone.
    """

    id: str
    layer: int
    head: int | None = None
    """None: all heads, averaged."""
    audited_mass: float
    max_attention: float | None = None

    tau_attention_gradient: float | None = None
    p_attention_gradient: float | None = None
    tau_attention_leave_one_out: float | None = None
    p_attention_leave_one_out: float | None = None

    median_permutation_distance: float | None = None
    median_permutation_jsd: float | None = None
    share_permutations_within_epsilon: float | None = None
    uniform_distance: float | None = None

    max_jsd: float | None = None
    relative_jsd: float | None = None
    max_jsd_upper_bound: float | None = None
    adversarial_distance: float | None = None
    adversarial_method: str | None = None

    status_correlation: str | None = None
    status_permutation: str | None = None
    status_adversarial: str | None = None


SITE_FIELDS: tuple[str, ...] = tuple(field.name for field in fields(SiteRecord))
"""Every column of a site records file, in order."""

MEAN_FIELDS: tuple[str, ...] = (
    "audited_mass",
    "max_attention",
    "tau_attention_gradient",
    "tau_attention_leave_one_out",
    "median_permutation_distance",
    "median_permutation_jsd",
    "share_permutations_within_epsilon",
    "uniform_distance",
    "max_jsd",
    "relative_jsd",
    "max_jsd_upper_bound",
    "adversarial_distance",
)
"""The numbers whose mean over the examples a report gives for each site."""
