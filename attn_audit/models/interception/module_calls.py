"""Calls of a model's modules: where the batch stands in each, and which had finished when.

The calls of a forward pass are a tree. Those that enclose the attention are under way when it is
reached; what they had already called, outermost first, is the *script*: on another pass these calls
return what they returned before, and only what lies behind the attention is computed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils._pytree import tree_flatten, tree_unflatten

from attn_audit.process import is_out_of_memory

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class BatchAxis:
    """The axis of a tensor that grows with the batch."""

    axis: int
    per_row: int
    """Entries along the axis for each row of the batch: heads or positions, where they are folded
    into it."""

    def allows(self, size: int, n_rows: int, n_positions: tuple[int, int]) -> bool:
        """Whether a batch of so many rows may have so many entries."""
        then, now = n_positions
        n_folded, remainder = divmod(self.per_row, then)
        of_positions = () if remainder else (n_folded * now,)
        return size in [n_rows * per_row for per_row in (self.per_row, *of_positions)]


class UnknownLayoutError(Exception):
    """What a module returned cannot be laid out for another batch; never reaches the user."""


class ModelMayFail(AbstractContextManager[object]):
    """Within, a model runs as it was not made for: whatever it raises ends that, and no more.

    Raises:
        MemoryError: Or what says so in torch: there was not enough memory to tell.
        TypeCheckError: A shape of ours is wrong, which tests check.
    """

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if not isinstance(error, Exception):
            return False
        return not (isinstance(error, TypeCheckError) or is_out_of_memory(error))


def batch_axes(
    one: object, other: object, n_one: int, n_other: int
) -> tuple[BatchAxis | None, ...]:
    """For each tensor of a nested structure the axis of the batch; None where it has none.

    Raises:
        UnknownLayoutError: The two differ in more than the batch.
    """
    leaves, structure = _leaves(one)
    others, other_structure = _leaves(other)
    if structure != other_structure:
        raise UnknownLayoutError
    return tuple(
        _axis(a, b, n_one, n_other) if isinstance(a, Tensor) and isinstance(b, Tensor) else None
        for a, b in zip(leaves, others, strict=True)
    )


def _axis(one: Tensor, other: Tensor, n_one: int, n_other: int) -> BatchAxis | None:
    if one.dim() != other.dim():
        raise UnknownLayoutError
    pairs = zip(one.shape, other.shape, strict=True)
    differing = [i for i, (a, b) in enumerate(pairs) if a != b]
    if not differing:
        return None
    axis = differing[0]
    per_row, remainder = divmod(one.shape[axis], n_one)
    if len(differing) > 1 or remainder or other.shape[axis] != per_row * n_other:
        raise UnknownLayoutError
    return BatchAxis(axis, per_row)


def tensors_in(value: object) -> list[Tensor]:
    """All tensors of a nested structure."""
    return [leaf for leaf in _leaves(value)[0] if isinstance(leaf, Tensor)]


def map_batch(
    value: Any, axes: tuple[BatchAxis | None, ...], change: Callable[[Tensor, BatchAxis], Tensor]
) -> Any:
    """Change every tensor that has the batch in it, and leave the structure as it is."""
    leaves, structure = _leaves(value)
    changed = [
        change(leaf, axis) if axis is not None and isinstance(leaf, Tensor) else leaf
        for leaf, axis in zip(leaves, axes, strict=True)
    ]
    return _restore(changed, structure)


def repeat(
    tensor: Tensor, axis: BatchAxis, n_rows: int, n_positions: tuple[int, int], times: int
) -> Tensor:
    """Every row of the batch `times` times in succession; always a copy.

    Args:
        n_positions: Of a row in the trial, and of one here.

    Raises:
        UnknownLayoutError: The axis does not hold as much of every row.
    """
    before, after = tensor.shape[: axis.axis], tensor.shape[axis.axis + 1 :]
    size = tensor.shape[axis.axis]
    if not axis.allows(size, n_rows, n_positions):
        raise UnknownLayoutError
    rows = tensor.reshape(*before, n_rows, size // n_rows, *after)
    return rows.repeat_interleave(times, dim=axis.axis).reshape(*before, -1, *after)


# A packed sequence has its rows one behind the other, so its padded form is what is laid out.


def _leaves(value: object) -> tuple[list[Any], Any]:
    leaves, structure = tree_flatten(value, is_leaf=lambda v: isinstance(v, PackedSequence))
    flat: list[Any] = []
    kinds: list[bool] = []
    for leaf in leaves:
        kinds.append(isinstance(leaf, PackedSequence))
        flat += pad_packed_sequence(leaf, batch_first=True) if kinds[-1] else (leaf,)
    return flat, (structure, tuple(kinds))


def _restore(flat: list[Any], structure: Any) -> Any:
    spec, kinds = structure
    rest = iter(flat)
    leaves: list[Any] = []
    for is_packed in kinds:
        leaf = next(rest)
        if is_packed:
            lengths = torch.as_tensor(next(rest)).cpu()
            leaf = pack_padded_sequence(leaf, lengths, batch_first=True, enforce_sorted=False)
        leaves.append(leaf)
    return tree_unflatten(leaves, spec)


CallKey = tuple[int, int]
"""A module's identity, and which of its calls: a shared layer is called several times."""


@dataclass
class Call:
    """One call of a module during a recorded pass."""

    module: nn.Module
    key: CallKey
    parents: tuple[int, ...]
    """Indices of the calls that enclose it, outermost first."""
    output: Any = None
    end: int | None = None
    """How many attentions had been seen when it returned; None while it runs."""


@dataclass
class Recording:
    """The module calls and attentions of one pass, in order."""

    calls: list[Call] = field(default_factory=list)
    stacks: list[tuple[int, ...]] = field(default_factory=list)
    """For each attention the calls that enclose it."""
    followers: list[nn.Module | None] = field(default_factory=list)
    """For each attention the first module with weights of its own that is called after it."""
    _stack: list[int] = field(default_factory=list)
    _counts: Counter[int] = field(default_factory=Counter)

    def see_attention(self) -> None:
        """Note that an attention is reached now."""
        self.stacks.append(tuple(self._stack))
        self.followers.append(None)

    def around(self, attention: int) -> list[nn.Module]:
        """The modules whose calls enclose an attention, outermost first."""
        return [self.calls[i].module for i in self.stacks[attention]]

    @contextmanager
    def of(self, module: nn.Module) -> Iterator[None]:
        """Record every call of the module and its submodules."""
        with ExitStack() as hooks:
            for each in module.modules():
                hooks.enter_context(each.register_forward_pre_hook(self._before))
                hooks.enter_context(each.register_forward_hook(self._after))
            yield

    def _before(self, module: nn.Module, args: object) -> None:
        if next(module.parameters(recurse=False), None) is not None:
            self.followers = [module if f is None else f for f in self.followers]
        key = (id(module), self._counts[id(module)])
        self._counts[id(module)] += 1
        self.calls.append(Call(module, key, tuple(self._stack)))
        self._stack.append(len(self.calls) - 1)

    def _after(self, module: nn.Module, args: object, output: Any) -> None:
        call = self.calls[self._stack.pop()]
        call.output, call.end = output, len(self.stacks)


@dataclass(frozen=True)
class Step:
    """One call of the script."""

    module: nn.Module
    key: CallKey
    axes: tuple[BatchAxis | None, ...] | None
    """Where its output has the batch, for a call that had finished; None for one under way."""

    def output(
        self, outputs: Mapping[CallKey, Any], change: Callable[[Tensor, BatchAxis], Tensor]
    ) -> Any:
        """What the call returned, with every tensor changed that has the batch in it."""
        assert self.axes is not None
        return map_batch(outputs[self.key], self.axes, change)


@dataclass(frozen=True)
class Script:
    """The calls up to an attention, outermost first, in order."""

    steps: tuple[Step, ...]
    n_positions: int
    """Of a row of the pass that it was written after."""
    n_before: int
    """Attentions that are still computed before it when the script is followed."""

    @property
    def finished(self) -> dict[CallKey, nn.Module]:
        """The calls whose output stands in for them."""
        return {step.key: step.module for step in self.steps if step.axes is not None}

    @contextmanager
    def followed(self, stand_in: Callable[[Step], Any]) -> Iterator[None]:
        """Within: calls that had finished are not run, `stand_in` gives their output.

        Args:
            stand_in: Gets each finished step; NotImplemented where the call is to run after all.

        Raises:
            UnexpectedCallError: The model calls its modules in another order.
        """
        position = 0
        modules = {id(step.module): step.module for step in self.steps}

        def patched(module: nn.Module, forward: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                nonlocal position
                if position >= len(self.steps):
                    return forward(*args, **kwargs)
                step = self.steps[position]
                if step.module is not module:
                    raise UnexpectedCallError
                position += 1
                if step.axes is None:
                    return forward(*args, **kwargs)
                output = stand_in(step)
                if output is NotImplemented:
                    position_after, position = position, len(self.steps)
                    try:  # inside, nothing is scripted
                        return forward(*args, **kwargs)
                    finally:
                        position = position_after
                return output

            return call

        with replaced_forwards(modules.values(), patched):
            yield


class UnexpectedCallError(Exception):
    """The model does not repeat the calls of its script; never reaches the user."""


@contextmanager
def replaced_forwards(
    modules: Iterable[Module],
    replacement: Callable[[Module, Callable[..., Any]], Callable[..., Any]],
) -> Iterator[None]:
    """Within: modules compute something else when they are called."""
    before = [(module, module.__dict__.get("forward")) for module in modules]
    for module, _ in before:
        module.forward = replacement(module, module.forward)
    try:
        yield
    finally:
        for module, forward in before:  # others (accelerate) patch instances too
            if forward is None:
                del module.forward
            else:
                module.forward = forward


@contextmanager
def calls_followed(
    wanted: Mapping[CallKey, nn.Module],
    follow: Callable[[CallKey, tuple[Any, ...], dict[str, Any], Any], Any],
) -> Iterator[None]:
    """Within: the wanted calls are followed by another.

    Args:
        follow: Gets a call, its arguments and keywords, and what it returned; what it returns
            itself, if anything, takes the place of that.
    """
    counts: Counter[int] = Counter()

    def after(
        module: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any], output: Any
    ) -> Any:
        key = (id(module), counts[id(module)])
        counts[id(module)] += 1
        return follow(key, args, keywords, output) if key in wanted else None

    with ExitStack() as hooks:
        for module in set(wanted.values()):
            hooks.enter_context(module.register_forward_hook(after, with_kwargs=True))
        yield


@contextmanager
def kept_outputs(wanted: Mapping[CallKey, nn.Module]) -> Iterator[dict[CallKey, Any]]:
    """Within: what the wanted calls return is kept."""
    outputs: dict[CallKey, Any] = {}

    def keep(key: CallKey, args: object, keywords: object, output: Any) -> None:
        outputs[key] = output

    with calls_followed(wanted, keep):
        yield outputs


def write_script(
    recording: Recording,
    twin: Recording,
    n_rows: tuple[int, int],
    n_positions: int,
    attention: int,
) -> Script:
    """The script of one attention.

    Raises:
        UnexpectedCallError: The two passes call different modules.
        UnknownLayoutError: What a call returns depends on the batch in an unknown way.
    """
    under_way = set(recording.stacks[attention])
    steps = []
    for i, call in enumerate(recording.calls):
        if not set(call.parents) <= under_way:
            continue
        if i in under_way:
            steps.append(Step(call.module, call.key, None))
        elif call.end is not None and call.end <= attention:
            other = twin.calls[i]
            if call.key != other.key:
                raise UnexpectedCallError
            axes = batch_axes(call.output, other.output, *n_rows)
            steps.append(Step(call.module, call.key, axes))
    n_before = sum(set(stack) <= under_way for stack in recording.stacks[:attention])
    return Script(tuple(steps), n_positions, n_before)
