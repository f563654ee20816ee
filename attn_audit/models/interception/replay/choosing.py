"""The cheapest way that a trial proves equal to full passes: no list of models is needed."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, TypeCheckError
from torch import Tensor

from attn_audit.models.interception.layout import UnknownLayoutError
from attn_audit.models.interception.point import Reached
from attn_audit.models.interception.replay.chunking import in_portions
from attn_audit.models.interception.replay.full import full
from attn_audit.models.interception.replay.imposing import VariantLogits, Way, Weights
from attn_audit.models.interception.replay.resume import resume
from attn_audit.models.interception.replay.row import row
from attn_audit.models.interception.script import UnexpectedCallError

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
        """Ready for the variants of one batch.

        Args:
            reached: A pass over it.
            n_tokens: Of one pass.
            one_by_one: Whether variants may not share a pass, for other reasons.
        """
        prepared = _or_full(self.prepare(reached), reached)
        if self.one_by_one or one_by_one:
            return in_portions(prepared, 1)
        n_rows, n_positions = reached.inputs.units.shape
        of_variant = {"row": n_rows, "cache": n_rows, "product": 1}
        positions = of_variant.get(self.name, n_rows * n_positions)
        return in_portions(prepared, max(1, n_tokens // positions))


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
    ("resume", resume),
)


def choose_way(
    reached: Reached,
    admissible: Bool[Tensor, "batch head query key"],
    own: VariantLogits,
    candidates: NamedWays = CHEAPEST_FIRST,
) -> WayChoice:
    """Try every way on random weights, and take the first that agrees with full passes.

    Args:
        reached: A pass over a few texts, some of them padded.
        admissible: The keys that each row may attend to.
        own: The logits under the model's own weights.
        candidates: Ways by name, the cheapest first; full passes come after them.

    Returns:
        Full passes too where these rows hardly reach the logits, and a trial proves nothing.
    """
    probe = _random_weights(reached, admissible)
    with torch.no_grad():
        alone = in_portions(full(reached), 1)
        truth = alone(probe)
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


def _random_weights(reached: Reached, admissible: Tensor) -> Weights:
    generator = torch.Generator().manual_seed(0)
    shape = (len(admissible), N_VARIANTS, *admissible.shape[1:])
    draws = torch.rand(shape, generator=generator).to(admissible.device) * admissible.unsqueeze(1)
    weights = draws / draws.sum(-1, keepdim=True).clamp_min(torch.finfo(draws.dtype).tiny)
    return weights.to(reached.weights.dtype)
