"""Mosaic: two texts of different labels in one, and where on them attention and measures lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float64

from attn_audit.checks.base import AuditedBatch, Columns, read_batch
from attn_audit.data.example import Example
from attn_audit.findings import mosaic as fields
from attn_audit.findings.example import Status
from attn_audit.findings.measure import measure
from attn_audit.findings.mosaic import ATTENTION, LENGTH, POSITIONS, Focus, focus_of
from attn_audit.models.contract import EncodedExample
from attn_audit.randomness import example_keys

N_PARTNERS = 8
"""Texts that one may be joined with: the first of another label is taken."""

SURE = 0.8
"""How probable the model must find the label of each text alone."""

SharesByField = dict[str, list[float]]
"""Of one text by field, of each join that has it."""


def partners_of(examples: Sequence[Example], seed: int) -> dict[str, tuple[Example, ...]]:
    """What each of some texts may be joined with, by its id, in an order of chance.

    A function of the set of texts and the seed: batches and shards have no part in it.
    """
    keys = example_keys(seed, [example.id for example in examples], Mosaic.id).tolist()
    keyed = zip(keys, (example.id for example in examples), examples, strict=True)
    order = [example for _, _, example in sorted(keyed, key=itemgetter(0, 1))]
    n_others = min(N_PARTNERS, len(order) - 1)
    return {
        example.id: tuple(order[(i + k) % len(order)] for k in range(1, n_others + 1))
        for i, example in enumerate(order)
    }


class _Partner(NamedTuple):
    """What a text is joined with."""

    example: Example
    label: str


@dataclass(frozen=True)
class Mosaic:
    """Share of what is above 0 on the text whose label is predicted, against its share of units.

    Source: after Arias-Duart et al. (2022), "Focus! Rating XAI Methods and Finding Biases", there
    of images; that both orders are joined is of this project.
    """

    id: ClassVar[str] = "mosaic"

    measures: tuple[str, ...]
    """Whose scores are looked at, beside attention."""
    label: str | None = None
    """That is explained, whatever is predicted of a joined text; None: what is predicted."""
    partners: Mapping[str, tuple[Example, ...]] = field(default_factory=dict)
    """By the id of each text that is looked at."""

    def passes(self, n_units: int) -> int:
        """Of a text of the sample: those it may be joined with, and two joins of twice its size."""
        n_measured = sum(measure(name).passes(2 * n_units) for name in self.measures)
        return N_PARTNERS + 2 * (1 + n_measured)

    def passes_of(self, item: EncodedExample) -> int:
        """Of one text, which need not be in the sample."""
        return self.passes(item.n_units) if item.example.id in self.partners else 0

    def run(self, audited: AuditedBatch) -> Columns:
        """Join each text of the sample with one of another label, and look where scores lie."""
        examples = [item.example for item in audited.batch.encoded]
        own = _sure_labels(audited)
        chosen = self._chosen(audited, examples, own)
        found: list[SharesByField] = [{} for _ in examples]
        rows = [i for i, partner in enumerate(chosen) if partner is not None]
        for is_second in (False, True) if rows else ():
            pairs = []
            for i in rows:
                partner = chosen[i]
                assert partner is not None
                both = (examples[i], own[i]), (partner.example, partner.label)
                pairs.append(both[::-1] if is_second else both)
            for i, numbers in zip(rows, self._looked_at(audited, pairs), strict=True):
                for name, value in numbers.items():
                    found[i].setdefault(name, []).append(value)
        columns: Columns = {
            name: [float(np.mean(of[name])) if name in of else None for of in found]
            for name in dict.fromkeys(name for of in found for name in of)
        }
        columns[fields.PARTNER.name] = [None if p is None else p.example.id for p in chosen]
        columns[fields.STATUS.name] = [
            self._status(example.id, own[i], chosen[i], found[i])
            for i, example in enumerate(examples)
        ]
        return columns

    def _chosen(
        self, audited: AuditedBatch, examples: Sequence[Example], own: Sequence[str | None]
    ) -> list[_Partner | None]:
        """With which each text is joined: the first that the model is sure to be of another label.

        The next ones are read only for texts that have none yet.
        """
        chosen: list[_Partner | None] = [None] * len(examples)
        labels: dict[str, str | None] = {}
        every = [self.partners.get(example.id, ()) for example in examples]
        for k in range(N_PARTNERS):
            asked = {
                i: others[k]
                for i, others in enumerate(every)
                if own[i] is not None and chosen[i] is None and k < len(others)
            }
            unread = {other.id: other for other in asked.values() if other.id not in labels}
            if unread:
                read = _sure_labels(_read(audited, list(unread.values())))
                labels |= dict(zip(unread, read, strict=True))
            for i, other in asked.items():
                label = labels[other.id]
                is_pair = label != own[i] and self.label in (None, label, own[i])
                if label is not None and is_pair:
                    chosen[i] = _Partner(other, label)
        return chosen

    def _looked_at(
        self, audited: AuditedBatch, pairs: Sequence[tuple[tuple[Example, str | None], ...]]
    ) -> list[dict[str, float]]:
        """Of each joined text the shares of the one whose label it is given, by field."""
        read = _read(audited, [_joined(first[0], second[0]) for first, second in pairs])
        predictions = audited.model.task.predictions(read.probabilities)
        scores = [(ATTENTION, read.explanation.cpu().numpy())]
        for name in self.measures:
            scores.append((focus_of(measure(name)), read.importances.scores(name).cpu().numpy()))
        return [
            _shares(item, pair, self.label or str(predictions[i]), [(of, s[i]) for of, s in scores])
            for i, (item, pair) in enumerate(zip(read.batch.encoded, pairs, strict=True))
        ]

    def _status(
        self, example_id: str, label: str | None, partner: _Partner | None, found: SharesByField
    ) -> str:
        if example_id not in self.partners:
            return Status.NOT_SAMPLED
        if label is None:
            return Status.NOT_SURE
        if partner is None:
            return Status.NO_OTHER_LABEL
        return Status.MEASURED if found else Status.LABEL_OF_NEITHER


def _read(audited: AuditedBatch, examples: Sequence[Example]) -> AuditedBatch:
    model = audited.model
    return read_batch(model, model.collate(model.encode(examples)), audited.site, audited.seed)


def _sure_labels(audited: AuditedBatch) -> list[str | None]:
    """What is predicted of each text, where it is probable enough."""
    probabilities = audited.probabilities.cpu().numpy()
    of_predicted = probabilities.max(axis=1)
    if probabilities.shape[1] == 1:  # of two labels, the second's
        of_predicted = np.maximum(of_predicted, 1 - of_predicted)
    predictions = audited.model.task.predictions(audited.probabilities)
    return [
        str(label) if p >= SURE else None
        for label, p in zip(predictions, of_predicted.tolist(), strict=True)
    ]


def _joined(first: Example, second: Example) -> Example:
    text = f"{first.text} {second.text}"
    return replace(
        first, id=f"{first.id}+{second.id}", text=text, labels=None, rationale=(), shown={}
    )


def _shares(
    item: EncodedExample,
    pair: tuple[tuple[Example, str | None], ...],
    target: str,
    scores: Sequence[tuple[Focus, Float64[np.ndarray, " unit"]]],
) -> dict[str, float]:
    """Nothing where the label is of neither, or the text was cut."""
    (first, first_label), (_, second_label) = pair
    if item.truncated or target not in (first_label, second_label):
        return {}
    is_of_first = np.array([unit.start < len(first.text) for unit in item.units])
    is_first = target == first_label
    segment = is_of_first if is_first else ~is_of_first
    if segment.all() or not segment.any():
        return {}
    position = POSITIONS[0 if is_first else 1]
    found = {LENGTH[position].name: float(segment.mean())}
    for of, values in scores:
        positive = np.clip(np.nan_to_num(values[: item.n_units]), 0, None)
        if positive.sum() > 0:
            found[of.fields[position].name] = float(positive[segment].sum() / positive.sum())
    return found
