"""Numbers that are stored, against those that are found now: what differs, and by how much."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from attn_audit.findings.adversarial import (
    MAX_JSD_FIELD,
    METHOD,
    RELATIVE_JSD_FIELD,
    UPPER_BOUND_FIELD,
)
from attn_audit.findings.example import ID, LAYER, LIKELIEST, PREDICTION, PROBABILITY
from attn_audit.findings.field import SAME, Field
from attn_audit.findings.registry import all_fields, record_fields, site_fields
from attn_audit.findings.tolerance import (
    GRADIENT,
    MARGIN,
    N_AT_HALF,
    OUTPUT,
    SEARCHED,
    SUMMARY,
    Text,
    Tolerance,
)
from attn_audit.randomness import n_permutations
from attn_audit.results.answers import Claim, Failure
from attn_audit.results.model_description import HeadMix, Leverage
from attn_audit.results.report import Report
from attn_audit.results.table import Row
from attn_audit.statistics.summary import Value

MAX_FAILURES = 10
"""Failures of a claim that are kept to be named; all are counted."""

EQUAL = "must be the same"


@dataclass
class Tally:
    """Values of one kind, as they are compared one after the other."""

    subject: str
    name: str
    tolerance: Tolerance | None = None
    """None: values are equal or not."""
    n: int = 0
    n_failed: int = 0
    largest: float | None = None
    failures: list[Failure] = dataclasses.field(default_factory=list)

    def compare(
        self, example: str | None, what: str, stored: object, found: object, deviation: float
    ) -> None:
        """Count a number; one that is NaN does not hold.

        Args:
            deviation: How far they are apart, in the unit of the tolerance; at least 0.
        """
        assert self.tolerance is not None, "equal or not: use `require`"
        self.largest = max(self.largest or 0.0, deviation if deviation == deviation else 0.0)
        self.require(example, what, stored, found, deviation <= self.tolerance.limit)

    def require(
        self, example: str | None, what: str, stored: object, found: object, holds: bool
    ) -> None:
        """Count a value that holds or does not."""
        self.n += 1
        if holds:
            return
        self.n_failed += 1
        if len(self.failures) < MAX_FAILURES:
            values = {"stored": written(stored), "found": written(found)}
            self.failures.append(Failure(example=example, what=what, **values))

    def claim(self) -> Claim:
        """What is known now."""
        return Claim(
            subject=self.subject,
            name=self.name,
            n=self.n,
            n_failed=self.n_failed,
            largest=self.largest,
            tolerance=None if self.tolerance is None else self.tolerance.limit,
            reason=EQUAL if self.tolerance is None else self.tolerance.reason,
            failures=tuple(self.failures),
        )


def claims_of(tallies: Iterable[Tally]) -> list[Claim]:
    """The claims of which any value was compared."""
    return [tally.claim() for tally in tallies if tally.n]


def written(value: object) -> str:
    """A value as a message says it, in at most 60 characters.

    Example:
        >>> written(0.1234567890123), written(None), written(("a", "b"))
        ('0.12345679', 'nothing', 'a, b')
    """
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"{value:.8g}"
    text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class Numbers:
    """Every number of some examples, stored and found."""

    def __init__(
        self, subject: str, dtype: str, permutations: int, *, searches_again: bool
    ) -> None:
        """None was compared yet.

        Args:
            searches_again: Whether the adversary was searched for again, or only its bounds are
                known.
        """
        self._dtype, self._permutations = dtype, permutations
        self._searches_again = searches_again
        self._same = Tally(subject, SAME)
        self._by_name: dict[str, Tally] = {}
        for field in all_fields():
            if field.claim is not None and field.tolerance is not None:
                tally = Tally(subject, field.claim, field.tolerance.at(dtype))
                self._by_name.setdefault(field.claim, tally)
        searched = SEARCHED.at(dtype)
        self._searched = Tally(subject, "divergence, searched again", searched)

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What was found so far."""
        return (self._same, *self._by_name.values(), self._searched)

    def compare(self, stored: Row, found: Row, where: str = "", n_units: int = 0) -> None:
        """Compare one example's numbers."""
        fields = site_fields() if LAYER.name in found else record_fields()
        for field in fields:
            if field.claim == SAME:
                self._require_same(stored, found, field, where)
            elif field.claim is not None and field not in _OF_SEARCH:
                self._compare_value(stored, found, field, where, n_units)
        if PREDICTION in fields:
            self._compare_predictions(stored, found)
        self._compare_adversary(stored, found, where)

    def _require_same(self, stored: Row, found: Row, field: Field[object], where: str) -> None:
        one, other = stored.get(field.name), found.get(field.name)
        self._same.require(stored[ID.name], f"{field.name}{where}", one, other, one == other)

    def _compare_predictions(self, stored: Row, found: Row) -> None:
        """The same, or tied as far as rounding goes."""
        one, other = stored.get(PREDICTION.name), found.get(PREDICTION.name)
        limit = 2 * OUTPUT.at(self._dtype).limit
        holds = one == other or _is_close_call(stored, limit)
        self._same.require(stored[ID.name], PREDICTION.name, one, other, holds)
        one, other = stored.get(LIKELIEST.name), found.get(LIKELIEST.name)
        if one is not None or other is not None:
            holds = one == other or _are_close_calls(stored, found, limit)
            self._same.require(stored[ID.name], LIKELIEST.name, one, other, holds)

    def _compare_value(
        self, stored: Row, found: Row, field: Field[object], where: str, n_units: int
    ) -> None:
        one, other = stored.get(field.name), found.get(field.name)
        if one is None or other is None:
            self._same.require(stored[ID.name], f"{field.name}{where}", one, other, one is other)
            return
        ours, theirs = _array(one), _array(other)
        if ours.shape != theirs.shape:
            sizes = f"{ours.size} values", f"{theirs.size} values"
            self._same.require(stored[ID.name], field.name, *sizes, False)
            return
        (n_orders,) = n_permutations(np.array([n_units]), self._permutations).tolist()
        text = Text(n_units, n_orders)
        assert field.claim is not None
        assert field.tolerance is not None
        deviations = np.abs(ours - theirs) / field.tolerance.scale(ours.tolist(), text)
        if deviations.size == 0:
            return
        worst = int(np.nan_to_num(deviations, nan=np.inf).argmax())
        name = f"{field.name}[{worst}]" if isinstance(one, list) else f"{field.name}{where}"
        values = float(ours[worst]), float(theirs[worst])
        self._by_name[field.claim].compare(stored[ID.name], name, *values, float(deviations[worst]))

    def _compare_adversary(self, stored: Row, found: Row, where: str) -> None:
        """The optimum where it is proven; else what any search must respect."""

        def compare(tally: Tally, field: Field[float | None], one: float, other: float) -> None:
            tally.compare(stored[ID.name], f"{field.name}{where}", one, other, abs(one - other))

        tally = self._by_name["relative divergence, bounds"]
        jsd, jsd_now = stored.get(MAX_JSD_FIELD.name), found.get(MAX_JSD_FIELD.name)
        if jsd is None or jsd_now is None:
            self._require_same(stored, found, MAX_JSD_FIELD, where)
            return
        is_exact = found.get(METHOD.name) == "exact"
        if is_exact or self._searches_again:
            compare(tally if is_exact else self._searched, MAX_JSD_FIELD, jsd, jsd_now)
        relative, relative_now = (row.get(RELATIVE_JSD_FIELD.name) for row in (stored, found))
        if relative_now and relative is not None:
            compare(tally, RELATIVE_JSD_FIELD, relative, jsd / (jsd_now / relative_now))
        bound, bound_now = stored.get(UPPER_BOUND_FIELD.name), found.get(UPPER_BOUND_FIELD.name)
        if bound is None or bound_now is None:
            self._require_same(stored, found, UPPER_BOUND_FIELD, where)
            return
        # A search that finds more lifts the bound to what it found.
        bound_now = bound_now if is_exact else max(bound_now, jsd)
        compare(tally, UPPER_BOUND_FIELD, bound, bound_now)


_OF_SEARCH = (MAX_JSD_FIELD, RELATIVE_JSD_FIELD, UPPER_BOUND_FIELD)
"""What is worth no more than the search that found it."""


def _array(value: object) -> np.ndarray:
    return np.atleast_1d(np.array(value, dtype=np.float64))


def _is_close_call(record: Row, limit: float) -> bool:
    """Whether rounding may turn the prediction."""
    probability, prediction = record[PROBABILITY.name], record[PREDICTION.name]
    probabilities = probability if isinstance(probability, list) else [probability]
    if isinstance(prediction, list) or len(probabilities) == 1:
        return any(abs(p - 0.5) <= limit for p in probabilities)
    first, second, *_ = sorted(probabilities, reverse=True)
    return bool(first - second <= limit)


def _are_close_calls(stored: Row, found: Row, limit: float) -> bool:
    """Whether rounding may have changed the order of the likeliest tokens, or which is the last."""
    one, other = stored[LIKELIEST.name] or (), found[LIKELIEST.name] or ()
    if len(one) != len(other):
        return False
    probability: list[float] = stored[PROBABILITY.name]
    last = len(one) - 1  # what is behind it, nobody knows, and both probabilities are compared
    return all(
        ours == theirs
        or any(
            abs(probability[i] - probability[k]) <= limit for k in (i - 1, i + 1) if 0 <= k <= last
        )
        or i == last
        for i, (ours, theirs) in enumerate(zip(one, other, strict=True))
    )


def compare_layers(stored: Leverage | None, found: Leverage | None, dtype: str) -> list[Tally]:
    """Every value of two tables; where there is only one table, that alone."""
    if stored is None and found is None:
        return []
    n_texts = 1 if found is None else found.n_texts
    reach = None if found is None else found.layers[0].reach
    n_of = {".matters.": n_texts, ".reach.": n_texts if reach is None else reach.n}
    at_half = f"{N_AT_HALF} of the texts, just at half of a margin"
    same = Tally("layers", EQUAL)
    margins = Tally("layers", "leverage by layer", MARGIN.at(dtype))
    shares = Tally("layers", "share of texts decided", Tolerance(N_AT_HALF / n_texts, at_half))
    for path, one, other in values_of("layers", _plain(stored), _plain(found)):
        if not (is_number(one) and is_number(other)) or path.endswith((".n", "layer", "n_texts")):
            same.require(None, path, one, other, one == other)
        elif n := next((n for part, n in n_of.items() if part in path), None):
            unit = 1 if path.endswith(".count") else n
            shares.compare(None, path, one, other, abs(one - other) * unit / n_texts)
        else:
            margins.compare(None, path, one, other, abs(one - other) / max(1.0, abs(one)))
    return [same, margins, shares]


def compare_mixes(stored: HeadMix | None, found: HeadMix | None, dtype: str) -> list[Tally]:
    """Every weight of two fits to the same texts, of the largest of them."""
    either = stored or found
    if either is None:
        return []
    same = Tally("head mix", EQUAL)
    weights = Tally("head mix", "weights", GRADIENT.at(dtype))
    largest = max((abs(weight) for layer in either.weights for weight in layer), default=0.0)
    for path, one, other in values_of("head_mix", _plain(stored), _plain(found)):
        if ".weights" in path and is_number(one) and is_number(other):
            weights.compare(None, path, one, other, abs(one - other) / (largest or 1.0))
        else:
            same.require(None, path, one, other, one == other)
    return [same, weights]


def _plain(value: Value | None) -> dict[str, Any] | None:
    return None if value is None else value.model_dump(mode="json")


BESIDE_RECORDS = ("title", "author", "labels", "run")
"""Of a report, what no record says: what the user calls it, other answers, and how long it took."""


def compare_summaries(stored: Report, found: Report) -> Tally:
    """Every value of two reports, one by one, but for what no record holds."""
    tally = Tally("summary", "every value", SUMMARY)
    ours, theirs = found.model_dump(mode="json"), stored.model_dump(mode="json")
    beside = {name: ours[name] for name in BESIDE_RECORDS}
    for path, one, other in values_of("", theirs | beside, ours):
        if is_number(one) and is_number(other):
            size = max(abs(one), abs(other), 1e-12)
            tally.compare(None, path, one, other, abs(one - other) / size)
        else:
            tally.require(None, path, one, other, one == other)
    return tally


def is_number(value: object) -> bool:
    """Whether a value has a size."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def values_of(path: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Values at the same place; where the places themselves differ, what stands there."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from values_of(f"{path}.{key}".lstrip("."), one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from values_of(f"{path}[{i}]", first, second)
    else:
        yield path, one, other
