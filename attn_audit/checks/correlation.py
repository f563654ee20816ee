"""Correlation: does attention rank the units as accepted importance measures do?"""

from dataclasses import dataclass
from math import factorial
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from attn_audit.checks.base import (
    AuditedBatch,
    Columns,
    joined_statuses,
    or_none,
    scores_of,
)
from attn_audit.checks.permutation import orders_within, permuted
from attn_audit.checks.ties import ranks_of
from attn_audit.findings.correlation_pairs import (
    LARGEST,
    PERMUTED_BASELINE,
    STATUS,
    TWINS,
    Pair,
    Twin,
    pairs,
)
from attn_audit.findings.example import Status
from attn_audit.findings.measure import GRADIENT, LEAVE_ONE_OUT, measure
from attn_audit.measures.gradient import gradients_under
from attn_audit.models.contract import NewWeights, RowWeights, Rule, Site, coarseness
from attn_audit.progress import portions
from attn_audit.randomness import ALL_PERMUTATIONS_UP_TO, example_keys, permutations
from attn_audit.statistics.kendall import dense_ranks, is_constant, kendall_tau_of_ranks

MIN_TESTABLE_UNITS = 5
"""With fewer units no order is rare enough for p <= 0.05 (2/4! = 0.083)."""

DRAW = factorial(ALL_PERMUTATIONS_UP_TO)
"""Which draw of a text's permutations: the first that is a random one of up to 4 units as well."""


@dataclass(frozen=True)
class Correlation:
    """Kendall's tau-b between attention and importance, for each example.

    Source: Jain & Wallace (2019), section 4.1.
    """

    id: ClassVar[str] = "correlation"

    measures: tuple[str, ...] = ("gradient", "leave_one_out")
    """Which importance measures to compute."""

    def passes(self, n_units: int) -> int:
        """Beside those of its measures: of shuffled attention a pass, and one backwards."""
        return 2 if GRADIENT.name in self.measures else 0

    def run(self, audited: AuditedBatch) -> Columns:
        """Tau and p-value of every pair of measures, and the measures themselves."""
        lengths = audited.lengths
        passes = [measure(name).passes(int(lengths.mean())) for name in self.measures]
        values = {name: audited.importances[name] for name in portions(self.measures, passes)}
        has_scores = {
            name: ~importance.isnan().any(dim=1).cpu().numpy()
            for name, importance in values.items()
        }
        ranks = {
            name: ranks_of(
                name, importance.nan_to_num().cpu().numpy(), lengths, audited.model.dtype
            )
            for name, importance in {"attention": audited.explanation, **values}.items()
        }
        columns: Columns = {name: scores_of(audited, name) for name in values}
        for pair in pairs():
            if pair.first in ranks and pair.second in ranks:
                result = kendall_tau_of_ranks(ranks[pair.first], ranks[pair.second], lengths)
                defined = ~np.isnan(result.tau)
                for name in pair.measures:
                    defined &= has_scores[name]
                if pair.first == "attention":  # the yardstick needs none
                    defined &= audited.has_mass
                columns[pair.tau.name] = or_none(result.tau, defined)
                testable = defined & (lengths >= MIN_TESTABLE_UNITS)
                columns[pair.p_value.name] = or_none(result.p_value, testable)
        columns |= self._twins(audited, ranks)
        if GRADIENT.name in self.measures:
            columns |= _baseline(audited)
        constant = {name: is_constant(rank, lengths) for name, rank in ranks.items()}
        columns[STATUS.name] = _statuses(audited, constant, has_scores)
        return columns

    def _twins(
        self, audited: AuditedBatch, ranks: dict[str, Int[np.ndarray, "batch unit"]]
    ) -> Columns:
        """Tau of every pair that a factor on all logits leaves as it is, and what ties allow."""
        lengths, of = audited.lengths, audited.importances
        ranks = dict(ranks)
        if GRADIENT.name in self.measures:
            noise = GRADIENT.noise * coarseness(audited.model.dtype)
            signed = of.gradients[..., 1].cpu().numpy()
            floor = noise * np.abs(signed).max(axis=1)
            ranks["gradient_signed"] = dense_ranks(signed, lengths, floor)
        if LEAVE_ONE_OUT.name in self.measures:
            floor = np.nan_to_num(of.left_out.noise.cpu().numpy())
            for name, effect in (
                ("margin", of.left_out.moved),
                ("margin_signed", of.left_out.lost),
            ):
                ranks[name] = dense_ranks(np.nan_to_num(effect.cpu().numpy()), lengths, floor)
        ascending = {name: _sorted(rank) for name, rank in ranks.items()}
        columns: Columns = {}
        compared: list[Twin | Pair] = [*TWINS, *pairs()]
        for pair in compared:
            if not {pair.first, pair.second} <= ranks.keys():
                continue
            kept = audited.has_mass if pair.first == "attention" else np.ones(len(lengths), bool)
            for field, sides in (
                (pair.tau if isinstance(pair, Twin) else None, ranks),
                (LARGEST.get(pair), ascending),
            ):
                if field is not None:
                    tau = kendall_tau_of_ranks(sides[pair.first], sides[pair.second], lengths).tau
                    columns[field.name] = or_none(tau, ~np.isnan(tau) & kept)
        return columns


def _baseline(audited: AuditedBatch) -> Columns:
    lengths, dtype = audited.lengths, audited.model.dtype
    attention, gradient = (values.cpu().numpy() for values in permuted_baseline(audited))
    ranks = (
        ranks_of(name, values, lengths, dtype)
        for name, values in (("attention", attention), (GRADIENT.name, gradient))
    )
    first, second = ranks
    tau = kendall_tau_of_ranks(first, second, lengths).tau
    return {PERMUTED_BASELINE.name: or_none(tau, ~np.isnan(tau) & audited.has_mass)}


def _sorted(ranks: Int[np.ndarray, "batch unit"]) -> Int[np.ndarray, "batch unit"]:
    """Each row in ascending order, its padding of -1 last as it was."""
    last = ranks.max(initial=0) + 1
    ascending = np.sort(np.where(ranks < 0, last, ranks), axis=1)
    return np.where(ascending == last, -1, ascending)


MasksByMeasure = dict[str, Bool[np.ndarray, " batch"]]
"""Of each measure, and of attention, something that is so of an example or not."""


def _statuses(
    audited: AuditedBatch, constant: MasksByMeasure, has_scores: MasksByMeasure
) -> list[str]:
    is_known = {"attention": audited.has_mass, **has_scores}
    several = audited.lengths > 1
    reasons: list[tuple[np.ndarray, str]] = [
        (~several, Status.SINGLE_UNIT),
        (several & ~audited.has_mass, Status.NO_AUDITED_MASS),
        (several & (audited.lengths < MIN_TESTABLE_UNITS), Status.FEW_UNITS),
    ]
    for name, is_flat in constant.items():
        status = Status.CONSTANT_ATTENTION if name == "attention" else measure(name).status
        reasons.append((several & is_flat & is_known[name], status))
    undefined = ((~known, measure(name).status_undefined) for name, known in has_scores.items())
    return joined_statuses(*reasons, *undefined)


def permuted_baseline(
    audited: AuditedBatch,
) -> tuple[Float64[Tensor, "batch unit"], Float64[Tensor, "batch unit"]]:
    """How alike attention and the gradient are where attention is shuffled.

    A gradient with attention held constant is scaled by the weights themselves, so that it follows
    them wherever they are put. What shuffled attention reaches is no merit of a model.

    Returns:
        One permutation of each text's attention, and the gradient with attention held at it.
    """
    keys = example_keys(audited.seed, audited.ids, "permuted baseline")
    n_units = audited.attention.shape[-1]
    drawn = permutations(keys, audited.lengths, range(DRAW, DRAW + 1), n_units)
    order = torch.from_numpy(drawn).to(audited.attention.device)

    def rules_of(portion: slice) -> dict[Site, Rule]:
        def rule(own: RowWeights) -> NewWeights:
            of_portion = order[portion, :, : own.attention.shape[-1]]
            is_row = own.row_mask.unsqueeze(2)
            orders = orders_within(of_portion, own.admissible & is_row).squeeze(1)
            return NewWeights(own.attention.gather(-1, orders))

        return {audited.site: rule}

    shown = audited.explain(permuted(audited, audited.attention, order)).squeeze(1)
    return shown, gradients_under(audited.model, audited.batch, rules_of)
