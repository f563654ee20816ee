"""What `tests.rows` computes, worked out for one text with loops: no batches, no padding."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from tests.rows import RowsModel, Sight

Rows = dict[tuple[int, int], np.ndarray]
"""Raw weights on the words by head and query row."""


@dataclass(frozen=True)
class Text:
    """One text in one model."""

    model: RowsModel
    words: list[int]

    @property
    def n_rows(self) -> int:
        """Query rows of each head."""
        return len(self.words) if self.model.every_row else 1

    def admissible(self, row: int) -> list[int]:
        """The words that a query row may attend to."""
        places = range(len(self.words))
        if not self.model.every_row:
            return [u for u in places if self.model.sight is not Sight.NEAR or u < 3]
        if self.model.sight is Sight.BEFORE:
            return [u for u in places if u < row]
        return [u for u in places if self.model.sight is not Sight.NEAR or abs(u - row) < 2]

    def weights(self, layer: int) -> Rows:
        """The model's own attention."""
        found: Rows = {}
        table = array(self.model.network.table)[self.words]
        for head in range(self.model.layers[layer].n_heads):
            for row in range(self.n_rows):
                query = array(self.model.network.query)[layer, head]
                if self.model.every_row:
                    query = table[row] @ array(self.model.network.of_rows)[layer, head]
                score = np.full(len(self.words), -np.inf)
                seen = self.admissible(row)
                score[seen] = table[seen] @ query
                special = array(self.model.network.special_score)[layer, head]
                exponent = np.exp(np.append(score, special))
                found[head, row] = (exponent / exponent.sum())[:-1]
        return found

    def probability(self, layer: int, rows: Rows) -> float:
        """Of the second label, with some rows of a layer replaced; their mass stays."""
        total = np.zeros(array(self.model.network.value).shape[-1])
        for i in range(len(self.model.layers)):
            own = self.weights(i)
            used = own | rows if i == layer else own
            for (head, row), weights in used.items():
                network = self.model.network
                values = array(network.table)[self.words] @ array(network.value)[i, head]
                rest = 1 - own[head, row].sum()
                gathered = weights @ values + rest * array(network.special_value)[i, head]
                total += gathered / self.n_rows
        logits = np.tanh(total) @ array(self.model.network.output)
        return float(1 / (1 + np.exp(-logits[0])))


def array(parameter: Tensor) -> np.ndarray:
    """Its values."""
    values: np.ndarray = parameter.detach().numpy()
    return values


def permuted(weights: np.ndarray, order: np.ndarray, admissible: list[int]) -> np.ndarray:
    """The weights on what a row may attend to, in the order in which that comes in `order`."""
    changed = weights.copy()
    drawn = [int(unit) for unit in order if unit in admissible]
    for place, unit in zip(admissible, drawn, strict=True):
        changed[place] = weights[unit]
    return changed


def explanation(rows: Rows) -> np.ndarray:
    """What people would be shown."""
    total = np.sum(list(rows.values()), axis=0)
    shown: np.ndarray = total / total.sum()
    return shown
