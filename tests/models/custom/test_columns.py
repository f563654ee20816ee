"""Where a text's tokens stand in what a user's `encode` returns is found, or said to be unclear."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.errors import ConfigurationError
from attn_audit.models.custom.columns import TokenColumns, find_columns
from attn_audit.models.custom.encoding import arguments_of
from attn_audit.models.interception.classifier import Arguments
from tests.models.custom.toys import CPU, PAD, TEXTS, pad_ids
from tests.tiny import WORDS

TOKENS = [text.split() for text in TEXTS]


def found(
    encode: Callable[..., Any],
    texts: Sequence[Sequence[str]] = TOKENS,
    second: Sequence[Sequence[str]] | None = None,
) -> TokenColumns:
    def as_arguments(
        first: Sequence[Sequence[str]], other: Sequence[Sequence[str]] | None
    ) -> Arguments:
        given = encode(first) if other is None else encode(first, other)
        return arguments_of(given, len(first), CPU)

    return find_columns(as_arguments, texts, second)[0]


@given(
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    left=st.booleans(),
    width=st.sampled_from([0, 20]),
    texts=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9), min_size=1),
)
def test_markers_and_padding_are_told_from_tokens(
    before: int, after: int, left: bool, width: int, texts: list[list[str]]
) -> None:
    encode = partial(pad_ids, before=before, after=after, left=left, width=width)
    columns = found(encode, [*texts, ["w5", "w6"]])
    assert columns.is_right_aligned == left
    assert (columns.edge, columns.other_edge) == ((after, before) if left else (before, after))
    ids = encode(texts)
    n_tokens = torch.tensor([len(tokens) for tokens in texts])
    starts = columns.starts(ids.shape[1], n_tokens)
    holds_token = torch.zeros(ids.shape, dtype=torch.bool)
    for i, (start, n) in enumerate(zip(starts.tolist(), n_tokens.tolist(), strict=True)):
        assert (
            ids[i, start : start + n].tolist() == pad_ids([texts[i]], before=0, after=0)[0].tolist()
        )
        holds_token[i, start : start + n] = True
    assert torch.equal(columns.real(ids, holds_token), ids != PAD)


def test_the_tensor_that_holds_them_may_be_any() -> None:
    def encode(texts: list[list[str]]) -> dict[str, torch.Tensor]:
        ids = pad_ids(texts)
        return {"lengths": (ids != PAD).sum(dim=1), "mask": ids != PAD, "ids": ids}

    assert found(encode).name == "ids"


def test_embeddings_have_columns_too() -> None:
    table = torch.rand(50, 3, generator=torch.Generator().manual_seed(0))
    columns = found(lambda texts: (torch.zeros(len(texts)), table[pad_ids(texts)]))
    assert (columns.name, columns.edge) == (1, 1)


def test_the_first_word_of_a_text_may_be_spelt_otherwise() -> None:
    def encode(texts: list[list[str]]) -> torch.Tensor:
        ids = pad_ids(texts)
        ids[:, 1] += 1000
        return ids

    columns = found(encode)
    assert (columns.edge, columns.other_edge) == (1, 1)


@pytest.mark.parametrize("left", [False, True])
def test_the_second_text_may_stand_behind_the_first(left: bool) -> None:
    def encode(texts: list[list[str]], second: list[list[str]]) -> torch.Tensor:
        both = [[*one, "and", *two] for one, two in zip(texts, second, strict=True)]
        return pad_ids(both, left=left)

    second = [["w5"], ["w6", "w7", "w8"], ["w9"], ["w5", "w5"]]
    if left:  # then the tokens stand at another distance from the end in every row
        with pytest.raises(ConfigurationError, match="a column of its own"):
            found(encode, second=second)
    else:
        assert found(encode, second=second).edge == 1


def sorted_by_length(texts: list[list[str]]) -> torch.Tensor:
    return pad_ids(sorted(texts, key=len))


def pairs_of_tokens(texts: list[list[str]]) -> torch.Tensor:
    ids = pad_ids(texts, before=0, after=0)
    return ids[:, :-1] * 100 + ids[:, 1:]


def every_other_column(texts: list[list[str]]) -> torch.Tensor:
    return pad_ids(texts).repeat_interleave(2, dim=1)


def backwards(texts: list[list[str]]) -> torch.Tensor:
    return pad_ids([tokens[::-1] for tokens in texts])


@pytest.mark.parametrize(
    "encode", [sorted_by_length, pairs_of_tokens, every_other_column, backwards]
)
def test_tokens_without_columns_of_their_own_are_refused(encode: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match="does not give every token of a text a column"):
        found(encode)


def test_unknown_tokens_alone_have_places_where_there_are_no_markers() -> None:
    unknown = [["a", "b", "c"], ["d"]]
    columns = found(partial(pad_ids, before=0, after=0), unknown)
    assert (columns.edge, columns.is_right_aligned) == (0, False)


@pytest.mark.parametrize("settings", [{}, {"before": 0, "after": 0, "left": True}])
def test_else_unknown_tokens_tell_nothing(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="it cannot be told where") as caught:
        found(partial(pad_ids, **settings), [["a", "b", "c"], ["d"]])
    assert "DATA" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned a NoneType as argument 0"),
        ([[1, 2]], "returned a list as argument 0"),
        ({"ids": [1, 2]}, "returned a list as 'ids'"),
        (torch.zeros(7, 3), "returned a tensor of 7 x 3 as argument 0, for 2 texts"),
        (torch.tensor(3), "returned a tensor of no axis as argument 0"),
    ],
)
def test_what_is_no_tensor_of_rows_is_refused(returned: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        arguments_of(returned, 2, CPU)
