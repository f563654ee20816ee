"""One attention of a model: what was learnt of it, what a pass left, other weights there."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.distances import VariantLogits
from attn_audit.models.interception.attention_calls import Axes, Interception, Sight
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.key_order import KeyOrder
from attn_audit.models.interception.module_calls import CallKey, Recording, Script, calls_followed
from attn_audit.models.interception.observation import laid_out_otherwise


@dataclass(frozen=True)
class Block:
    """A call of a module that computes one attention, and gives a state for each position."""

    module: nn.Module
    key: CallKey
    number: int
    """Of its attention among the softmaxes that it computes itself."""

    @contextmanager
    def kept(self) -> Iterator["BlockCall"]:
        """Within: with what it is called, and what it returns, is kept."""
        kept = BlockCall(self.module)

        def keep(
            key: CallKey, args: tuple[Any, ...], keywords: dict[str, Any], output: Any
        ) -> None:
            kept.arguments, kept.keywords, kept.states = args, keywords, _states(output)

        with calls_followed({self.key: self.module}, keep):
            yield kept

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Within: nothing is differentiated through its states."""

        def detach(key: CallKey, args: object, keywords: object, output: Any) -> Any:
            states = _states(output)
            if states is None or output is states:
                return None if states is None else states.detach()
            return type(output)((states.detach(), *output[1:]))

        with calls_followed({self.key: self.module}, detach):
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
    """The outermost call around an attention that computes no other, and returns states."""
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
            return Block(call.module, call.key, number)
    return None


@dataclass(frozen=True)
class AttentionPoint:
    """An attention whose keys are the positions of the input."""

    number: int
    """In call order, in a pass of the whole model."""
    name: str
    """The module that computes it, as the model names it."""
    n_heads: int
    order: KeyOrder
    """Which position each of its keys stands for."""
    rows_are_positions: bool
    """Whether its queries are the positions too: in number, whatever the length of the text."""
    rows_are_keys: bool
    """Whether its queries are what its keys are, likewise."""
    is_square: bool
    """Whether its keys are the positions from the first on, and its queries too."""
    output_of: nn.Module | None
    """The module whose output it is, where it is no softmax's."""
    axes: Axes | None
    """How its weights are laid out, where a trial found it; None: as their shape suggests."""
    n_more_keys: int | None
    """Keys beyond the positions, in texts of any length; None where that was not tried."""
    script: Script | None
    """None where calls cannot be skipped."""
    follower: nn.Module | None
    """The first module with weights that is called after it: the output projection."""
    block: Block | None
    """The layer around it; None where none gives a state for each position."""

    def real_rows(self, inputs: ModelInputs, n_queries: int) -> Bool[Tensor, "batch query"]:
        """The query rows that stand for no padding."""
        if self.rows_are_positions and n_queries == inputs.n_positions:
            return inputs.real
        if self.rows_are_keys:
            return self.are_real(inputs, n_queries)
        return inputs.real.new_ones(len(inputs), n_queries)

    def are_real(self, inputs: ModelInputs, n_keys: int) -> Bool[Tensor, "batch key"]:
        """The keys that stand for no padding."""
        return self.order.of_keys(inputs.real.long(), inputs.real, n_keys) != 0

    def seen_at(self, number: int) -> Sight:
        """How it is seen where it has another number: in a pass that skips what comes before."""
        if self.axes is None:
            return Sight(self.output_of)
        return Sight(self.output_of, {number: self.axes}, is_tried=True)


@dataclass(frozen=True)
class AttentionTrace:
    """What one pass over a batch left at an attention: all that a replay starts from."""

    classifier: Classifier
    point: AttentionPoint
    inputs: ModelInputs
    rows: Int[Tensor, "batch query"]
    """The query rows that are read."""
    row_mask: Bool[Tensor, "batch query"]
    weights: Float[Tensor, "batch head query key"]
    """The model's own, in these rows."""
    admissible: Bool[Tensor, "batch head query key"]
    """The keys that these rows may attend to."""
    outputs: Mapping[CallKey, Any]
    """What the calls of its script returned, and of the following one's."""
    following: AttentionPoint | None = None
    """The next attention, where it reaches the logits too."""
    last: AttentionPoint | None = None
    """The last that does."""

    def repeated(self, times: int) -> "AttentionTrace":
        """The same of every text `times` times in succession, but for what calls returned."""
        return replace(
            self,
            inputs=self.inputs.repeat(times),
            **{
                name: getattr(self, name).repeat_interleave(times, dim=0)
                for name in ("rows", "row_mask", "weights", "admissible")
            },
        )


Weights = Float[Tensor, "batch variant head query key"]
"""Of the rows that are read; each row sums to 1."""


Way = Callable[[Weights], VariantLogits]


def placed(
    own: Float[Tensor, "batch head every_query key"],
    rows: Int[Tensor, "batch query"],
    row_mask: Bool[Tensor, "batch query"],
    new: Float[Tensor, "batch head query key"],
) -> Float[Tensor, "batch head every_query key"]:
    """The model's own weights, but for some rows."""
    index = rows[:, None, :, None].expand(-1, *new.shape[1:2], -1, new.shape[-1])
    kept = own.gather(2, index)
    return own.scatter(2, index, torch.where(row_mask[:, None, :, None], new, kept))


@contextmanager
def imposed(trace: AttentionTrace, number: int, weights: Weights) -> Iterator[None]:
    """Within: the attention has these weights, in every row of a batch repeated for the variants.

    Args:
        number: Its number in call order, as the model will be run.
        weights: Of the rows that are read; the others keep the model's own.

    Raises:
        UnsupportedModelError: It was not met, so that nothing was replaced.
    """
    times = weights.shape[1]
    rows = trace.rows.repeat_interleave(times, dim=0)
    mask = trace.row_mask.repeat_interleave(times, dim=0)
    new = weights.flatten(0, 1)

    is_imposed = False

    def visit(seen: int, own: Tensor, scores: Tensor | None) -> Tensor:
        nonlocal is_imposed
        is_imposed = True
        return placed(own, rows, mask, new)

    sight = trace.point.seen_at(number)
    mode = Interception(len(new), visit, wanted=[number], sight=sight)
    with mode.active():
        yield
    if not is_imposed:
        raise laid_out_otherwise(trace.classifier.module, len(new))
