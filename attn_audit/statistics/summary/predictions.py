"""Gold and predicted labels of all examples, and how well the model works."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int64

from attn_audit.results.summary import Performance
from attn_audit.results.table import RecordTable
from attn_audit.statistics import multilabel
from attn_audit.statistics.performance import macro_f1, roc_auc
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

    def performance(self) -> Performance | None:
        """How well the model works; None without labels."""
        if not self.is_labelled.any():
            return None
        return self._multilabel() if self._is_multilabel else self._single_label()

    def _single_label(self) -> Performance:
        known = self.is_labelled
        gold, predicted = self._codes("label")[known], self._codes("prediction")[known]
        counts = np.bincount(gold, minlength=len(self._labels))
        return Performance(
            n=len(gold),
            is_multilabel=self._is_multilabel,
            accuracy=share_of(int((gold == predicted).sum()), len(gold)),
            macro_f1=macro_f1(gold, predicted, len(self._labels)),
            micro_f1=None,
            roc_auc=self._area(gold),
            majority_share=float(counts.max() / len(gold)),
        )

    def _area(self, gold: Int64[np.ndarray, " example"]) -> float | None:
        """Binary: of the second label; else the mean over the labels that have both sides."""
        if self._kind == "binary":
            return roc_auc(gold == 1, self._table.scores(0)[self.is_labelled])
        indicators = gold[:, None] == np.arange(len(self._labels))
        return self._mean_area(indicators)

    def _mean_area(self, gold: Bool[np.ndarray, "example label"]) -> float | None:
        """One label's scores at a time: all of them together need not fit into memory."""
        areas = [
            roc_auc(gold[:, i], self._table.scores(i)[self.is_labelled])
            for i in range(len(self._labels))
        ]
        defined = [area for area in areas if area is not None]
        return float(np.mean(defined)) if defined else None

    def _multilabel(self) -> Performance:
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
            micro_f1=multilabel.micro_f1(gold, predicted),
            roc_auc=self._mean_area(gold),
            majority_share=float(counts.max() / len(gold)),
        )
