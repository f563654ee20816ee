"""Gold and predicted labels of all examples, and how well the model works."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from attn_audit.results.summary import Interval, Performance
from attn_audit.results.table import RecordTable
from attn_audit.statistics import intervals, multilabel
from attn_audit.statistics.delong import Area, mean_area
from attn_audit.statistics.multilabel import f1_interval
from attn_audit.statistics.performance import macro_f1
from attn_audit.statistics.resamples import Resamples
from attn_audit.statistics.summary.grouping import share_of


class Predictions:
    """Labels by column of the records: `label` is gold, `prediction` the model's own."""

    def __init__(self, table: RecordTable, labels: Sequence[str], kind: str) -> None:
        """Read what is needed of the records.

        Args:
            table: The records.
            labels: Names of the task's labels.
            kind: Of the task: `binary`, `multiclass`, `multilabel` or `candidates`.
        """
        self._table = table
        self._labels = labels
        self._kind = kind
        self._is_multilabel = kind == "multilabel"
        self.is_labelled: Bool[np.ndarray, " example"] = ~table.is_null("label")

    def right(self, column: str) -> Bool[np.ndarray, " example"]:
        """Whether a column's prediction is the gold label (multilabel: exactly the gold set)."""
        return self._equal(column, "label")

    def same_as_own(self, column: str) -> Bool[np.ndarray, " example"]:
        """Whether a column's prediction is the model's own."""
        return self._equal(column, "prediction")

    def _equal(self, first: str, second: str) -> Bool[np.ndarray, " example"]:
        if self._is_multilabel:
            pair = (self._table.indicators(name, self._labels) for name in (first, second))
            same: np.ndarray = (next(pair) == next(pair)).all(axis=1)
            return same
        pair = (self._codes(name) for name in (first, second))
        equal: np.ndarray = next(pair) == next(pair)
        return equal

    def _codes(self, column: str) -> Int64[np.ndarray, " example"]:
        return self._table.codes(column, self._labels)

    def performance(self, resamples: Resamples) -> Performance | None:
        """How well the model works; None without labels.

        Args:
            resamples: Of the bootstrap.
        """
        if not self.is_labelled.any():
            return None
        measure = self._multilabel if self._is_multilabel else self._single_label
        return measure(resamples)

    def _single_label(self, resamples: Resamples) -> Performance:
        known = self.is_labelled
        gold, predicted = self._codes("label")[known], self._codes("prediction")[known]
        counts = np.bincount(gold, minlength=len(self._labels))
        has_label, is_given = (
            codes[:, None] == np.arange(len(counts)) for codes in (gold, predicted)
        )
        area = self._mean_area(has_label[:, 1:2] if self._kind == "binary" else has_label)
        return Performance(
            n=len(gold),
            is_multilabel=self._is_multilabel,
            accuracy=share_of(int((gold == predicted).sum()), len(gold)),
            macro_f1=macro_f1(gold, predicted, len(self._labels)),
            macro_f1_interval=_stored(f1_interval(has_label, is_given, resamples)),
            micro_f1=None,
            micro_f1_interval=None,
            **_stored_area(area),
            majority_share=float(counts.max() / len(gold)),
        )

    def _mean_area(self, gold: Bool[np.ndarray, "example label"]) -> Area | None:
        """One label's scores at a time: all of them together need not fit into memory.

        Binary outputs have one score, that of the second label.
        """
        scores = (self._table.scores(i)[self.is_labelled] for i in range(gold.shape[1]))
        return mean_area(zip(gold.T, scores, strict=True))

    def _multilabel(self, resamples: Resamples) -> Performance:
        known = self.is_labelled
        gold = self._table.indicators("label", self._labels)[known]
        predicted = self._table.indicators("prediction", self._labels)[known]
        right = (gold == predicted).all(axis=1)
        _, counts = np.unique(gold, axis=0, return_counts=True)
        return Performance(
            n=len(gold),
            is_multilabel=self._is_multilabel,
            accuracy=share_of(int(right.sum()), len(gold)),
            macro_f1=multilabel.macro_f1(gold, predicted),
            macro_f1_interval=_stored(f1_interval(gold, predicted, resamples)),
            micro_f1=multilabel.micro_f1(gold, predicted),
            micro_f1_interval=_stored(f1_interval(gold, predicted, resamples, micro=True)),
            **_stored_area(self._mean_area(gold)),
            majority_share=float(counts.max() / len(gold)),
        )


def _stored(interval: intervals.Interval | None) -> Interval | None:
    return None if interval is None else Interval(**interval._asdict())


def _stored_area(area: Area | None) -> dict[str, Any]:
    if area is None:
        return {"roc_auc": None, "roc_auc_interval": None}
    return {"roc_auc": area.value, "roc_auc_interval": _stored(area.interval)}
