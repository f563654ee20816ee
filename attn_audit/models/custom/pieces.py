"""The columns that `encode` gives a token: one, or one for each of its pieces."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from attn_audit.data.quoting import quoted
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.custom.arguments import Arguments
from attn_audit.models.custom.columns import TokenColumns
from attn_audit.models.custom.encoding import TextEncoded
from attn_audit.models.fitting import place
from attn_audit.models.interception.classifier import NOT_AUDITED

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
            encode: The user's.
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
            texts: Of a batch.
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
