"""Records of many examples, as the functions of metrics see them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64

from attn_audit.findings.example import LABEL, PREDICTION, Label
from attn_audit.findings.field import Field
from attn_audit.results.table import RecordTable

Values = Float64[np.ndarray, " example"]
"""NaN where an example does not have the number."""

Members = Bool[np.ndarray, " example"]


class Examples:
    """Columns of the records; `label` is gold, `prediction` the model's own."""

    def __init__(self, table: RecordTable, labels: Sequence[str], task: str) -> None:
        """Read what is needed of the records more than once.

        Args:
            table: The records.
            labels: Names of the task's labels.
            task: `binary`, `multiclass`, `multilabel` or `candidates`.
        """
        self.table = table
        self.labels = tuple(labels)
        self.is_multilabel, self.is_binary = task == "multilabel", task == "binary"
        self.is_labelled: Members = ~table.is_null(LABEL)

    def numbers(self, field: Field[float | None]) -> Values:
        """A number of each example."""
        return self.table.numbers(field)

    def is_known(self, field: Field[float | None]) -> Members:
        """Which examples have a number."""
        known: Members = ~np.isnan(self.table.numbers(field))
        return known

    def counts(self, field: Field[str | None]) -> dict[str, int]:
        """How often each text of a field occurs."""
        return self.table.counts(field)

    def where(self, is_counted: Members, values: np.ndarray) -> Values:
        """Values as numbers of the examples that count."""
        chosen: Values = np.where(is_counted, values.astype(np.float64), np.nan)
        return chosen

    def is_right(self, predicted: Field[Label | None]) -> Members:
        """Whether a field's prediction is the gold label (multilabel: exactly the gold set)."""
        return self._equal(predicted, LABEL)

    def is_predicted(self, predicted: Field[Label | None]) -> Members:
        """Whether a field's prediction is the model's own."""
        return self._equal(predicted, PREDICTION)

    def _equal(self, first: Field[Label | None], second: Field[Label | None]) -> Members:
        one, other = self._answers(first), self._answers(second)
        same: Members = (one == other).all(axis=1) if self.is_multilabel else one == other
        return same

    def _answers(self, field: Field[Label | None]) -> np.ndarray:
        if self.is_multilabel:
            return self.table.indicators(field, self.labels)
        return self.table.codes(field, self.labels)

    @property
    def gold(self) -> Bool[np.ndarray, "labelled label"]:
        """Which labels the labelled examples have."""
        return self._of_labelled(LABEL)

    @property
    def predicted(self) -> Bool[np.ndarray, "labelled label"]:
        """Which labels the model gives these."""
        return self._of_labelled(PREDICTION)

    def _of_labelled(self, field: Field[Label | None]) -> Bool[np.ndarray, "labelled label"]:
        answers: np.ndarray = self._answers(field)[self.is_labelled]
        if self.is_multilabel:
            return answers
        has_label: np.ndarray = answers[:, None] == np.arange(len(self.labels))
        return has_label

    def scores(self, label: int) -> Float64[np.ndarray, " labelled"]:
        """The probability that labelled examples have a label, by the model's output of it."""
        scores: Values = self.table.scores(label)[self.is_labelled]
        return scores
