"""The cheapest way: only the one row that is read out goes through the rest of the model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_audit.models.interception.layout import (
    BatchAxis,
    UnknownLayoutError,
    map_batch,
    repeat,
)
from attn_audit.models.interception.point import Reached
from attn_audit.models.interception.replay.imposing import (
    VariantLogits,
    Way,
    Weights,
    n_variants,
)
from attn_audit.models.interception.replay.resume import resume
from attn_audit.models.interception.script import Step


def row(reached: Reached) -> Way:
    """Mix the values under the new weights, and push the mixture alone through what follows.

    Under identity attention the mixture that each position gets *is* its value: so the values are
    read off once, whatever the layout, the grouping of heads or the rotation.

    Args:
        reached: An attention with one row that is read, the only one that matters afterwards.

    Raises:
        UnknownLayoutError: It is not of that kind.
    """
    point, script = reached.point, reached.point.script
    if script is None or point.follower is None or not point.is_square:
        raise UnknownLayoutError
    if reached.rows.shape[1] != 1:
        raise UnknownLayoutError
    values = _values(reached, point.follower)
    reduced = reached.inputs.pick(reached.rows[:, 0])

    def replay(weights: Weights) -> VariantLogits:
        times = n_variants(weights)
        n_keys = values.of_positions.shape[1]
        mixed = torch.einsum("bvhk,bkhd->bvhd", weights[..., 0, :n_keys], values.of_positions)
        given = mixed.reshape(-1, 1, *values.shape)

        def stand_in(step: Step) -> Any:
            return _picked(reached, step, times)

        with script.followed(stand_in), _handed_over(values.follower, given):
            logits = reached.classifier.logits(reduced.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


class _Values:
    """What each position offers to be attended to, as the projection receives it."""

    def __init__(self, follower: nn.Module, received: Tensor, n_heads: int) -> None:
        self.follower = follower
        self.shape = received.shape[2:]
        flat = received.flatten(2)
        if flat.shape[2] % n_heads:
            raise UnknownLayoutError
        self.of_positions: Float[Tensor, "batch position head value"] = flat.reshape(
            *flat.shape[:2], n_heads, -1
        )


@torch.no_grad()
def _values(reached: Reached, follower: nn.Module) -> _Values:
    n_batch, n_heads, _, n_keys = reached.weights.shape
    n_positions = reached.inputs.n_positions
    identity = torch.eye(
        n_positions, n_keys, dtype=reached.weights.dtype, device=reached.weights.device
    )
    given = identity.expand(n_batch, n_heads, n_positions, n_keys)
    everywhere = _with_all_rows(reached, given)
    received: list[Tensor] = []

    def receive(module: nn.Module, args: tuple[Any, ...]) -> None:
        received.append(args[0])
        raise _ReceivedError

    handle = follower.register_forward_pre_hook(receive)
    try:
        resume(everywhere)(given.unsqueeze(1))
    except _ReceivedError:
        pass
    finally:
        handle.remove()
    if not received or received[0].shape[:2] != (n_batch, n_positions):
        raise UnknownLayoutError
    return _Values(follower, received[0], n_heads)


class _ReceivedError(Exception):
    """The values are there: nothing behind them is needed."""


def _with_all_rows(reached: Reached, weights: Tensor) -> Reached:
    positions = torch.arange(weights.shape[2], device=reached.rows.device)
    rows = positions.expand(len(reached.rows), -1)
    everywhere = torch.ones_like(rows, dtype=torch.bool)
    return replace(reached, rows=rows, row_mask=everywhere, weights=weights)


def _picked(reached: Reached, step: Step, times: int) -> Any:
    """What a finished call returned, for the one row; not implemented where it has no rows."""
    assert step.axes is not None
    shape = reached.inputs.units.shape
    batch = torch.arange(shape[0], device=reached.rows.device)
    n_picked = 0
    assert reached.point.script is not None
    n_positions = reached.point.script.n_positions, shape[1]

    def pick(tensor: Tensor, axis: BatchAxis) -> Tensor:
        nonlocal n_picked
        if tensor.shape[:2] != shape:
            return repeat(tensor, axis, shape[0], n_positions, times)
        n_picked += 1
        return tensor[batch, reached.rows[:, 0]].unsqueeze(1).repeat_interleave(times, dim=0)

    output = map_batch(reached.outputs[step.key], step.axes, pick)
    return output if n_picked else NotImplemented


@contextmanager
def _handed_over(module: nn.Module, value: Tensor) -> Iterator[None]:
    """Within: the module's first call gets this value in place of its first argument."""

    def hand_over(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        handle.remove()
        return (value, *args[1:])

    handle = module.register_forward_pre_hook(hand_over)
    try:
        yield
    finally:
        handle.remove()
