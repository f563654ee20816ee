"""The logits under other attention: the cheapest way that a trial proves equal to full passes.

Full passes are the surest way; next, calls that had finished return what they returned; where one
row is read out, only that row changes at its layer, and only that row counts behind the last
attention, which may be the same. A way that is wrong for a model shows in a trial on random
weights: it is not taken.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from attn_audit.distances import VariantLogits
from attn_audit.models.interception.attention_point import (
    AttentionPoint,
    AttentionTrace,
    Way,
    Weights,
    imposed,
)
from attn_audit.models.interception.classifier import ModelInputs
from attn_audit.models.interception.module_calls import (
    BatchAxis,
    CallKey,
    ModelMayFail,
    Step,
    UnexpectedCallError,
    UnknownLayoutError,
    calls_followed,
    kept_outputs,
    repeat,
    tensors_in,
)
from attn_audit.progress import in_portions


def full(trace: AttentionTrace) -> Way:
    """Run the whole model with the weights imposed."""

    def replay(weights: Weights) -> VariantLogits:
        times = weights.shape[1]
        with imposed(trace, trace.point.number, weights):
            logits = trace.classifier.logits(trace.inputs.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


def resume(trace: AttentionTrace) -> Way:
    """Run only what lies behind the attention, with the weights imposed.

    Raises:
        UnknownLayoutError: The calls before the attention cannot be skipped.
    """
    script = trace.point.script
    if script is None:
        raise UnknownLayoutError

    def replay(weights: Weights) -> VariantLogits:
        times, n_rows = weights.shape[1], len(trace.inputs)
        n_positions = script.n_positions, trace.inputs.n_positions

        def stand_in(step: Step) -> Any:
            return step.output(
                trace.outputs, lambda t, axis: repeat(t, axis, n_rows, n_positions, times)
            )

        with imposed(trace, script.n_before, weights), script.followed(stand_in):
            logits = trace.classifier.logits(trace.inputs.repeat(times))
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


def row(trace: AttentionTrace) -> Way:
    """Mix the values under the new weights, and push the mixture alone through what follows.

    Args:
        trace: An attention with one row that is read, the only one that matters afterwards.

    Raises:
        UnknownLayoutError: It is not of that kind.
    """
    mixtures = mixtures_of(trace)

    def replay(weights: Weights) -> VariantLogits:
        times = weights.shape[1]
        logits = _behind(trace, mixtures(weights), times)
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


def narrow(trace: AttentionTrace) -> Way:
    """The same before the last attention: all positions are computed between the two layers alone.

    At the attention's own layer, the row that is read is the only one that changes; at the last, it
    is the only one that counts.

    Raises:
        UnknownLayoutError: It is not of that kind.
    """
    script, following, last = trace.point.script, trace.following, trace.last
    if script is None or following is None or last is None or not last.is_square:
        raise UnknownLayoutError
    later = following.script
    if later is None or last.script is None or last.follower is None:
        raise UnknownLayoutError
    mixtures = mixtures_of(trace)
    around = {step.key for step in script.steps if step.axes is None}
    finished = [step for step in later.steps if step.axes is not None]
    layers = [i for i, step in enumerate(finished) if step.key in around]
    if len(layers) != 1:
        raise UnknownLayoutError
    layer, before = finished[layers[0]], {step.key for step in finished[: layers[0]]}
    n_rows, n_positions = trace.inputs.units.shape
    sizes = later.n_positions, n_positions
    follower, at_end = last.follower, last.script.finished

    def replay(weights: Weights) -> VariantLogits:
        times = weights.shape[1]
        changed = _returned(trace, layer, mixtures(weights), times)
        every = trace.repeated(times)
        inputs = every.inputs
        at = torch.arange(len(inputs), device=every.rows.device), every.rows[:, 0]

        def repeated(step: Step, change: Callable[[Tensor], Tensor] = lambda tensor: tensor) -> Any:
            return step.output(
                trace.outputs, lambda t, axis: change(repeat(t, axis, n_rows, sizes, times))
            )

        def with_row(tensor: Tensor) -> Tensor:
            if tensor.shape[:2] != inputs.units.shape:
                return tensor
            return tensor.index_put(at, changed.to(tensor.dtype))

        def stand_in(step: Step) -> Any:
            if step.key == layer.key:
                return repeated(step, with_row)
            return repeated(step) if step.key in before else NotImplemented

        with (
            later.followed(stand_in),
            kept_outputs(at_end) as outputs,
            handed_out(follower) as received,
        ):
            trace.classifier.logits(inputs)
        mixture = only(received, inputs)[at].unsqueeze(1)
        logits = _behind(replace(every, point=last, outputs=outputs), mixture, 1)
        return logits.reshape(-1, times, logits.shape[-1])

    return replay


Mixtures = Float[Tensor, "every_variant 1 ..."]
"""What the output projection gets of the one row, one after the other for each text."""


def mixtures_of(trace: AttentionTrace) -> Callable[[Weights], Mixtures]:
    """The values under other weights.

    Under identity attention the mixture that each position gets *is* its value: so the values are
    read off once, whatever the layout, the grouping of heads or the rotation.

    Raises:
        UnknownLayoutError: More than one row is read, or the values cannot be read off.
    """
    point = trace.point
    if point.script is None or point.follower is None or not point.is_square:
        raise UnknownLayoutError
    if trace.rows.shape[1] != 1:
        raise UnknownLayoutError
    received, n_heads = _received(trace, point.follower), trace.weights.shape[1]
    if received[0, 0].numel() % n_heads:
        raise UnknownLayoutError
    values = received.reshape(*received.shape[:2], n_heads, -1)

    def mixtures(weights: Weights) -> Mixtures:
        mixed = torch.einsum("bvhk,bkhd->bvhd", weights[..., 0, : values.shape[1]], values)
        return mixed.reshape(-1, 1, *received.shape[2:])

    return mixtures


def _behind(trace: AttentionTrace, mixtures: Mixtures, times: int) -> Tensor:
    at, outputs = trace.rows[:, 0], trace.outputs
    reduced = trace.inputs.pick(at).repeat(times)
    with handed_on(trace.point, outputs, trace.inputs, at, mixtures, times):
        return trace.classifier.logits(reduced)


@contextmanager
def handed_on(
    point: AttentionPoint,
    outputs: Mapping[CallKey, Any],
    inputs: ModelInputs,
    positions: Int[Tensor, " batch"],
    mixtures: Mixtures,
    times: int = 1,
) -> Iterator[None]:
    """Within: a pass of one row of each text alone begins at an attention's output projection.

    Args:
        outputs: Of the calls that had finished, for all positions.
        inputs: Of all positions; the pass gets those of the rows, repeated for the variants.
        mixtures: So many for each text.
    """
    script = point.script
    assert script is not None
    assert point.follower is not None
    n_rows, n_positions = inputs.units.shape
    at = torch.arange(n_rows, device=positions.device), positions
    sizes = script.n_positions, n_positions

    def stand_in(step: Step) -> Any:
        """What it returned, for the one row; not implemented where it has no rows."""
        n_picked = 0

        def pick(tensor: Tensor, axis: BatchAxis) -> Tensor:
            nonlocal n_picked
            if tensor.shape[:2] != (n_rows, n_positions):
                return repeat(tensor, axis, n_rows, sizes, times)
            n_picked += 1
            return tensor[at].unsqueeze(1).repeat_interleave(times, dim=0)

        output = step.output(outputs, pick)
        return output if n_picked else NotImplemented

    with script.followed(stand_in), _handed_over(point.follower, mixtures):
        yield


def _returned(
    trace: AttentionTrace, layer: Step, mixtures: Mixtures, times: int
) -> Float[Tensor, "every_variant ..."]:
    """What the call of a layer around the attention returns for the rows alone."""
    returned: list[Tensor] = []

    def note(key: CallKey, args: object, keywords: object, output: object) -> None:
        of_rows = (t for t in tensors_in(output) if t.shape[:2] == (len(mixtures), 1))
        returned.extend(of_rows)
        raise _ReceivedError

    with calls_followed({layer.key: layer.module}, note), suppress(_ReceivedError):
        _behind(trace, mixtures, times)
    if len(returned) != 1:
        raise UnknownLayoutError
    return returned[0][:, 0]


@torch.no_grad()
def _received(trace: AttentionTrace, follower: nn.Module) -> Float[Tensor, "batch position ..."]:
    """What each position offers to be attended to, as the projection receives it."""
    n_batch, n_heads, _, n_keys = trace.weights.shape
    n_positions = trace.inputs.n_positions
    identity = torch.eye(n_positions, n_keys).to(trace.weights)
    weights = identity.expand(n_batch, n_heads, n_positions, n_keys)
    rows = torch.arange(n_positions, device=trace.rows.device).expand(n_batch, -1)
    everywhere = replace(
        trace,
        rows=rows,
        row_mask=torch.ones_like(rows, dtype=torch.bool),
        weights=weights,
        admissible=torch.ones_like(weights, dtype=torch.bool),
    )
    with handed_out(follower) as received:
        resume(everywhere)(weights.unsqueeze(1))
    return only(received, trace.inputs)


@contextmanager
def handed_out(
    module: nn.Module, is_meant: Callable[[], bool] = lambda: True
) -> Iterator[list[Tensor]]:
    """Within, until the module is called: what it would get, and then no more is computed."""
    received: list[Tensor] = []

    def receive(module: nn.Module, args: tuple[Any, ...]) -> None:
        if is_meant():
            received.append(args[0])
            raise _ReceivedError

    with module.register_forward_pre_hook(receive), suppress(_ReceivedError):
        yield received


def only(received: list[Tensor], inputs: ModelInputs) -> Float[Tensor, "batch position ..."]:
    """What was received, where it has a row for every position.

    Raises:
        UnknownLayoutError: It has not.
    """
    if not received or received[0].shape[:2] != inputs.units.shape:
        raise UnknownLayoutError
    return received[0]


class _ReceivedError(Exception):
    """The values are there: nothing behind them is needed."""


@contextmanager
def _handed_over(module: nn.Module, value: Tensor) -> Iterator[None]:
    """Within: the module's first call gets this value in place of its first argument."""

    def hand_over(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        handle.remove()
        return (value, *args[1:])

    with module.register_forward_pre_hook(hand_over) as handle:
        yield


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

NamedWays = tuple[tuple[str, Callable[[AttentionTrace], Way]], ...]
"""Ways of replay by name, the cheapest first."""


@dataclass(frozen=True)
class WayChoice:
    """A way of replay, and what its trial found."""

    name: str
    prepare: Callable[[AttentionTrace], Way]
    error: float
    """Largest difference of a logit from a full pass, over the largest effect of the trial."""
    one_by_one: bool = False
    """Whether variants may not share a pass."""

    def way(self, trace: AttentionTrace, n_tokens: int, one_by_one: bool = False) -> Way:
        """Ready for the variants of one batch."""
        prepared = _or_full(self.prepare, trace)
        if self.one_by_one or one_by_one:
            return divided(prepared, 1)
        n_rows, n_positions = trace.inputs.units.shape
        of_variant = {"row": n_rows, "cache": n_rows, "product": 1}
        positions = of_variant.get(self.name, n_rows * n_positions)
        return divided(prepared, max(1, n_tokens // positions))


def _or_full(prepare: Callable[[AttentionTrace], Way], trace: AttentionTrace) -> Way:
    """The way, or the whole model for a batch that calls its modules as none did before."""
    try:
        way = prepare(trace)
    except (UnknownLayoutError, UnexpectedCallError):
        return full(trace)

    def replay(weights: Weights) -> VariantLogits:
        try:
            return way(weights)
        except (UnknownLayoutError, UnexpectedCallError):
            return full(trace)(weights)

    return replay


CHEAPEST_FIRST: NamedWays = (
    ("row", row),
    ("narrow", narrow),
    ("resume", resume),
)


def choose_way(
    trace: AttentionTrace,
    own: VariantLogits,
    candidates: NamedWays = CHEAPEST_FIRST,
) -> WayChoice:
    """Try every way on random weights, and take the first that agrees with full passes.

    Returns:
        Full passes too where these rows hardly reach the logits, and a trial proves nothing.
    """
    probe = _random_weights(trace)
    with torch.no_grad():
        truth = divided(full(trace), 1)(probe)
    effect = float((truth - own).abs().max())
    noise = torch.finfo(trace.weights.dtype).eps * float(truth.abs().max()) * ROUNDING
    if effect <= noise / ROUNDING:
        is_shared = _error(full, trace, probe, truth) <= noise
        return WayChoice("full", full, 0.0, one_by_one=not is_shared)
    tolerance = max(MAX_ERROR * effect, min(noise, MAX_ROUNDING_ERROR * effect))
    for name, prepare in (*candidates, ("full", full)):
        error = _error(prepare, trace, probe, truth)
        if error <= tolerance:
            return WayChoice(name, prepare, 0.0 if name == "full" else error / effect)
    return WayChoice("full", full, 0.0, one_by_one=True)


@torch.no_grad()
def _error(
    prepare: Callable[[AttentionTrace], Way],
    trace: AttentionTrace,
    probe: Weights,
    truth: VariantLogits,
) -> float:
    """Largest difference from full passes; infinite where the way cannot be gone."""
    with ModelMayFail():  # where calls are skipped: then this is not its way
        way = prepare(trace)
        way(probe)  # which leaves nothing behind that the next replay would see
        logits = way(probe)
        if logits.shape == truth.shape:
            return float((logits - truth).abs().max())
    return torch.inf


def _random_weights(trace: AttentionTrace) -> Weights:
    admissible = trace.admissible
    generator = torch.Generator().manual_seed(0)
    shape = (len(admissible), N_VARIANTS, *admissible.shape[1:])
    draws = torch.rand(shape, generator=generator).to(admissible.device) * admissible.unsqueeze(1)
    weights = draws / draws.sum(-1, keepdim=True).clamp_min(torch.finfo(draws.dtype).tiny)
    return weights.to(trace.weights.dtype)
