"""What explanations are explanations of: how well the model works, and on which of the data."""

from functools import partial
from typing import TYPE_CHECKING

from attn_audit.findings import example
from attn_audit.findings.example import LABEL, PREDICTION
from attn_audit.findings.field import LOGITS
from attn_audit.findings.metric import MeanMetric, Metric, ShareMetric, TotalMetric
from attn_audit.statistics.summary import Estimate

if TYPE_CHECKING:
    from attn_audit.results.table import Examples, Values
    from attn_audit.statistics.intervals import Resamples


def _left_out(examples: "Examples", resamples: "Resamples") -> Estimate:
    if not examples.n_rows:
        return Estimate(None, 0)
    return Estimate(examples.n_left_out / examples.n_rows, examples.n_rows)


LEFT_OUT = TotalMetric(
    "data.left_out",
    "Rows of the data that were left out: by --on-bad-row skip, and by labels that --label-map "
    "maps to nothing",
    number=_left_out, has_interval=False,
)  # fmt: skip


def _is_right(examples: "Examples") -> "Values":
    return examples.where(examples.is_labelled, examples.is_right(PREDICTION))


def _f1(examples: "Examples", resamples: "Resamples", *, micro: bool) -> Estimate:
    from attn_audit.statistics import performance

    if examples.is_of_vocabulary:
        return _not_of_vocabulary(examples)
    gold, predicted = examples.gold, examples.predicted
    if micro and not examples.is_multilabel:
        return Estimate(None, len(gold))
    found = (performance.micro_f1 if micro else performance.macro_f1)(gold, predicted)
    interval = performance.f1_interval(gold, predicted, resamples, micro=micro)
    return Estimate(found, len(gold), interval)


def _constant_f1(examples: "Examples", resamples: "Resamples") -> Estimate:
    from attn_audit.statistics import performance

    gold = examples.gold
    found = performance.constant_f1(gold) if examples.is_multilabel else None
    return Estimate(found, len(gold))


def _roc_auc(examples: "Examples", resamples: "Resamples") -> Estimate:
    """One label's scores at a time: all of them together need not fit into memory."""
    from attn_audit.statistics.performance import mean_area

    if examples.is_of_vocabulary:
        return _not_of_vocabulary(examples)
    gold = examples.gold[:, 1:2] if examples.is_binary else examples.gold
    scores = (examples.scores(label) for label in range(gold.shape[1]))
    area = mean_area(zip(gold.T, scores, strict=True))
    return Estimate(None, len(gold)) if area is None else Estimate(area[0], len(gold), area[1])


def _not_of_vocabulary(examples: "Examples") -> Estimate:
    """Of labels that most of which occur once or never, a mean says nothing."""
    return Estimate(None, int(examples.is_labelled.sum()))


def _majority_share(examples: "Examples", resamples: "Resamples") -> Estimate:
    import numpy as np

    gold = examples.answers(LABEL)[examples.is_labelled]
    _, counts = np.unique(gold, axis=0, return_counts=True)
    return Estimate(float(counts.max() / len(gold)), len(gold))


ACCURACY = ShareMetric(
    "performance.accuracy",
    "Predictions that are the gold label; of several labels, exactly the right set",
    values=_is_right, needs_labels=True,
)  # fmt: skip
MACRO_F1 = TotalMetric(
    "performance.macro_f1",
    "F1, mean over labels; not of a vocabulary's tokens",
    number=partial(_f1, micro=False),
    needs_labels=True,
)
MICRO_F1 = TotalMetric(
    "performance.micro_f1", "F1 over all labels together, for several labels",
    number=partial(_f1, micro=True), needs_labels=True,
)  # fmt: skip
CONSTANT_F1 = TotalMetric(
    "performance.constant_f1",
    "Micro F1 of always giving the most frequent label alone, for several labels",
    number=_constant_f1, needs_labels=True, has_interval=False,
)  # fmt: skip
ROC_AUC = TotalMetric(
    "performance.roc_auc",
    "Area under the ROC curve: of binary tasks of the second label, else the mean over labels "
    "that occur and do not always; not of a vocabulary's tokens",
    number=_roc_auc, needs_labels=True,
)  # fmt: skip
MAJORITY_SHARE = TotalMetric(
    "performance.majority_share", "Accuracy of always giving the most frequent answer",
    number=_majority_share, needs_labels=True, has_interval=False,
)  # fmt: skip

MARGIN = MeanMetric(
    "performance.margin", example.MARGIN.definition, range=LOGITS, values=example.MARGIN,
    is_optional=True,
)  # fmt: skip

METRICS: tuple[Metric, ...] = (
    LEFT_OUT, ACCURACY, MACRO_F1, MICRO_F1, CONSTANT_F1, ROC_AUC, MAJORITY_SHARE, MARGIN,
)  # fmt: skip
