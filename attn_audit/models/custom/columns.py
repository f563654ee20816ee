"""Which columns of a module's inputs hold a text's tokens, by its mask or found by trial.

A token has one column, or one for each of its pieces.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, compress, islice, pairwise

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.custom.custom_model import TokenLists
from attn_audit.models.custom.encoding import EncodedText
from attn_audit.models.interception.classifier import NOT_AUDITED, Arguments, ModelInputs
from attn_audit.models.task import place
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

    def tokens(
        self, n_columns: int, n_tokens: Int[Tensor, " batch"]
    ) -> Int[Tensor, "batch column"]:
        """Which of its text's tokens each column holds; negative where none."""
        offsets = torch.arange(n_columns) - self.starts(n_columns, n_tokens).unsqueeze(1)
        return offsets.masked_fill(offsets >= n_tokens.unsqueeze(1), -1)

    def real(
        self, argument: Tensor, holds_token: Bool[Tensor, "batch column"]
    ) -> Bool[Tensor, "batch column"]:
        """The columns that are no padding: tokens, markers, a second text."""
        if self.padding is None:
            return holds_token
        differs = (argument != self.padding).reshape(*argument.shape[:2], -1).any(dim=2)
        content = (differs | holds_token).int()
        if self.is_right_aligned:
            return content.cumsum(dim=1) > 0
        return content.flip(1).cumsum(dim=1).flip(1) > 0

    def n_real(self, argument: Tensor, n_tokens: Sequence[int]) -> Int[Tensor, " batch"]:
        """How many columns of each row are no padding: at least those of its tokens."""
        holds_token = self.tokens(argument.shape[1], torch.tensor(n_tokens)) >= 0
        return self.real(argument, holds_token.to(argument.device)).sum(dim=1)

    def with_markers(self, units: tuple[int, ...]) -> tuple[int, ...]:
        """The unit of each of a text's columns, from those of its tokens."""
        edges = (NOT_AUDITED,) * self.edge, (NOT_AUDITED,) * self.other_edge
        front, back = edges[::-1] if self.is_right_aligned else edges
        return front + units + back


Encode = Callable[[TokenLists, TokenLists | None], Arguments]

EncodeAlone = Callable[[TokenLists], Arguments]
"""The user's `encode`, of pairs always with the same second text."""

MAX_PAIRS = 256
"""Pairs of tokens among which one is sought that the module tells apart."""

MAX_TRIED = 8
"""Of them, until two have a column each."""


def find_columns(
    encode: Encode, texts: TokenLists, second: TokenLists | None
) -> tuple[TokenColumns, str | None]:
    """Find the tokens by turning texts round and looking which columns change.

    Returns:
        Where they stand, and a token that has one column; None where no token is known.

    Raises:
        ConfigurationError: The tokens have no columns of their own, or it cannot be told which.
    """

    def alone(tokens: TokenLists) -> Arguments:
        return encode(tokens, None if second is None else [second[0]] * len(tokens))

    distinct = list(dict.fromkeys(token for tokens in texts for token in tokens))
    told_apart = _told_apart(alone, distinct)
    if not told_apart and not _tells_tokens(alone, distinct):
        return _as_wide_as_the_texts(encode(texts, second), texts), None
    for one, other in told_apart:
        columns = _columns_of(encode, one, other, second)
        if columns is not None:
            return columns, other
    raise ConfigurationError(
        "the adapter's encode does not give every token of a text a column of its own, in the "
        "text's order and at the same distance from one end of every row",
        hint="Let tokenize split texts into what encode gives one column each, and return the rows "
        "in the order of the texts.",
    )


def _columns_of(
    encode: Encode, one: str, other: str, second: TokenLists | None
) -> TokenColumns | None:
    """Where two tokens stand, each in a column of its own; None where they do not."""
    probes = [[one, other, other, other], [one, other]]
    seconds = None
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


def _told_apart(encode: EncodeAlone, distinct: Sequence[str]) -> list[tuple[str, str]]:
    """Two tokens whose order shows in what `encode` returns: first those of the fewest letters.

    The longer a token is, the sooner `encode` splits it into pieces.
    """
    ordered = sorted(distinct, key=len)
    neighbours = islice(pairwise(ordered), MAX_PAIRS // 2)
    pairs = list(islice(chain(neighbours, combinations(ordered, 2)), MAX_PAIRS))
    if not pairs:
        return []
    changed = _changed(encode(pairs), encode([pair[::-1] for pair in pairs]))
    for _, argument, turned in islice(changed, 1):
        differs = (argument != turned).reshape(len(pairs), -1).any(dim=1)
        return list(compress(pairs, differs.tolist()))[:MAX_TRIED]
    return []


def _tells_tokens(encode: EncodeAlone, distinct: Sequence[str]) -> bool:
    """Whether some token alone is not what another is: then their order is what is not told."""
    return any(
        argument.dim() == 2
        and not argument.is_floating_point()
        and bool((argument != argument[:1]).any())
        for _, argument in encode([[token] for token in distinct[:MAX_PAIRS]]).named()
    )


def _changed(forth: Arguments, back: Arguments) -> Iterator[tuple[int | str, Tensor, Tensor]]:
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
            n_markers = int(columns.n_real(argument[:1], n_tokens[:1])) - n_tokens[0]
            return replace(columns, other_edge=n_markers - edges[0])
    return None


def _as_wide_as_the_texts(given: Arguments, texts: TokenLists) -> TokenColumns:
    """Where no token is known, nothing shows but the width: without markers, tokens are all."""
    longest = max(range(len(texts)), key=lambda i: len(texts[i]))
    for name, argument in given.named():
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


@dataclass(frozen=True)
class GivenMask:
    """One of the arguments, with one value on everything that is no padding, and another on it."""

    name: str | int
    of_padding: Tensor
    """Its value there: 0, False, or True where the mask marks what is hidden."""

    @staticmethod
    def of(name: str | int, arguments: Arguments, columns: TokenColumns) -> "GivenMask":
        """Find out which value hides.

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
        mask = torch.where(hidden, self.of_padding, inputs[self.name])
        return inputs.with_argument(self.name, mask)


def _mask_error(name: str | int, problem: str) -> ConfigurationError:
    return ConfigurationError(f"CustomModel: mask={name!r}: {problem}")


UNHEARD_OF = ("zvqxjwkq", "qjxkvwzj")
"""Words that no vocabulary has."""


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
            probe: A token that has one column; None where every token is taken to have one.
            is_pair: Whether a second text, of another length, may stand in the same row.
        """
        self._encode, self._columns, self._is_pair = encode, columns, is_pair
        self._content: dict[str, Tensor] = {}
        self._n_others = 0
        self._has_pieces = probe is not None
        if probe is not None:
            self._n_others = int(self._columns.n_real(self._rows([probe]), [1])[0]) - 1
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
        counts = self._columns.n_real(rows, [1] * len(new)).cpu() - self._n_others
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

    def units(self, text: EncodedText) -> tuple[int, ...]:
        """The unit of each of a text's columns, its markers left out."""
        if not self._has_pieces:
            return text.unit_of_token
        pairs = zip(text.tokens, text.unit_of_token, strict=True)
        return tuple(unit for token, unit in pairs for _ in range(len(self._content[token])))

    def unknown_id(self) -> int | None:
        """The id of every token that nobody knows; None where two such have none in common."""
        if not self._has_pieces:
            return None
        try:
            self.learn(UNHEARD_OF)
        except Exception:
            return None
        one, other = (self._content[token] for token in UNHEARD_OF)
        padding = self._columns.padding
        is_id = one.shape == (1,) and not one.is_floating_point() and torch.equal(one, other)
        if not is_id or (padding is not None and torch.equal(one[0], padding.cpu())):
            return None
        return int(one)

    def may_stand_for(self, one: str, other: str) -> bool:
        """Whether a token has as many columns as another, and other content."""
        if not self._has_pieces:
            return one != other
        found, own = self._content[one], self._content[other]
        return found.shape == own.shape and not torch.equal(found, own)

    def require(self, texts: Sequence[EncodedText], holder: Tensor) -> None:
        """Refuse texts whose columns are not those of their tokens, one behind the other.

        Raises:
            IncompatibleDataError: A text has more or fewer columns, or has them in another order.
        """
        if not self._has_pieces:
            return
        n_columns = [sum(len(self._content[token]) for token in text.tokens) for text in texts]
        starts = self._columns.starts(holder.shape[1], torch.tensor(n_columns)).tolist()
        n_real, rows = self._columns.n_real(holder, n_columns).tolist(), holder.cpu()
        for i, text in enumerate(texts):
            n_expected = n_columns[i] + self._n_others
            what = f"returns {n_real[i]} columns, and its tokens by themselves have {n_expected}"
            problem: str | None = what
            if n_real[i] == n_expected or self._is_pair:
                problem = self._problem(text, rows[i, starts[i] :][: n_columns[i]])
            if problem is not None:
                raise IncompatibleDataError(
                    place(text.example),
                    f"the adapter's encode {problem}: it cannot be told which column is whose",
                    hint="Let tokenize split texts into what encode gives columns of their own, "
                    "the same in every text, and return the rows in the order of the texts.",
                )

    def _problem(self, text: EncodedText, found: Tensor) -> str | None:
        """What `encode` did to the tokens, where they are the right ones; else nothing is told.

        Others may be right: a text's first word may have another spelling.
        """
        if found.dim() != 1 or not text.tokens:
            return None
        whole = torch.cat([self._content[token] for token in text.tokens])
        if torch.equal(found, whole):
            return None
        if torch.equal(found.sort().values, whole.sort().values):
            return "puts its tokens in another order"
        padding = self._columns.padding
        if padding is not None and bool(
            ((found == padding.cpu()) & (whole != padding.cpu())).any()
        ):
            return "gives its tokens fewer columns than each by itself"
        return None
