"""The logits under other attention: the cheapest way that a trial proves equal to full passes.

Full passes are the surest way; next, calls that had finished return what they returned; the
cheapest is that only the row that is read out goes through the rest of the model.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int, TypeCheckError
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from attn_audit.models.interception.attention_point import (
    Reached,
    VariantLogits,
    Way,
    Weights,
    imposed,
)
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.module_calls import (
    BatchAxis,
    CallKey,
    Script,
    Step,
    UnexpectedCallError,
    UnknownLayoutError,
    map_batch,
    repeat,
)
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


def full(reached: Reached) -> Way:
    """Run the whole model with the weights imposed."""

    def replay(weights: Weights) -> VariantLogits:
        times = weights.shape[1]
        with imposed(reached, reached.point.number, weights):
            logits = reached.classifier.logits(reached.inputs.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


def resume(reached: Reached) -> Way:
    """Run only what lies behind the attention, with the weights imposed.

    Raises:
        UnknownLayoutError: The calls before the attention cannot be skipped.
    """
    script = reached.point.script
    if script is None:
        raise UnknownLayoutError

    def replay(weights: Weights) -> VariantLogits:
        times, n_rows = weights.shape[1], len(reached.inputs)
        n_positions = script.n_positions, reached.inputs.n_positions

        def stand_in(step: Step) -> Any:
            assert step.axes is not None
            return map_batch(
                reached.outputs[step.key],
                step.axes,
                lambda t, axis: repeat(t, axis, n_rows, n_positions, times),
            )

        with imposed(reached, script.n_before, weights), script.followed(stand_in):
            logits = reached.classifier.logits(reached.inputs.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


def row(reached: Reached) -> Way:
    """Mix the values under the new weights, and push the mixture alone through what follows.

    Under identity attention the mixture that each position gets *is* its value: so the values are
    read off once, whatever the layout, the grouping of heads or the rotation.

    Args:
        reached: An attention with one row that is read, the only one that matters afterwards.

    Raises:
        UnknownLayoutError: It is not of that kind.
    """
    point, script, follower = reached.point, reached.point.script, reached.point.follower
    if script is None or follower is None or not point.is_square or reached.rows.shape[1] != 1:
        raise UnknownLayoutError
    received = _received(reached, follower)
    n_heads = reached.weights.shape[1]
    if received[0, 0].numel() % n_heads:
        raise UnknownLayoutError
    values = received.reshape(*received.shape[:2], n_heads, -1)
    at = reached.rows[:, 0]
    reduced = reached.inputs.pick(at)

    def replay(weights: Weights) -> VariantLogits:
        times = weights.shape[1]
        mixed = torch.einsum("bvhk,bkhd->bvhd", weights[..., 0, : values.shape[1]], values)
        given = mixed.reshape(-1, 1, *received.shape[2:])
        rest = followed_by_one(script, reached.outputs, reached.inputs, at, times)
        with rest, handed_over(follower, given):
            logits = reached.classifier.logits(reduced.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


def followed_by_one(
    script: Script,
    outputs: Mapping[CallKey, Any],
    inputs: ModelInputs,
    positions: Int[Tensor, " batch"],
    times: int = 1,
) -> AbstractContextManager[None]:
    """Within: the script is followed, by one position of each row.

    Args:
        outputs: Of the calls that had finished, for all positions.
    """
    n_rows, shape = len(inputs), inputs.units.shape
    at = torch.arange(n_rows, device=positions.device), positions

    def stand_in(step: Step) -> Any:
        """What it returned, for the one position; not implemented where it has no positions."""
        assert step.axes is not None
        n_picked = 0

        def pick(tensor: Tensor, axis: BatchAxis) -> Tensor:
            nonlocal n_picked
            if tensor.shape[:2] != shape:
                return repeat(tensor, axis, n_rows, (script.n_positions, shape[1]), times)
            n_picked += 1
            return tensor[at].unsqueeze(1).repeat_interleave(times, dim=0)

        output = map_batch(outputs[step.key], step.axes, pick)
        return output if n_picked else NotImplemented

    return script.followed(stand_in)


@torch.no_grad()
def _received(reached: Reached, follower: nn.Module) -> Float[Tensor, "batch position ..."]:
    """What each position offers to be attended to, as the projection receives it."""
    n_batch, n_heads, _, n_keys = reached.weights.shape
    n_positions = reached.inputs.n_positions
    identity = torch.eye(n_positions, n_keys).to(reached.weights)
    weights = identity.expand(n_batch, n_heads, n_positions, n_keys)
    rows = torch.arange(n_positions, device=reached.rows.device).expand(n_batch, -1)
    everywhere = replace(
        reached,
        rows=rows,
        row_mask=torch.ones_like(rows, dtype=torch.bool),
        weights=weights,
        admissible=torch.ones_like(weights, dtype=torch.bool),
    )
    received: list[Tensor] = []

    def receive(module: nn.Module, args: tuple[Any, ...]) -> None:
        received.append(args[0])
        raise ReceivedError

    with follower.register_forward_pre_hook(receive), suppress(ReceivedError):
        resume(everywhere)(weights.unsqueeze(1))
    if not received or received[0].shape[:2] != (n_batch, n_positions):
        raise UnknownLayoutError
    return received[0]


class ReceivedError(Exception):
    """The values are there: nothing behind them is needed."""


@contextmanager
def handed_over(module: nn.Module, value: Tensor) -> Iterator[None]:
    """Within: the module's first call gets this value in place of its first argument."""

    def hand_over(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        handle.remove()
        return (value, *args[1:])

    with module.register_forward_pre_hook(hand_over) as handle:
        yield


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
