"""What a user's `encode` returns, as the arguments of a call."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.errors import ConfigurationError


@dataclass(frozen=True)
class Arguments:
    """Tensors by position and by name, the batch axis first."""

    by_position: tuple[Tensor, ...]
    by_name: Mapping[str, Tensor]
    is_one_dict: bool = False
    """Whether the module is to be called with one dict, and not with keywords."""

    @staticmethod
    def of(given: object, n_texts: int, device: torch.device) -> "Arguments":
        """Take what `encode` returned.

        Args:
            given: A tensor, a tuple of tensors, a dict of them, or a tuple that holds one dict.
            n_texts: How many texts it was called with.
            device: Where the module is.

        Raises:
            ConfigurationError: It is something else, or its first axis is not the texts'.
        """
        by_position: tuple[Any, ...] = ()
        by_name: dict[str, Any] = {}
        is_one_dict = False
        if isinstance(given, tuple | list) and len(given) == 1 and isinstance(given[0], Mapping):
            given, is_one_dict = given[0], True
        if isinstance(given, Mapping):
            by_name = dict(given)
        elif isinstance(given, tuple | list):
            by_position = tuple(given)
        else:
            by_position = (given,)
        for place, value in enumerate(by_position):
            _require_rows(f"argument {place}", value, n_texts)
        for name, value in by_name.items():
            _require_rows(repr(name), value, n_texts)
        return Arguments(
            tuple(tensor.to(device) for tensor in by_position),
            {name: tensor.to(device) for name, tensor in by_name.items()},
            is_one_dict,
        )

    def __getitem__(self, name: int | str) -> Tensor:
        return self.by_position[name] if isinstance(name, int) else self.by_name[name]

    def named(self) -> Iterator[tuple[int | str, Tensor]]:
        """All of them, with position or name."""
        yield from enumerate(self.by_position)
        yield from self.by_name.items()


def takes_one_dict(module: nn.Module, arguments: Arguments) -> bool:
    """Whether a module is called with one dict: where its `forward` does not take the names.

    Args:
        module: The user's.
        arguments: What `encode` returns.
    """
    if arguments.is_one_dict or arguments.by_position:
        return arguments.is_one_dict
    signature = inspect.signature(module.forward)
    try:
        signature.bind(**arguments.by_name)
    except TypeError:
        return _binds(signature, arguments.by_name)
    return False


def _binds(signature: inspect.Signature, argument: object) -> bool:
    try:
        signature.bind(argument)
    except TypeError:
        return False
    return True


def _require_rows(place: str, value: object, n_texts: int) -> None:
    if not isinstance(value, Tensor):
        problem = f"a {type(value).__name__} as {place}"
    elif value.shape[:1] != (n_texts,):
        size = " x ".join(map(str, value.shape)) or "no axis"
        problem = f"a tensor of {size} as {place}, for {n_texts} texts"
    else:
        return
    raise ConfigurationError(
        f"the adapter's encode returned {problem}",
        hint="Return a tensor, a tuple of tensors or a dict of tensors, padded, with one row for "
        "each text; a tuple that holds one dict calls the module with that dict.",
    )
