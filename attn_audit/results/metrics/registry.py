"""The registry: what stands in a report, quantity by quantity.

A quantity is something measured of examples. The report holds either its distribution over them (a
mean, quantiles, ...), the share of them that has a property, or one number over all.
"""

from collections.abc import Iterator
from math import inf, log
from types import MappingProxyType

from attn_audit.results.metrics.metric import Metric
from attn_audit.results.thresholds import INFORMATIVE_JSD, MOVED_DISTANCE, SIGNIFICANT

_PAIRS = {
    "attention_gradient": "attention and gradients",
    "attention_leave_one_out": "attention and leave-one-out",
    "gradient_leave_one_out": "gradients and leave-one-out (the yardstick)",
}

_MASS = "Share of the attention that lies on the audited units; no intervention moves the rest"

STATISTICS = {
    "mean": "mean over examples",
    "sd": "standard deviation over examples",
    "minimum": "lowest of any example",
    "quantiles.0.05": "5 % of the examples are below",
    "quantiles.0.25": "a quarter of the examples is below",
    "quantiles.0.5": "median over examples",
    "quantiles.0.75": "three quarters of the examples are below",
    "quantiles.0.95": "95 % of the examples are below",
    "maximum": "highest of any example",
}
"""Of every distribution. The mean alone has an interval."""


def _distribution(
    name: str, definition: str, unit: str, low: float, high: float
) -> Iterator[Metric]:
    for statistic, meaning in STATISTICS.items():
        least, most = (0.0, high - low) if statistic == "sd" else (low, high)
        sentence = f"{definition}: {meaning}."
        yield Metric(f"{name}.{statistic}", sentence, unit, least, most, statistic == "mean")


def _share(name: str, definition: str) -> Metric:
    return Metric(f"{name}.share", f"{definition}.", "share", 0.0, 1.0, True)


def _number(
    name: str,
    definition: str,
    unit: str = "share",
    high: float = 1.0,
    has_interval: bool = False,
) -> Metric:
    return Metric(name, f"{definition}.", unit, 0.0, high, has_interval)


def _of_pair(pair: str, between: str) -> Iterator[Metric]:
    name = f"correlation.{pair}"
    tested = f"Of the examples with 5 or more units: tau between {between}"
    corrected = f"after Benjamini-Hochberg at a false discovery rate of {SIGNIFICANT:g}"
    yield from _distribution(name, f"Kendall's tau-b between {between}", "tau", -1.0, 1.0)
    yield _share(f"{name}.significantly_positive", f"{tested} is above 0 with p <= {SIGNIFICANT:g}")
    yield _share(f"{name}.significantly_negative", f"{tested} is below 0 with p <= {SIGNIFICANT:g}")
    yield _share(f"{name}.positive_after_correction", f"{tested} is above 0, {corrected}")
    yield _share(f"{name}.negative_after_correction", f"{tested} is below 0, {corrected}")
    yield _number(
        f"{name}.expected_by_chance",
        f"{tested} would be significantly positive this often if the order were random",
    )
    yield _number(
        f"{name}.n_undefined",
        f"Examples without a tau between {between}: one unit, or a constant side",
        "examples",
        inf,
    )
    yield _number(
        f"{name}.n_untestable",
        f"Examples with a tau between {between} but too few units for p <= {SIGNIFICANT:g}",
        "examples",
        inf,
    )


def _correlation() -> Iterator[Metric]:
    for pair, between in _PAIRS.items():
        yield from _of_pair(pair, between)
    for measure, words in (("gradient", "gradients"), ("leave_one_out", "leave-one-out")):
        yield from _distribution(
            f"correlation.gap.attention_{measure}",
            "By how much attention falls short of the yardstick: tau of gradients with "
            f"leave-one-out minus tau of attention with {words}, example by example",
            "tau",
            -2.0,
            2.0,
        )


def _permutation() -> Iterator[Metric]:
    yield from _distribution(
        "permutation.distance",
        "Change of an example's output when its attention is shuffled, median over permutations",
        "output distance",
        0.0,
        1.0,
    )
    yield from _distribution(
        "permutation.jsd",
        "Jensen-Shannon divergence between attention and its permutations, median over these",
        "nats",
        0.0,
        log(2),
    )
    yield from _distribution(
        "permutation.within_epsilon",
        "Share of an example's permutations that keep its output within epsilon",
        "share",
        0.0,
        1.0,
    )
    yield _share(
        "permutation.moved",
        f"Outputs that shuffling moves by {MOVED_DISTANCE:g} or more; where attention is too even "
        "for shuffling to show anything, an output counts as not moved",
    )
    yield _share(
        "permutation.too_even",
        "Examples whose attention is too even for shuffling to show anything: its permutations "
        f"differ from it by a divergence of less than {INFORMATIVE_JSD:g}",
    )
    yield from _uniform()
    yield from _distribution("permutation.audited_mass", _MASS, "share", 0.0, 1.0)


def _uniform() -> Iterator[Metric]:
    name, condition = "permutation.uniform", "with equal attention on every unit"
    yield from _distribution(
        f"{name}.distance",
        f"Change of an example's output {condition}",
        "output distance",
        0.0,
        1.0,
    )
    yield _share(f"{name}.unchanged", f"Predictions that stay the same {condition}")
    yield _share(f"{name}.accuracy", f"Accuracy {condition}")
    yield from _distribution(
        f"{name}.accuracy_change",
        f"Change of accuracy {condition} (below 0: accuracy is lost), paired",
        "share",
        -1.0,
        1.0,
    )


def _adversarial() -> Iterator[Metric]:
    yield from _distribution(
        "adversarial.max_jsd",
        "Largest Jensen-Shannon divergence found between an example's attention and other "
        "attention that keeps its output within epsilon",
        "nats",
        0.0,
        log(2),
    )
    yield from _distribution(
        "adversarial.relative_jsd",
        "The same divergence over the largest that any attention on the same units could have",
        "share",
        0.0,
        1.0,
    )
    yield from _distribution(
        "adversarial.upper_bound",
        "What no adversary can exceed, where such a bound is known",
        "nats",
        0.0,
        log(2),
    )
    yield from _distribution(
        "adversarial.distance",
        "Change of an example's output under its adversarial attention, at most epsilon",
        "output distance",
        0.0,
        1.0,
    )
    yield from _distribution("adversarial.audited_mass", _MASS, "share", 0.0, 1.0)
    yield _number(
        "adversarial.n_exact", "Examples whose adversary is the proven optimum", "examples", inf
    )
    yield _number(
        "adversarial.n_gradient", "Examples whose adversary was searched for", "examples", inf
    )


def _performance() -> Iterator[Metric]:
    yield _share(
        "performance.accuracy",
        "Predictions that are the gold label; of several labels, exactly the right set",
    )
    for name, definition in (
        ("macro_f1", "F1, mean over labels"),
        ("micro_f1", "F1 over all labels together, for several labels"),
        ("roc_auc", "Area under the ROC curve; of several labels, the mean over labels"),
    ):
        yield _number(f"performance.{name}", definition, has_interval=True)
    yield _number(
        "performance.majority_share", "Accuracy of always giving the most frequent answer"
    )


def _all() -> Iterator[Metric]:
    yield from _performance()
    yield from _correlation()
    yield from _permutation()
    yield from _adversarial()


METRICS = MappingProxyType({metric.name: metric for metric in _all()})
"""Every metric by name, check by check."""
