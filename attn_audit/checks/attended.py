"""Attended units: do those with most attention speak for the decision, and no others decide it?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int

from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    joined_statuses,
    or_none,
    rows_of,
    where_kept,
)
from attn_audit.checks.ties import ranks_of
from attn_audit.findings import attended as fields
from attn_audit.findings.example import Status
from attn_audit.findings.measure import LEAVE_ONE_OUT
from attn_audit.findings.thresholds import DECIDING_PART
from attn_audit.models.contract import EncodedExample

UNATTENDED = 0.10
"""Attention that all unattended units of a text have together, at most."""

ROUNDING = 1e-9
"""By which sums of float64 weights may miss that."""

OPERATORS = ("delete", "neutral")
"""Both ways of leaving out: what turns one way alone may be the way's doing."""


@dataclass(frozen=True)
class AttendedUnits:
    """What the units that attention points at do to the decision, and those it passes over.

    Effects are shares of the margin that leaving out takes away. Where several units share the
    largest attention, what is said of the most attended one is their mean.
    """

    id: ClassVar[str] = "attended"
    measures: ClassVar[tuple[str, ...]] = (LEAVE_ONE_OUT.name,)
    """Importance measures that it reads."""

    def passes(self, n_units: int) -> int:
        """Two ways without the unattended units; of few texts more, for words that stand twice."""
        return len(OPERATORS)

    def run(self, audited: AuditedBatch) -> Columns:
        """Effects of the most attended unit, and decisions without the unattended ones."""
        lengths, left_out = audited.lengths, audited.importances.left_out
        attention = audited.explanation.cpu().numpy()
        ranks = ranks_of("attention", attention, lengths, audited.model.dtype)
        has_margin = audited.has_margin
        measured = has_margin & audited.has_mass & (lengths > 1)
        lost, size = (
            np.where(has_margin[:, None], effect.cpu().numpy(), 0)
            for effect in (left_out.lost, left_out.moved)
        )
        largest = size.max(axis=1)
        noise = np.nan_to_num(left_out.noise.cpu().numpy())
        top = ranks == ranks.max(axis=1, keepdims=True)
        acts = measured & (largest > noise)
        effect = _mean_over(top, size) / np.where(acts, largest, 1)
        against = left_out.against.cpu().numpy()
        is_told = acts & (effect >= DECIDING_PART)
        unattended = unattended_units(attention, ranks, lengths)
        turned = self._turned_without(audited, unattended)
        return {
            fields.LOST.name: where_kept(rows_of(left_out.lost, lengths), has_margin),
            fields.TOP_LOST.name: or_none(_mean_over(top, lost), measured),
            fields.TOP_EFFECT.name: or_none(effect, acts),
            fields.TOP_IS_LARGEST.name: or_none(
                _mean_over(top, size >= (largest - noise)[:, None]), acts
            ),
            fields.TOP_IS_AGAINST.name: or_none(_mean_over(top, against), is_told),
            fields.AGAINST_ATTENTION.name: or_none((attention * against).sum(axis=1), measured),
            fields.N_UNATTENDED.name: where_kept(unattended.sum(axis=1).tolist(), measured),
            fields.TURNED_WITHOUT.name: or_none(turned, measured & ~np.isnan(turned)),
            fields.DECIDER.name: _deciders(audited, unattended, lost, measured & (turned > 0)),
            fields.STATUS.name: _statuses(audited),
        }

    def _turned_without(
        self, audited: AuditedBatch, unattended: Bool[np.ndarray, "batch unit"]
    ) -> Float64[np.ndarray, " batch"]:
        """Whether the decision is gone both ways, or for which share of the audited labels.

        Without the words that a carrier stands for, an output may be exactly undecided.
        """
        model, batch, margin = audited.model, audited.batch, audited.margin
        gone = torch.from_numpy(unattended).to(batch.unit_mask.device)
        keep = (batch.unit_mask & ~gone).unsqueeze(1)
        turned = torch.ones_like(margin.whole).unsqueeze(1)
        for operator in OPERATORS:
            if model.removals[operator].why_not is not None:  # one way alone misleads
                return np.full(len(unattended), np.nan)
            turned = turned * margin.undecided_labels(model.erase(batch, keep, operator))
        share: Float64[np.ndarray, " batch"] = (
            (turned.squeeze(1) * margin.share).sum(dim=1).cpu().numpy()
        )
        return np.where(unattended.any(axis=1), share, 0.0)


def _deciders(
    audited: AuditedBatch,
    unattended: Bool[np.ndarray, "batch unit"],
    lost: Float64[np.ndarray, "batch unit"],
    has_turned: Bool[np.ndarray, " batch"],
) -> list[str | None]:
    """Of each text that turned the unattended unit without which the decision loses most.

    Where a label is explained that is not predicted, that is what raises it. A word that stands
    there twice is left out everywhere at once: either alone may suffice.
    """
    repeated = [
        _standing_twice(item, units) if turned else []
        for item, units, turned in zip(audited.batch.encoded, unattended, has_turned, strict=True)
    ]
    n_variants = max(map(len, repeated))
    if n_variants:
        places = [(i, k, units) for i, of in enumerate(repeated) for k, units in enumerate(of)]
        keep = audited.batch.unit_mask.unsqueeze(1).repeat(1, n_variants, 1)
        for i, k, units in places:
            keep[i, k, units] = False
        together = audited.margin.lost(audited.model.erase(audited.batch, keep)).cpu().numpy()
        lost = lost.copy()
        for i, k, units in places:
            lost[i, units] = together[i, k]
    sign = np.sign(audited.margin.mean.cpu().numpy())[:, None]
    deciders = np.where(unattended, lost * sign, -np.inf).argmax(axis=1).tolist()
    every = zip(audited.batch.encoded, deciders, strict=True)
    return where_kept((item.units[unit].text for item, unit in every), has_turned)


def _standing_twice(item: EncodedExample, chosen: Bool[np.ndarray, " unit"]) -> list[list[int]]:
    """Places of each word that several of the chosen units are."""
    named: dict[str, list[int]] = {}
    for unit in np.flatnonzero(chosen).tolist():
        named.setdefault(item.units[unit].text.casefold(), []).append(unit)
    return [units for units in named.values() if len(units) > 1]


def unattended_units(
    attention: Float64[np.ndarray, "batch unit"],
    ranks: Int[np.ndarray, "batch unit"],
    lengths: Int[np.ndarray, " batch"],
) -> Bool[np.ndarray, "batch unit"]:
    """The least attended units, as many as have little attention together; ties go together."""
    is_unit = np.arange(attention.shape[1]) < lengths[:, None]
    order = np.argsort(np.where(is_unit, ranks, ranks.max(initial=0) + 1), axis=1, kind="stable")
    ascending = np.take_along_axis(np.where(is_unit, attention, 0), order, axis=1)
    sorted_ranks = np.take_along_axis(ranks, order, axis=1)
    together = np.cumsum(ascending, axis=1)
    # What all units up to the last of the same rank have together.
    is_last = np.ones_like(is_unit)
    is_last[:, :-1] = sorted_ranks[:, 1:] != sorted_ranks[:, :-1]
    whole = np.where(is_last, together, np.inf)
    whole = np.minimum.accumulate(whole[:, ::-1], axis=1)[:, ::-1]
    chosen = np.zeros_like(is_unit)
    np.put_along_axis(chosen, order, whole <= UNATTENDED + ROUNDING, axis=1)
    return chosen & is_unit


def _mean_over(
    chosen: Bool[np.ndarray, "batch unit"], values: np.ndarray
) -> Float64[np.ndarray, " batch"]:
    """The mean of the values of chosen units; there is at least one in each row."""
    mean: np.ndarray = (values * chosen).sum(axis=1) / chosen.sum(axis=1)
    return mean


def _statuses(audited: AuditedBatch) -> list[str]:
    is_clipped = audited.margin.is_clipped.cpu().numpy()
    return joined_statuses(
        (audited.lengths == 1, Status.SINGLE_UNIT),
        (~audited.has_mass, Status.NO_AUDITED_MASS),
        (~audited.has_margin & ~is_clipped, Status.NO_MARGIN),
        (is_clipped, Status.CLIPPED),
    )
