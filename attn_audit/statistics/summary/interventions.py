"""The permutation and the adversarial check over the examples."""

import numpy as np

from attn_audit.results.summary import (
    AdversarialSummary,
    Distribution,
    PermutationSummary,
    UniformSummary,
)
from attn_audit.results.thresholds import INFORMATIVE_JSD, MOVED_DISTANCE
from attn_audit.statistics.summary.grouping import (
    DISTANCE_EDGES,
    JSD_EDGES,
    UNIT_EDGES,
    Grouping,
    Members,
    Values,
    joint_histogram,
    share_of,
)
from attn_audit.statistics.summary.predictions import Predictions


def is_too_even(jsd: Values) -> Members:
    """Whether attention is too even for its permutations to show anything.

    Args:
        jsd: Median divergence between attention and its permutations; NaN where not measured.
    """
    too_even: Members = jsd < INFORMATIVE_JSD
    return too_even


def is_moved(distance: Values, jsd: Values) -> Members:
    """Whether shuffling moves the output; where attention is too even, it does not.

    Args:
        distance: Median output distance over the permutations; NaN where not measured.
        jsd: Their median divergence from attention.
    """
    moved: Members = (distance >= MOVED_DISTANCE) & ~is_too_even(jsd)
    return moved


def summarise_permutation(grouping: Grouping, predictions: Predictions) -> PermutationSummary:
    """How far outputs move when attention is shuffled, and what uniform attention does.

    Args:
        grouping: The records.
        predictions: Gold and predicted labels.
    """
    numbers = grouping.table.numbers
    distance = numbers("median_permutation_distance")
    jsd = numbers("median_permutation_jsd")
    measured = ~np.isnan(distance)
    n = int(measured.sum())
    return PermutationSummary(
        distance=grouping.distribution(distance, UNIT_EDGES),
        jsd=grouping.distribution(jsd, JSD_EDGES),
        within_epsilon=grouping.distribution(
            numbers("share_permutations_within_epsilon"), UNIT_EDGES
        ),
        moved=share_of(int(is_moved(distance, jsd).sum()), n),
        too_even=share_of(int(is_too_even(jsd).sum()), n),
        uniform=_uniform(grouping, predictions, measured),
        audited_mass=_mass(grouping, measured),
        by_max_attention=grouping.groups(distance, grouping.by_max_attention, DISTANCE_EDGES),
        by_prediction=grouping.groups(distance, grouping.by_prediction),
        by_length=grouping.groups(distance, grouping.by_length),
    )


def _uniform(grouping: Grouping, predictions: Predictions, measured: Members) -> UniformSummary:
    right = predictions.right("uniform_prediction")
    unchanged = predictions.same_as_own("uniform_prediction")[measured]
    labelled = measured & predictions.is_labelled
    change = right[labelled].astype(np.float64) - predictions.right("prediction")[labelled]
    has_labels = bool(labelled.any())
    return UniformSummary(
        distance=grouping.distribution(grouping.table.numbers("uniform_distance"), UNIT_EDGES),
        unchanged=share_of(int(unchanged.sum()), int(measured.sum())),
        accuracy=share_of(int(right[labelled].sum()), int(labelled.sum())) if has_labels else None,
        accuracy_change=grouping.distribution(change) if has_labels else None,
    )


def summarise_adversarial(grouping: Grouping) -> AdversarialSummary:
    """How far attention can go while outputs stay within epsilon.

    Args:
        grouping: The records.
    """
    numbers = grouping.table.numbers
    max_jsd, bound = numbers("max_jsd"), numbers("max_jsd_upper_bound")
    methods = grouping.table.counts("adversarial_method")
    return AdversarialSummary(
        max_jsd=grouping.distribution(max_jsd, JSD_EDGES),
        relative_jsd=grouping.distribution(numbers("relative_jsd"), UNIT_EDGES),
        upper_bound=None if np.isnan(bound).all() else grouping.distribution(bound, JSD_EDGES),
        distance=grouping.distribution(numbers("adversarial_distance")),
        audited_mass=_mass(grouping, ~np.isnan(max_jsd)),
        n_exact=methods.get("exact", 0),
        n_gradient=methods.get("gradient", 0),
        by_max_attention=grouping.groups(max_jsd, grouping.by_max_attention),
        by_prediction=grouping.groups(max_jsd, grouping.by_prediction),
        by_length=grouping.groups(max_jsd, grouping.by_length),
        jsd_by_max_attention=joint_histogram(
            numbers("max_attention"), max_jsd, UNIT_EDGES, JSD_EDGES
        ),
    )


def _mass(grouping: Grouping, measured: Members) -> Distribution:
    return grouping.distribution(grouping.table.numbers("audited_mass")[measured])
