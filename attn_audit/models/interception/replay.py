"""The logits under other attention: the cheapest way that a trial proves equal to full passes.

A way that is wrong for a model shows in a trial on random weights: it is not taken.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import TypeCheckError
from torch.utils.checkpoint import checkpoint

from attn_audit.models.interception.attention_point import (
    Reached,
    VariantLogits,
    Way,
    Weights,
)
from attn_audit.models.interception.module_calls import UnexpectedCallError, UnknownLayoutError
from attn_audit.models.interception.ways import full, narrow, resume, row
from attn_audit.progress import in_portions


def divided(way: Way, size: int) -> Way:
    """The same replay, a few variants at a time; differentiable in the memory of one portion."""

    def replay(weights: Weights) -> VariantLogits:
        if weights.shape[1] <= size:
            return way(weights)
        run = way
        if torch.is_grad_enabled() and weights.requires_grad:
            # Each portion's graph is built again when it is needed, and only then.
            run = partial(checkpoint, way, use_reentrant=False)
        portions = in_portions(weights.shape[1], size)
        return torch.cat([run(weights[:, portion]) for portion in portions], dim=1)

    return replay


N_VARIANTS = 2
"""With one alone, mistakes in the batching over variants would go unseen."""

MAX_ERROR = 1e-3
"""Of the largest effect in the trial; a wrong way is off by about the effect itself."""

ROUNDING = 30
"""Spacings of the dtype, at the size of the logits, that are rounding."""

MAX_ROUNDING_ERROR = 0.2
"""Of the largest effect: where rounding is coarser than this, a trial would prove nothing."""

NamedWays = tuple[tuple[str, Callable[[Reached], Way]], ...]
"""Ways of replay by name, the cheapest first."""


@dataclass(frozen=True)
class WayChoice:
    """A way of replay, and what its trial found."""

    name: str
    prepare: Callable[[Reached], Way]
    error: float
    """Largest difference of a logit from a full pass, over the largest effect of the trial."""
    one_by_one: bool = False
    """Whether variants may not share a pass."""

    def way(self, reached: Reached, n_tokens: int, one_by_one: bool = False) -> Way:
        """Ready for the variants of one batch."""
        prepared = _or_full(self.prepare(reached), reached)
        if self.one_by_one or one_by_one:
            return divided(prepared, 1)
        n_rows, n_positions = reached.inputs.units.shape
        of_variant = {"row": n_rows, "cache": n_rows, "product": 1}
        positions = of_variant.get(self.name, n_rows * n_positions)
        return divided(prepared, max(1, n_tokens // positions))


def _or_full(way: Way, reached: Reached) -> Way:
    """The way, or the whole model for a batch that calls its modules as none did before."""

    def replay(weights: Weights) -> VariantLogits:
        try:
            return way(weights)
        except (UnknownLayoutError, UnexpectedCallError):
            return full(reached)(weights)

    return replay


CHEAPEST_FIRST: NamedWays = (
    ("row", row),
    ("narrow", narrow),
    ("resume", resume),
)


def choose_way(
    reached: Reached,
    own: VariantLogits,
    candidates: NamedWays = CHEAPEST_FIRST,
) -> WayChoice:
    """Try every way on random weights, and take the first that agrees with full passes.

    Returns:
        Full passes too where these rows hardly reach the logits, and a trial proves nothing.
    """
    probe = _random_weights(reached)
    with torch.no_grad():
        truth = divided(full(reached), 1)(probe)
    effect = float((truth - own).abs().max())
    noise = torch.finfo(reached.weights.dtype).eps * float(truth.abs().max()) * ROUNDING
    if effect <= noise / ROUNDING:
        is_shared = _error(full, reached, probe, truth) <= noise
        return WayChoice("full", full, 0.0, one_by_one=not is_shared)
    tolerance = max(MAX_ERROR * effect, min(noise, MAX_ROUNDING_ERROR * effect))
    for name, prepare in (*candidates, ("full", full)):
        error = _error(prepare, reached, probe, truth)
        if error <= tolerance:
            return WayChoice(name, prepare, 0.0 if name == "full" else error / effect)
    return WayChoice("full", full, 0.0, one_by_one=True)


@torch.no_grad()
def _error(
    prepare: Callable[[Reached], Way], reached: Reached, probe: Weights, truth: VariantLogits
) -> float:
    """Largest difference from full passes; infinite where the way cannot be gone."""
    try:
        logits = prepare(reached)(probe)
        return float((logits - truth).abs().max()) if logits.shape == truth.shape else torch.inf
    except (TypeCheckError, MemoryError, torch.OutOfMemoryError):
        raise  # no fault of the model's: a wrong shape, which tests check, or too large a batch
    except Exception:
        # A model may fail in any way when calls are skipped: then this is not its way.
        return torch.inf


def _random_weights(reached: Reached) -> Weights:
    admissible = reached.admissible
    generator = torch.Generator().manual_seed(0)
    shape = (len(admissible), N_VARIANTS, *admissible.shape[1:])
    draws = torch.rand(shape, generator=generator).to(admissible.device) * admissible.unsqueeze(1)
    weights = draws / draws.sum(-1, keepdim=True).clamp_min(torch.finfo(draws.dtype).tiny)
    return weights.to(reached.weights.dtype)
