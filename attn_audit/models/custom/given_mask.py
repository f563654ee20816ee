"""An attention mask that a user's `encode` gives: what it holds at tokens, and at padding."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool
from torch import Tensor

from attn_audit.errors import ConfigurationError
from attn_audit.models.custom.arguments import Arguments
from attn_audit.models.custom.columns import TokenColumns
from attn_audit.models.interception.classifier import ModelInputs


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
            name: As the user says.
            arguments: Of a text, and of one of its tokens alone.
            columns: Where tokens stand.

        Raises:
            ConfigurationError: There is no such argument, or it is no mask of the columns.
        """
        given = dict(arguments.named())
        if name not in given:
            names = ", ".join(map(repr, given))
            raise _error(name, f"the adapter's encode returns no such argument (it has {names})")
        mask, holder = given[name], given[columns.name]
        if mask.shape != holder.shape[:2]:
            size = " x ".join(map(str, mask.shape))
            raise _error(
                name, f"it is {size}, and there are {len(holder)} x {holder.shape[1]} columns"
            )
        real = columns.real(holder, torch.zeros_like(mask, dtype=torch.bool))
        of_tokens, of_padding = torch.unique(mask[real]), torch.unique(mask[~real])
        if len(of_tokens) != 1 or len(of_padding) != 1 or bool(of_tokens == of_padding):
            raise _error(
                name, "it must have one value on all columns of a text and another on padding"
            )
        return GivenMask(name, of_padding[0])

    def hide(self, inputs: ModelInputs, hidden: Bool[Tensor, "batch position"]) -> ModelInputs:
        """The inputs with positions masked as padding is.

        Args:
            inputs: A batch.
            hidden: The positions.
        """
        if isinstance(self.name, int):
            arguments = list(inputs.arguments)
            arguments[self.name] = self._hidden(arguments[self.name], hidden)
            return replace(inputs, arguments=tuple(arguments))
        mask = self._hidden(inputs.keywords[self.name], hidden)
        return replace(inputs, keywords={**inputs.keywords, self.name: mask})

    def _hidden(self, mask: Tensor, hidden: Tensor) -> Tensor:
        return torch.where(hidden, self.of_padding, mask)


def _error(name: str | int, problem: str) -> ConfigurationError:
    return ConfigurationError(f"CustomModel: mask={name!r}: {problem}")
