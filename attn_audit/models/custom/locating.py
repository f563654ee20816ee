"""Which columns of a module's inputs hold a text's tokens, found by trial."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, islice, pairwise

import torch
from torch import Tensor

from attn_audit.errors import ConfigurationError
from attn_audit.models.custom.arguments import Arguments
from attn_audit.models.custom.columns import TokenColumns

Encode = Callable[[Sequence[Sequence[str]], Sequence[Sequence[str]] | None], Arguments]

MAX_PAIRS = 256
"""Pairs of tokens among which one is sought that the module tells apart."""

MAX_TRIED = 8
"""Of them, until two have a column each."""


def find_columns(
    encode: Encode, texts: Sequence[Sequence[str]], second: Sequence[Sequence[str]] | None
) -> tuple[TokenColumns, str | None]:
    """Find the tokens by turning texts round and looking which columns change.

    Args:
        encode: The user's.
        texts: Tokens of some texts.
        second: Tokens of their second texts; None for single texts.

    Returns:
        Where they stand, and a token that has one column; None where no token is known.

    Raises:
        ConfigurationError: The tokens have no columns of their own, or it cannot be told which.
    """
    told_apart = list(islice(_told_apart(encode, texts, second), MAX_TRIED))
    if not told_apart:
        if _tells_tokens(encode, texts, second):
            raise _error()  # it knows them, and says nothing of their order
        return _as_wide_as_the_texts(encode, texts, second), None
    for one, other in told_apart:
        columns = _columns_of(encode, one, other, second)
        if columns is not None:
            return columns, other
    raise _error()


def _columns_of(
    encode: Encode, one: str, other: str, second: Sequence[Sequence[str]] | None
) -> TokenColumns | None:
    """Where two tokens stand, each in a column of its own; None where they do not."""
    probes = [[one, other, other, other], [one, other]]
    seconds = None if second is None else [second[0], second[0]]
    if second is not None:  # a third, with another second text
        probes.append(probes[0])
        seconds = [second[0], second[0], max(second, key=len)]
    forth = encode(probes, seconds)
    back = encode([probe[::-1] for probe in probes], seconds)
    for name, argument, turned in _changed(forth, back):
        starts = [
            _start(row, row_turned, len(probe))
            for row, row_turned, probe in zip(argument, turned, probes, strict=True)
        ]
        found = _columns(name, argument, starts, [len(probe) for probe in probes])
        if found is not None:
            return found
    return None


def _told_apart(
    encode: Encode, texts: Sequence[Sequence[str]], second: Sequence[Sequence[str]] | None
) -> Iterator[tuple[str, str]]:
    """Two tokens whose order shows in what `encode` returns: first those of the fewest letters.

    The longer a token is, the sooner `encode` splits it into pieces.
    """
    distinct = dict.fromkeys(token for tokens in texts for token in tokens)
    ordered = sorted(distinct, key=len)
    pairs = list(islice(_pairs(ordered), MAX_PAIRS))
    if not pairs:
        return
    seconds = None if second is None else [second[0]] * len(pairs)
    forth = encode([[one, other] for one, other in pairs], seconds)
    back = encode([[other, one] for one, other in pairs], seconds)
    for _, argument, turned in _changed(forth, back):
        differs = (argument != turned).reshape(len(pairs), -1).any(dim=1)
        told_apart = [pair for pair, is_so in zip(pairs, differs.tolist(), strict=True) if is_so]
        yield from told_apart
        return


def _pairs(ordered: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Neighbours, the shortest first; then all others."""
    yield from islice(pairwise(ordered), MAX_PAIRS // 2)
    yield from combinations(ordered, 2)


def _tells_tokens(
    encode: Encode, texts: Sequence[Sequence[str]], second: Sequence[Sequence[str]] | None
) -> bool:
    """Whether some token alone is not what another is."""
    distinct = list(dict.fromkeys(token for tokens in texts for token in tokens))[:MAX_PAIRS]
    seconds = None if second is None else [second[0]] * len(distinct)
    given = encode([[token] for token in distinct], seconds)
    return any(
        argument.dim() == 2
        and not argument.is_floating_point()
        and bool((argument != argument[:1]).any())
        for _, argument in given.named()
    )


def _changed(forth: Arguments, back: Arguments) -> Iterator[tuple[int | str, Tensor, Tensor]]:
    """The arguments with columns that differ between two calls."""
    turned = dict(back.named())
    # Of characters, tokens have columns of their own too: ids come first.
    for name, argument in sorted(forth.named(), key=lambda one: one[1].dim() != 2):
        other = turned.get(name)
        if other is None or argument.dim() < 2 or argument.shape != other.shape:
            continue
        if not torch.equal(argument, other):
            yield name, argument, other


def _start(row: Tensor, turned: Tensor, n_tokens: int) -> int | None:
    """The column where the tokens begin: they are what is the other way round.

    The outermost may look otherwise at a text's edge, as where its first word is spelt large.
    """
    changed = (row != turned).reshape(len(row), -1).any(dim=1).nonzero()[:, 0].tolist()
    if not changed:
        return None
    # The outermost columns that changed are as far from the first token as from the last.
    start, remainder = divmod(changed[0] + changed[-1] - n_tokens + 1, 2)
    tokens = slice(start, start + n_tokens)
    if remainder or not 0 <= start <= changed[0] or tokens.stop > len(row):
        return None
    inner = slice(start + 1, tokens.stop - 1)
    # The first of several tokens is unlike the others: else the text was turned round before.
    is_forwards = n_tokens == 2 or not torch.equal(row[start], row[start + 1])
    is_turned = torch.equal(row[inner].flip(0), turned[inner])
    return start if is_forwards and is_turned else None


def _columns(
    name: int | str, argument: Tensor, starts: Sequence[int | None], n_tokens: Sequence[int]
) -> TokenColumns | None:
    """The one rule that all starts follow; None where there is none."""
    found = [start for start in starts if start is not None]
    if len(found) < len(starts):
        return None
    behind = [argument.shape[1] - start - n for start, n in zip(found, n_tokens, strict=True)]
    for edges, is_right_aligned in ((found, False), (behind, True)):
        if len(set(edges)) == 1:
            # The first two differ in length alone: the shorter one's outermost column is padding.
            padding = argument[1, 0 if is_right_aligned else -1]
            columns = TokenColumns(name, edges[0], 0, is_right_aligned, padding)
            if len(starts) > 2:  # a second text may stand on the other side
                return columns
            return replace(columns, other_edge=_other_edge(columns, argument[:1], n_tokens[0]))
    return None


def _other_edge(columns: TokenColumns, row: Tensor, n_tokens: int) -> int:
    """Markers on the side of the padding."""
    holds_token = torch.zeros(row.shape[:2], dtype=torch.bool, device=row.device)
    start = row.shape[1] - columns.edge - n_tokens if columns.is_right_aligned else columns.edge
    holds_token[:, start : start + n_tokens] = True
    return int(columns.real(row, holds_token).sum()) - columns.edge - n_tokens


def _as_wide_as_the_texts(
    encode: Encode, texts: Sequence[Sequence[str]], second: Sequence[Sequence[str]] | None
) -> TokenColumns:
    """Where no token is known, nothing shows but the width: without markers, tokens are all."""
    longest = max(range(len(texts)), key=lambda i: len(texts[i]))
    for name, argument in encode(texts, second).named():
        if argument.dim() < 2 or argument.shape[1] != len(texts[longest]):
            continue
        shorter = [i for i, tokens in enumerate(texts) if len(tokens) < len(texts[longest])]
        if all(not torch.equal(argument[i, -1], argument[longest, -1]) for i in shorter):
            return TokenColumns(name, 0, 0, False, None)
    raise ConfigurationError(
        "it cannot be told where the adapter's encode puts a text's tokens: it makes the same of "
        "every token that was tried",
        hint="Name DATA whose first texts, the short ones too, hold words that the model knows.",
    )


def _error() -> ConfigurationError:
    return ConfigurationError(
        "the adapter's encode does not give every token of a text a column of its own, in the "
        "text's order and at the same distance from one end of every row",
        hint="Let tokenize split texts into what encode gives one column each, and return the rows "
        "in the order of the texts.",
    )
