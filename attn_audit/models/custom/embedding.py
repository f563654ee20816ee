"""The table that a user's module looks its tokens up in."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.errors import ConfigurationError
from attn_audit.models.custom.custom_model import CustomModel


def find_table(custom: CustomModel, ids: Tensor, call: Callable[[], object]) -> Tensor | None:
    """The weights of the embedding that is named, or of the one that is asked for the ids.

    Args:
        custom: What the user says.
        ids: What holds one text's tokens.
        call: Runs the module on them.

    Returns:
        None where no embedding is asked for them.

    Raises:
        ConfigurationError: Several are, and none is named.
    """
    if custom.embedding is not None:
        return custom.embedding_table()
    tables = {id(module.weight): module.weight for module in _asked(custom, ids, call)}
    if len(tables) > 1:
        names = [name for name, m in custom.module.named_modules() if _weight_id(m) in tables]
        raise ConfigurationError(
            f"the module looks its tokens up in several tables: {', '.join(names)}",
            hint='Name the one that gradients are to be taken at: embedding="...".',
        )
    return next(iter(tables.values()), None)


@torch.no_grad()
def _asked(custom: CustomModel, ids: Tensor, call: Callable[[], object]) -> list[nn.Embedding]:
    """The embeddings that are called with the ids, turned or not, forwards or from their end."""
    asked: list[nn.Embedding] = []

    def note(module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        given = args[0] if args and isinstance(args[0], Tensor) else None
        orders = (given, given.T, given.flip(1)) if given is not None and given.dim() == 2 else ()
        if any(_equal(ids, order) for order in orders):
            assert isinstance(module, nn.Embedding)
            asked.append(module)

    embeddings = [m for m in custom.module.modules() if isinstance(m, nn.Embedding)]
    handles = [module.register_forward_hook(note) for module in embeddings]
    try:
        call()
    finally:
        for handle in handles:
            handle.remove()
    return asked


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _weight_id(module: nn.Module) -> int | None:
    return id(module.weight) if isinstance(module, nn.Embedding) else None
