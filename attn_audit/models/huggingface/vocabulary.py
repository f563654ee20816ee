"""The tokens that a module has embeddings of."""

from typing import Any

from torch import Tensor, nn


def embedding_table(module: nn.Module) -> Tensor | None:
    """The weights that token ids are looked up in; None where there is no one such table.

    Args:
        module: A `transformers` model.
    """
    model: Any = module
    try:
        weights = getattr(model.get_input_embeddings(), "weight", None)
    except NotImplementedError:  # several tables, as of characters' hashes
        return None
    return weights if isinstance(weights, Tensor) and weights.dim() == 2 else None


def vocabulary_size(module: nn.Module, tokenizer: Any) -> int:
    """How many token ids the module takes."""
    table = embedding_table(module)
    return int(tokenizer.vocab_size) if table is None else len(table)
