"""The layer around an attention: the part of a model that can be run again by itself."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.models.interception.module_calls import Recording


@dataclass(frozen=True)
class Block:
    """A call of a module that computes one attention, and gives a state for each position."""

    module: nn.Module
    nth: int
    """Which of its calls: a shared layer is called several times."""
    number: int
    """Of its attention among the softmaxes that it computes itself."""

    @contextmanager
    def kept(self) -> Iterator["BlockCall"]:
        """Within: with what it is called, and what it returns, is kept."""
        kept, n_before = BlockCall(self.module), 0

        def before(module: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
            nonlocal n_before
            if n_before == self.nth:
                kept.arguments, kept.keywords = args, keywords
            n_before += 1

        def after(module: nn.Module, args: object, output: Any) -> None:
            if n_before == self.nth + 1:
                kept.states = _states(output)

        with (
            self.module.register_forward_pre_hook(before, with_kwargs=True),
            self.module.register_forward_hook(after),
        ):
            yield kept

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Within: nothing is differentiated through its states."""
        n_before = 0

        def detach(module: nn.Module, args: object, output: Any) -> Any:
            nonlocal n_before
            n_before += 1
            states = _states(output)
            if n_before != self.nth + 1 or states is None:
                return output
            if output is states:
                return states.detach()
            return type(output)((states.detach(), *output[1:]))

        with self.module.register_forward_hook(detach):
            yield


@dataclass
class BlockCall:
    """With what a block was called, and the states that it returned."""

    module: nn.Module
    arguments: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    states: Tensor | None = None

    def again(self) -> Tensor | None:
        """The states that it returns now."""
        return _states(self.module(*self.arguments, **self.keywords))


def _states(output: Any) -> Tensor | None:
    """The first tensor that a layer returns; what a whole model returns has names, and is none."""
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first if isinstance(first, Tensor) else None


def find_block(
    recording: Recording,
    twin: Recording,
    attention: int,
    every: Collection[int],
    shape: torch.Size,
) -> Block | None:
    """The outermost call around an attention that computes no other, and returns states.

    Args:
        twin: A pass over one more row.
        every: The numbers of all attentions.
        shape: Texts and positions.
    """
    n_texts, n_positions = shape
    for i in recording.stacks[attention]:
        call = recording.calls[i]
        if any(i in recording.stacks[n] for n in every if n != attention):
            continue
        sizes = [(len(of), of[i]) for of in (recording.calls, twin.calls) if i < len(of)]
        states = [_states(of.output) for _, of in sizes]
        if len(states) == 2 and all(
            of is not None and of.dim() == 3 and of.shape[:2] == (n, n_positions)
            for n, of in zip((n_texts, n_texts + 1), states, strict=True)
        ):
            number = sum(i in stack for stack in recording.stacks[:attention])
            return Block(call.module, call.key[1], number)
    return None
