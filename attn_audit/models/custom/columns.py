"""Which columns of a module's inputs hold a text's tokens, by its mask or found by trial.

A token has one column, or one for each of its pieces.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, islice, pairwise

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.compatibility import place
from attn_audit.models.custom.encoding import Arguments, TextEncoded
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.quoting import quoted


@dataclass(frozen=True)
class TokenColumns:
    """Where a text's tokens stand, side by side and in their order."""

    name: int | str
    """The argument."""
    edge: int
    """Columns between the tokens and the end of the row that they are aligned with."""
    other_edge: int
    """Columns that stand on their other side, at least."""
    is_right_aligned: bool
    """Whether padding stands in front."""
    padding: Tensor | None
    """What a column of padding holds, where that is known."""

    def starts(self, n_columns: int, n_tokens: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        """The column of each text's first token; negative where tokens are missing."""
        if self.is_right_aligned:
            starts = n_columns - self.edge - n_tokens
            missing = starts < self.other_edge
        else:
            starts = torch.full_like(n_tokens, self.edge)
            missing = starts + n_tokens + self.other_edge > n_columns
        return starts.masked_fill(missing, -1)

    def real(
        self, argument: Tensor, holds_token: Bool[Tensor, "batch column"]
    ) -> Bool[Tensor, "batch column"]:
        """The columns that are no padding: tokens, markers, a second text.

        Args:
            argument: The one that holds the tokens.
        """
        if self.padding is None:
            return holds_token
        differs = (argument != self.padding).reshape(*argument.shape[:2], -1).any(dim=2)
        content = (differs | holds_token).int()
        if self.is_right_aligned:
            return content.cumsum(dim=1) > 0
        return content.flip(1).cumsum(dim=1).flip(1) > 0


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
        second: Tokens of their second texts; None for single texts.

    Returns:
        Where they stand, and a token that has one column; None where no token is known.

    Raises:
        ConfigurationError: The tokens have no columns of their own, or it cannot be told which.
    """
    told_apart = list(islice(_told_apart(encode, texts, second), MAX_TRIED))
    if not told_apart:
        if _tells_tokens(encode, texts, second):
            raise _columns_error()  # it knows them, and says nothing of their order
        return _as_wide_as_the_texts(encode, texts, second), None
    for one, other in told_apart:
        columns = _columns_of(encode, one, other, second)
        if columns is not None:
            return columns, other
    raise _columns_error()


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


def _columns_error() -> ConfigurationError:
    return ConfigurationError(
        "the adapter's encode does not give every token of a text a column of its own, in the "
        "text's order and at the same distance from one end of every row",
        hint="Let tokenize split texts into what encode gives one column each, and return the rows "
        "in the order of the texts.",
    )


@dataclass(frozen=True)
class GivenMask:
    """One of the arguments, with one value on everything that is no padding, and another on it."""

    name: str | int
    of_padding: Tensor
    """Its value there: 0, False, or True where the mask marks what is hidden."""

    @staticmethod
    def of(name: str | int, arguments: Arguments, columns: TokenColumns) -> "GivenMask":
        """Find out which value hides.

        Args:
            arguments: Of a text, and of one of its tokens alone.

        Raises:
            ConfigurationError: There is no such argument, or it is no mask of the columns.
        """
        given = dict(arguments.named())
        if name not in given:
            names = ", ".join(map(repr, given))
            raise _mask_error(
                name, f"the adapter's encode returns no such argument (it has {names})"
            )
        mask, holder = given[name], given[columns.name]
        if mask.shape != holder.shape[:2]:
            size = " x ".join(map(str, mask.shape))
            raise _mask_error(
                name, f"it is {size}, and there are {len(holder)} x {holder.shape[1]} columns"
            )
        real = columns.real(holder, torch.zeros_like(mask, dtype=torch.bool))
        of_tokens, of_padding = torch.unique(mask[real]), torch.unique(mask[~real])
        if len(of_tokens) != 1 or len(of_padding) != 1 or bool(of_tokens == of_padding):
            raise _mask_error(
                name, "it must have one value on all columns of a text and another on padding"
            )
        return GivenMask(name, of_padding[0])

    def hide(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        """The inputs with positions masked as padding is."""
        if isinstance(self.name, int):
            arguments = list(inputs.arguments)
            arguments[self.name] = self._hidden(arguments[self.name], hidden)
            return replace(inputs, arguments=tuple(arguments))
        mask = self._hidden(inputs.keywords[self.name], hidden)
        return replace(inputs, keywords={**inputs.keywords, self.name: mask})

    def _hidden(self, mask: Tensor, hidden: Tensor) -> Tensor:
        return torch.where(hidden, self.of_padding, mask)


def _mask_error(name: str | int, problem: str) -> ConfigurationError:
    return ConfigurationError(f"CustomModel: mask={name!r}: {problem}")


EncodeAlone = Callable[[Sequence[Sequence[str]]], Arguments]
"""The user's `encode`, of pairs always with the same second text."""


class Pieces:
    """What `encode` makes of each token by itself, found when the token is first met.

    What a text gets is held against it: a token that is split elsewhere, dropped or moved would
    shift all weights behind it.
    """

    def __init__(
        self, encode: EncodeAlone, columns: TokenColumns, probe: str | None, is_pair: bool
    ) -> None:
        """Nothing is known yet.

        Args:
            columns: Where a text's columns begin.
            probe: A token that has one column; None where every token is taken to have one.
            is_pair: Whether a second text, of another length, may stand in the same row.
        """
        self._encode, self._columns, self._is_pair = encode, columns, is_pair
        self._content: dict[str, Tensor] = {}
        self._n_others = 0
        self._has_pieces = probe is not None
        if probe is not None:
            self._n_others = int(self._n_real(self._rows([probe]), [1])[0]) - 1
            self.learn([probe])

    def learn(self, tokens: Iterable[str]) -> None:
        """Look tokens up that were not met before.

        Raises:
            ConfigurationError: A token has no column.
        """
        new = [token for token in dict.fromkeys(tokens) if token not in self._content]
        if not new or not self._has_pieces:
            return
        rows = self._rows(new)
        counts = self._n_real(rows, [1] * len(new)).cpu() - self._n_others
        starts = self._columns.starts(rows.shape[1], counts)
        for token, row, start, n in zip(
            new, rows.cpu(), starts.tolist(), counts.tolist(), strict=True
        ):
            if n < 1 or start < 0:
                raise ConfigurationError(
                    f"the adapter's encode gives the token {quoted(token)} no column",
                    hint="Let tokenize leave out what encode leaves out.",
                )
            self._content[token] = row[start : start + n]

    def _rows(self, tokens: Sequence[str]) -> Tensor:
        return self._encode([[token] for token in tokens])[self._columns.name]

    def _n_real(self, holder: Tensor, n_columns: Sequence[int]) -> Tensor:
        """Columns of each row that are no padding: at least those of its tokens."""
        wanted = torch.tensor(n_columns)
        starts = self._columns.starts(holder.shape[1], wanted)
        offset = torch.arange(holder.shape[1]) - starts.unsqueeze(1)
        holds_token = (offset >= 0) & (offset < wanted.unsqueeze(1))
        return self._columns.real(holder, holds_token.to(holder.device)).sum(dim=1)

    def units(self, text: TextEncoded) -> tuple[int, ...]:
        """The unit of each of a text's columns, its markers left out."""
        if not self._has_pieces:
            return text.unit_of_token
        pairs = zip(text.tokens, text.unit_of_token, strict=True)
        return tuple(unit for token, unit in pairs for _ in range(len(self._content[token])))

    def may_stand_for(self, one: str, other: str) -> bool:
        """Whether a token has as many columns as another, and other content."""
        if not self._has_pieces:
            return one != other
        found, own = self._content[one], self._content[other]
        return found.shape == own.shape and not torch.equal(found, own)

    def require(self, texts: Sequence[TextEncoded], holder: Tensor) -> None:
        """Refuse texts whose columns are not those of their tokens, one behind the other.

        Args:
            holder: The argument that holds their tokens.

        Raises:
            IncompatibleDataError: A text has more or fewer columns, or has them in another order.
        """
        if not self._has_pieces:
            return
        n_columns = [sum(len(self._content[token]) for token in text.tokens) for text in texts]
        starts = self._columns.starts(holder.shape[1], torch.tensor(n_columns)).tolist()
        n_real, rows = self._n_real(holder, n_columns).tolist(), holder.cpu()
        for i, text in enumerate(texts):
            n_expected = n_columns[i] + self._n_others
            if n_real[i] != n_expected and not self._is_pair:
                what = f"returns {n_real[i]} columns, and its tokens by themselves have "
                raise _not_its_own(text, f"{what}{n_expected}")
            found = rows[i, starts[i] :][: n_columns[i]]
            if text.tokens and self._is_moved(text, found):
                raise _not_its_own(text, "puts its tokens in another order")
            if text.tokens and self._is_padded(text, found):
                raise _not_its_own(text, "gives its tokens fewer columns than each by itself")

    def _is_padded(self, text: TextEncoded, found: Tensor) -> bool:
        """Whether padding stands where a token was to stand that is none."""
        if found.dim() != 1 or self._columns.padding is None:
            return False
        padding = self._columns.padding.cpu()
        whole = torch.cat([self._content[token] for token in text.tokens])
        return bool(((found == padding) & (whole != padding)).any())

    def _is_moved(self, text: TextEncoded, found: Tensor) -> bool:
        """Whether the columns are the right ones in another order.

        Others may be right: a text's first word may have another spelling.
        """
        expected = [self._content[token] for token in text.tokens]
        if found.dim() != 1:
            return False
        whole = torch.cat(expected)
        if torch.equal(found, whole):
            return False
        return torch.equal(found.sort().values, whole.sort().values)


def _not_its_own(text: TextEncoded, what: str) -> IncompatibleDataError:
    return IncompatibleDataError(
        place(text.example),
        f"the adapter's encode {what}: it cannot be told which column is whose",
        hint="Let tokenize split texts into what encode gives columns of their own, the same in "
        "every text, and return the rows in the order of the texts.",
    )


def with_markers(units: tuple[int, ...], columns: TokenColumns) -> tuple[int, ...]:
    """The unit of each of a text's columns, with the markers around it.

    Args:
        units: Of the columns of its tokens.
        columns: How many stand around them.
    """
    edges = (NOT_AUDITED,) * columns.edge, (NOT_AUDITED,) * columns.other_edge
    front, back = edges[::-1] if columns.is_right_aligned else edges
    return front + units + back
