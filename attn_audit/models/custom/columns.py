"""Which columns of a module's inputs hold the tokens of a text."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor


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
        """The column of each text's first token; negative where tokens are missing.

        Args:
            n_columns: Of the argument.
            n_tokens: Of each text.
        """
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
            holds_token: Its columns that do.
        """
        if self.padding is None:
            return holds_token
        differs = (argument != self.padding).reshape(*argument.shape[:2], -1).any(dim=2)
        content = (differs | holds_token).int()
        if self.is_right_aligned:
            return content.cumsum(dim=1) > 0
        return content.flip(1).cumsum(dim=1).flip(1) > 0
