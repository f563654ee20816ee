"""Where the batch is in what a module returns, and the same for a larger batch."""

from collections import OrderedDict, namedtuple
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.utils._pytree import tree_flatten, tree_unflatten

from attn_audit.models.interception.module_calls import (
    BatchAxis,
    UnknownLayoutError,
    batch_axes,
    map_batch,
    repeat,
)


def repeated(output: Callable[[Tensor], object], rows: Tensor, times: int) -> object:
    """What a module would return for repeated rows, from what it returns for the rows."""
    one_more = torch.cat([rows[:1], rows])
    axes = batch_axes(output(rows), output(one_more), len(rows), len(one_more))
    return map_batch(
        output(rows), axes, lambda tensor, axis: repeat(tensor, axis, len(rows), (7, 7), times)
    )


OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "batch first": lambda rows: rows[:, None] * torch.arange(1, 6),
    "batch second": lambda rows: rows[None, :] * torch.arange(1, 6)[:, None],
    "batch last": lambda rows: torch.ones(2, 3, 1) * rows,
    "heads folded into the batch": lambda rows: torch.stack([rows, -rows], dim=1).flatten(),
    "heads folded into a later axis": lambda rows: (
        torch.stack([rows, -rows, 2 * rows], dim=1).flatten() * torch.ones(2, 1)
    ),
}


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("times", [1, 3])
def test_repeated_output_is_the_output_for_repeated_rows(
    output: Callable[[Tensor], Tensor], times: int
) -> None:
    rows = torch.tensor([1.0, 2.0, 3.0])
    seen = repeated(output, rows, times)
    assert isinstance(seen, Tensor)
    assert torch.equal(seen, output(rows.repeat_interleave(times)))


def test_structures_keep_their_form_and_what_has_no_batch() -> None:
    bias = torch.ones(5)

    def output(rows: Tensor) -> dict[str, object]:
        return {"hidden": (rows[:, None], [rows * 2]), "bias": bias, "cache": None, "length": 7}

    rows = torch.tensor([1.0, 2.0])
    seen = repeated(output, rows, 2)
    expected = output(rows.repeat_interleave(2))
    assert isinstance(seen, dict)
    assert torch.equal(seen["hidden"][0], torch.tensor([[1.0], [1.0], [2.0], [2.0]]))
    assert torch.equal(seen["hidden"][1][0], torch.tensor([2.0, 2.0, 4.0, 4.0]))
    assert seen["bias"] is bias
    assert (seen["cache"], seen["length"]) == (expected["cache"], expected["length"])


def test_packed_sequences_are_repeated_row_by_row() -> None:
    lengths = torch.tensor([2, 4, 3])

    def output(rows: Tensor) -> tuple[PackedSequence, Tensor]:
        own = torch.cat([lengths[:1], lengths]) if len(rows) == 4 else lengths
        padded = rows[:, None, None] * torch.arange(1.0, 5)[:, None]
        return pack_padded_sequence(padded, own, batch_first=True, enforce_sorted=False), rows

    rows = torch.tensor([1.0, 2.0, 3.0])
    seen = repeated(output, rows, 2)
    assert isinstance(seen, tuple)
    padded, seen_lengths = pad_packed_sequence(seen[0], batch_first=True)
    own, _ = pad_packed_sequence(output(rows)[0], batch_first=True)
    assert torch.equal(padded, own.repeat_interleave(2, dim=0))
    assert torch.equal(seen_lengths, lengths.repeat_interleave(2))


def test_the_same_in_both_batches_has_no_batch_axis() -> None:
    assert batch_axes((torch.ones(3, 2), 5), (torch.ones(3, 2), 5), 3, 4) == (None, None)


def test_the_axis_and_its_entries_for_each_row_are_found() -> None:
    assert batch_axes(torch.ones(7, 6), torch.ones(7, 8), 3, 4) == (BatchAxis(1, 2),)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.ones(3, 3), torch.ones(4, 4)),
        (torch.ones(3), torch.ones(4, 1)),
        (torch.ones(5), torch.ones(6)),
        (torch.ones(3), (torch.ones(4),)),
        ({"a": torch.ones(3)}, {"b": torch.ones(4)}),
    ],
    ids=["two axes", "another number of axes", "no multiple", "another structure", "other keys"],
)
def test_what_depends_on_the_batch_otherwise_is_unknown(one: object, other: object) -> None:
    with pytest.raises(UnknownLayoutError):
        batch_axes(one, other, 3, 4)


@pytest.mark.parametrize(
    ("size", "n_rows", "n_now", "is_allowed"),
    [(12, 3, 9, True), (27, 3, 9, False), (36, 3, 12, False), (20, 5, 11, True), (8, 3, 9, False)],
)
def test_heads_in_the_batch_are_as_many_in_every_text(
    size: int, n_rows: int, n_now: int, is_allowed: bool
) -> None:
    assert BatchAxis(0, 4).allows(size, n_rows, (9, n_now)) == is_allowed


def test_positions_in_the_batch_are_as_many_as_the_batch_is_wide() -> None:
    folded = BatchAxis(0, 9)
    assert folded.allows(2 * 5, 2, (9, 5))
    assert not folded.allows(3 + 5, 2, (9, 5))  # of what is no padding alone


Pair = namedtuple("Pair", ["first", "second"])


def test_torch_has_tree_flatten_and_tree_unflatten() -> None:
    nested = [1, (2, {"a": 3}), OrderedDict(b=4), Pair(5, None)]
    leaves, structure = tree_flatten(nested)
    assert [leaf for leaf in leaves if leaf is not None] == [1, 2, 3, 4, 5]
    assert tree_unflatten(leaves, structure) == nested
