"""The numbers of examples, against those that the audit's own engine finds now."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attn_audit.randomness import n_permutations
from attn_audit.results.record import Record
from attn_audit.results.site_record import SiteRecord
from attn_audit.verification import tolerances
from attn_audit.verification.tally import Tally
from attn_audit.verification.tolerances import Tolerance, gradient_scale, share_scale, weight_scale

TAUS = (
    "tau_attention_gradient",
    "tau_attention_leave_one_out",
    "tau_gradient_leave_one_out",
)
_EXACT = ("max_jsd", "max_jsd_upper_bound")
_SAME = (
    "label",
    "n_units",
    "truncated",
    "readout_unit",
    "units",
    "adversarial_method",
    "status_correlation",
    "status_permutation",
    "status_adversarial",
    "uniform_prediction",
)
_TOLERANCES: dict[str, tuple[str, Tolerance]] = {
    "probability": ("probability", tolerances.OUTPUT),
    "attention": ("attention", tolerances.WEIGHT),
    "audited_mass": ("audited mass, largest weight", tolerances.MASS),
    "max_attention": ("audited mass, largest weight", tolerances.MASS),
    "gradient": ("gradient", tolerances.GRADIENT),
    "leave_one_out": ("leave-one-out", tolerances.OUTPUT),
    **dict.fromkeys(TAUS, ("taus", tolerances.TAU)),
    "median_permutation_distance": ("permutations: output distance", tolerances.OUTPUT),
    "median_permutation_jsd": ("permutations: divergence", tolerances.DIVERGENCE),
    "share_permutations_within_epsilon": ("permutations within epsilon", tolerances.SHARE),
    "uniform_distance": ("uniform: output distance", tolerances.OUTPUT),
    "relative_jsd": ("relative divergence, bounds", tolerances.BOUND),
    **dict.fromkeys(_EXACT, ("relative divergence, bounds", tolerances.BOUND)),
}
"""What a number is counted under, and how far it may be off."""

Found = Record | SiteRecord


@dataclass(frozen=True)
class Expected:
    """How the numbers that are compared came about."""

    dtype: str
    permutations: int
    searches_again: bool
    """Whether the adversary was searched for again, or only its bounds are known."""


class Numbers:
    """Every number of some examples, stored and found."""

    def __init__(self, subject: str, expected: Expected) -> None:
        """Nothing is compared yet.

        Args:
            subject: `sample`, or `sites`.
            expected: How they came about.
        """
        self._expected = expected
        self._same = Tally(subject, "predictions, units, statuses")
        self._by_name: dict[str, Tally] = {}
        for name, tolerance in _TOLERANCES.values():
            at = tolerance.at(expected.dtype)
            self._by_name.setdefault(name, Tally(subject, name, at.limit, at.reason))
        searched = tolerances.SEARCHED.at(expected.dtype)
        self._searched = Tally(
            subject, "divergence, searched again", searched.limit, searched.reason
        )

    @property
    def tallies(self) -> tuple[Tally, ...]:
        """What was found so far."""
        return (self._same, *self._by_name.values(), self._searched)

    def compare(self, stored: Found, found: Found, where: str = "", n_units: int = 0) -> None:
        """Compare one example's numbers.

        Args:
            stored: As the records have it.
            found: As the engine finds it now.
            where: Layer and head, where there are several.
            n_units: Of the text.
        """
        names = stored.__slots__
        for name in _SAME:
            if name in names:
                one, other = getattr(stored, name), getattr(found, name)
                self._same.require(stored.id, f"{name}{where}", one, other, one == other)
        if isinstance(stored, Record) and isinstance(found, Record):
            self._compare_predictions(stored, found)
        for name, (claim, _) in _TOLERANCES.items():
            if name in names and name not in ("relative_jsd", *_EXACT):
                self._compare_value(self._by_name[claim], stored, found, name, where, n_units)
        self._compare_adversary(stored, found, where, n_units)

    def _compare_predictions(self, stored: Record, found: Record) -> None:
        """The same, or tied as far as rounding goes."""
        one, other = stored.prediction, found.prediction
        limit = 2 * tolerances.OUTPUT.at(self._expected.dtype).limit
        holds = one == other or _is_close_call(stored, limit)
        self._same.require(stored.id, "prediction", one, other, holds)

    def _compare_value(
        self, tally: Tally, stored: Found, found: Found, name: str, where: str, n_units: int
    ) -> None:
        one, other = getattr(stored, name), getattr(found, name)
        if one is None or other is None:
            self._same.require(stored.id, f"{name}{where}", one, other, one is other)
        elif isinstance(one, tuple) or isinstance(other, tuple):
            self._compare_list(tally, stored.id, name, one, other)
        else:
            scale = self._scale(name, n_units)
            tally.compare(stored.id, f"{name}{where}", one, other, abs(one - other) / scale)

    def _scale(self, name: str, n_units: int) -> float:
        if name in TAUS:
            return tolerances.tau_scale(n_units)
        if name == "share_permutations_within_epsilon":
            count = n_permutations(np.array([n_units]), self._expected.permutations)
            return share_scale(int(count[0]))
        return 1.0

    def _compare_list(
        self, tally: Tally, example: str, name: str, stored: object, found: object
    ) -> None:
        one, other = _array(stored), _array(found)
        if one.shape != other.shape:
            self._same.require(example, name, f"{one.size} values", f"{other.size} values", False)
            return
        scale = {"attention": weight_scale, "gradient": gradient_scale}.get(name, np.ones_like)
        deviations = np.abs(one - other) / scale(one)
        if deviations.size == 0:
            return
        worst = int(np.nan_to_num(deviations, nan=np.inf).argmax())
        values = float(one[worst]), float(other[worst])
        tally.compare(example, f"{name}[{worst}]", *values, float(deviations[worst]))

    def _compare_adversary(self, stored: Found, found: Found, where: str, n_units: int) -> None:
        """The optimum where it is proven; else what any search must respect."""
        tally = self._by_name["relative divergence, bounds"]
        if stored.max_jsd is None or found.max_jsd is None:
            one, other = stored.max_jsd, found.max_jsd
            self._same.require(stored.id, f"max_jsd{where}", one, other, one is other)
            return
        is_exact = found.adversarial_method == "exact"
        if is_exact or self._expected.searches_again:
            again = tally if is_exact else self._searched
            deviation = abs(stored.max_jsd - found.max_jsd)
            again.compare(stored.id, f"max_jsd{where}", stored.max_jsd, found.max_jsd, deviation)
        if found.relative_jsd and stored.relative_jsd is not None:
            attainable = found.max_jsd / found.relative_jsd
            relative = stored.max_jsd / attainable
            deviation = abs(stored.relative_jsd - relative)
            what = f"relative_jsd{where}"
            tally.compare(stored.id, what, stored.relative_jsd, relative, deviation)
        one, other = stored.max_jsd_upper_bound, found.max_jsd_upper_bound
        if one is not None and other is not None:
            # A search that finds more lifts the bound to what it found.
            other = max(other, stored.max_jsd) if not is_exact else other
            tally.compare(stored.id, f"max_jsd_upper_bound{where}", one, other, abs(one - other))
        else:
            what = f"max_jsd_upper_bound{where}"
            self._same.require(stored.id, what, one, other, one is other)


def _array(value: object) -> np.ndarray:
    return np.atleast_1d(np.array(value, dtype=np.float64))


def _is_close_call(record: Record, limit: float) -> bool:
    """Whether rounding may turn the prediction."""
    assert record.probability is not None, "failed examples are not compared"
    probabilities: Sequence[float] = (
        record.probability if isinstance(record.probability, tuple) else (record.probability,)
    )
    if isinstance(record.prediction, tuple) or len(probabilities) == 1:
        return any(abs(p - 0.5) <= limit for p in probabilities)
    first, second, *_ = sorted(probabilities, reverse=True)
    return first - second <= limit
