"""Correlation: does attention rank the units as accepted importance measures do?"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int

from attn_audit.checks.base import AuditedBatch, Columns, join_statuses, or_none, rows_of
from attn_audit.findings.correlation.pairs import STATUS, pairs
from attn_audit.findings.example import Status
from attn_audit.findings.measure import measure
from attn_audit.models.contract import coarseness
from attn_audit.progress import portions
from attn_audit.statistics.kendall import dense_ranks, is_constant, kendall_tau_of_ranks

ATTENTION_NOISE = 1e-5
"""Attention weights that differ by less than this part of themselves are ties.

A softmax weight of 1e-9 is as exact, for its size, as one of 0.9: what rounds are the scores. On a
BiLSTM trained on SST, float32 weights are within 4e-6 of themselves of float64's.
"""

HALF_PRECISION_NOISE = 10.0
"""The same of coarser numbers, in spacings of theirs: half precision is added up in float32, so
that its weights are off by few roundings. MiniLM's on SST, in bfloat16, are within 2.3 of them of
float64's."""

SMALLEST_WEIGHT = 1e-38
"""Weights below are float32's underflow: ties."""

MIN_TESTABLE_UNITS = 5
"""With fewer units no order is rare enough for p <= 0.05 (2/4! = 0.083)."""


@dataclass(frozen=True)
class Correlation:
    """Kendall's tau-b between attention and importance, for each example.

    Source: Jain & Wallace (2019), section 4.1.
    """

    id: ClassVar[str] = "correlation"

    measures: tuple[str, ...] = ("gradient", "leave_one_out")
    """Which importance measures to compute."""

    def passes(self, n_units: int) -> int:
        """Of every measure."""
        return sum(measure(name).passes(n_units) for name in self.measures)

    def run(self, audited: AuditedBatch) -> Columns:
        """Tau and p-value of every pair of measures, and the measures themselves."""
        lengths = audited.lengths
        passes = [measure(name).passes(int(lengths.mean())) for name in self.measures]
        values = {name: audited.importances[name] for name in portions(self.measures, passes)}
        ranks = {
            name: ranks_of(name, importance.cpu().numpy(), lengths, audited.model.dtype)
            for name, importance in {"attention": audited.explanation, **values}.items()
        }
        columns: dict[str, Any] = {
            name: rows_of(importance, lengths) for name, importance in values.items()
        }
        for pair in pairs():
            if pair.first in ranks and pair.second in ranks:
                result = kendall_tau_of_ranks(ranks[pair.first], ranks[pair.second], lengths)
                defined = ~np.isnan(result.tau)
                if pair.first == "attention":  # the yardstick needs none
                    defined &= audited.has_mass
                columns[pair.tau.name] = or_none(result.tau, defined)
                testable = defined & (lengths >= MIN_TESTABLE_UNITS)
                columns[pair.p_value.name] = or_none(result.p_value, testable)
        constant = {name: is_constant(rank, lengths) for name, rank in ranks.items()}
        columns[STATUS.name] = _statuses(audited, constant)
        return columns


def ranks_of(
    name: str,
    table: Float64[np.ndarray, "batch unit"],
    lengths: Int[np.ndarray, " batch"],
    dtype: torch.dtype,
) -> Int[np.ndarray, "batch unit"]:
    """Dense ranks, with values closer than the measure's noise floor tied.

    Args:
        name: `attention`, or a measure's.
        table: Values, at least 0; padding is 0.
        dtype: That the model computes in.
    """
    coarser, eps = coarseness(dtype), torch.finfo(dtype).eps
    if name == "attention":
        underflow = torch.finfo(dtype).tiny / torch.finfo(torch.float32).tiny
        table = np.log(np.maximum(table, SMALLEST_WEIGHT * underflow))
        noise = HALF_PRECISION_NOISE * eps if coarser > 1 else ATTENTION_NOISE * coarser
        return dense_ranks(table, lengths, np.full(len(table), noise))
    of = measure(name)
    largest = table.max(axis=1) if of.is_noise_of_largest else np.ones(len(table))
    return dense_ranks(table, lengths, of.noise * coarser * largest)


def _statuses(audited: AuditedBatch, constant: dict[str, Bool[np.ndarray, " batch"]]) -> list[str]:
    return [
        join_statuses(_reasons(int(n), bool(audited.has_mass[i]), i, constant))
        for i, n in enumerate(audited.lengths)
    ]


def _reasons(
    n_units: int, has_mass: bool, i: int, constant: dict[str, Bool[np.ndarray, " batch"]]
) -> list[str]:
    if n_units == 1:
        return [Status.SINGLE_UNIT]
    reasons: list[str] = [] if has_mass else [Status.NO_AUDITED_MASS]
    if n_units < MIN_TESTABLE_UNITS:
        reasons.append(Status.FEW_UNITS)
    reasons += [
        Status.CONSTANT_ATTENTION if name == "attention" else measure(name).status
        for name, is_flat in constant.items()
        if bool(is_flat[i]) and (has_mass or name != "attention")
    ]
    return reasons
