"""What an audit found, summed up over the examples: plain validated data.

A metric's dotted name is its path in here: `correlation.attention_gradient.mean`.
"""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """Base of everything in a report: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Value):
    """A 95 % interval over examples."""

    low: float
    high: float
    method: str
    """`bootstrap` (percentile), `normal` or `wilson`; of ROC AUC `delong` (on the logit scale), or
    `newcombe` where DeLong's variance is none; of differences also `newcombe`."""


class Histogram(Value):
    """Counts between edges; the last bin is closed on the right."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class JointHistogram(Value):
    """Counts of two numbers at once, between edges; the last bins are closed on the right."""

    x_edges: tuple[float, ...]
    y_edges: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]
    """One row for each bin of x, in it one count for each bin of y."""


class Distribution(Value):
    """One number over the examples for which it is defined."""

    n: int
    mean: float | None
    sd: float | None
    interval: Interval | None
    """Of the mean; None for fewer than 2 examples."""
    minimum: float | None
    quantiles: dict[str, float]
    """`0.05`, `0.25`, `0.5`, `0.75`, `0.95`; empty without examples."""
    maximum: float | None
    histogram: Histogram | None = None


class Share(Value):
    """How many examples of those that could are so."""

    count: int
    n: int
    share: float | None
    """None where n is 0."""
    interval: Interval | None


class Group(Value):
    """The distribution of a number within a part of the examples."""

    name: str
    distribution: Distribution


class TauSummary(Distribution):
    """Kendall's tau-b between two rankings of the same units, over the examples that have one."""

    n_undefined: int
    """Examples where a side is constant, or there is one unit."""
    n_untestable: int
    """Examples with a tau, but too few units for any p-value to reach 0.05."""
    significantly_positive: Share
    """p <= 0.05 and tau > 0, among the testable."""
    significantly_negative: Share
    expected_by_chance: float | None
    """Share of the testable expected to be significantly positive if the order were random; the
    same share is expected to be significantly negative."""
    positive_after_correction: Share
    """The same after Benjamini-Hochberg at a false discovery rate of 0.05."""
    negative_after_correction: Share
    by_prediction: tuple[Group, ...]
    by_length: tuple[Group, ...]


class Gap(Value):
    """By how much attention falls short of the yardstick, paired over examples.

    tau gradient-leave-one-out minus tau attention-measure: positive where attention agrees less
    with the measure than the two measures agree with each other.
    """

    attention_gradient: Distribution | None
    attention_leave_one_out: Distribution | None


class CorrelationSummary(Value):
    """Does attention rank units as importance measures do?"""

    attention_gradient: TauSummary | None
    attention_leave_one_out: TauSummary | None
    gradient_leave_one_out: TauSummary | None
    """The yardstick: what two accepted measures reach on this model."""
    gap: Gap | None


class UniformSummary(Value):
    """What happens when every unit gets the same attention."""

    distance: Distribution
    unchanged: Share
    """Predictions that stay the same."""
    accuracy: Share | None
    """Of the predictions under uniform attention; None without labels."""
    accuracy_change: Distribution | None
    """Uniform minus own, paired over the labelled examples: negative where accuracy is lost."""


class PermutationSummary(Value):
    """Does the output change when attention is shuffled?"""

    distance: Distribution
    """Median output distance over an example's permutations."""
    jsd: Distribution
    """Median divergence between attention and its permutations, nats."""
    within_epsilon: Distribution
    """Share of an example's permutations whose output stays within epsilon."""
    moved: Share
    """Outputs that move by 0.1 or more. Where attention is too even to show anything, an output
    counts as not moved."""
    too_even: Share
    """Examples whose permutations differ from the original by a divergence of less than 0.1."""
    uniform: UniformSummary
    audited_mass: Distribution
    by_max_attention: tuple[Group, ...]
    """Distance by largest attention weight."""
    by_prediction: tuple[Group, ...]
    by_length: tuple[Group, ...]


class AdversarialSummary(Value):
    """Could attention look different for the same output?"""

    max_jsd: Distribution
    """The largest divergence found, nats."""
    relative_jsd: Distribution
    """The same over what each example allows at most, 0 to 1."""
    upper_bound: Distribution | None
    """What no adversary can exceed, where such a bound is known."""
    distance: Distribution
    """Output distance of the adversaries, at most epsilon."""
    audited_mass: Distribution
    n_exact: int
    """Examples whose adversary is the proven optimum."""
    n_gradient: int
    by_max_attention: tuple[Group, ...]
    by_prediction: tuple[Group, ...]
    by_length: tuple[Group, ...]
    jsd_by_max_attention: JointHistogram | None = None
    """Examples by largest attention weight (x) and largest divergence (y)."""


class Performance(Value):
    """How well the model works on the labelled examples."""

    n: int
    is_multilabel: bool
    accuracy: Share
    """Multilabel: examples with exactly the right set of labels."""
    macro_f1: float | None
    macro_f1_interval: Interval | None
    micro_f1: float | None
    """Multilabel only."""
    micro_f1_interval: Interval | None
    roc_auc: float | None
    """Binary: of the second label. Else the mean over labels that occur and do not always."""
    roc_auc_interval: Interval | None
    majority_share: float
    """Accuracy of always giving the most frequent answer: what the model must beat."""


class Summaries(Value):
    """Everything measured, check by check; None for a check that was not run."""

    correlation: CorrelationSummary | None
    permutation: PermutationSummary | None
    adversarial: AdversarialSummary | None


class SiteMean(Value):
    """The mean of one number at one site, over the examples for which it is defined."""

    n: int
    mean: float | None
    interval: Interval | None
    """Of the mean; None for fewer than 2 examples."""


class SiteSummary(Value):
    """What was found at one layer and head."""

    layer: int
    head: int | None
    """None: all heads, averaged."""
    means: dict[str, SiteMean]
    """By the name of the field of the sites' records."""


class Degenerate(Value):
    """How many examples a check says nothing, or less, about, and why."""

    check: str
    status: str
    meaning: str
    n: int
