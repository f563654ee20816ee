"""The tokens that a module has embeddings of."""

from typing import Any

from torch import Tensor, nn

from attn_audit.models.interception.classifier import NeutralToken


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


def neutral_token(module: nn.Module, tokenizer: Any) -> NeutralToken | None:
    """The mask token, else the unknown one; None where there is neither, or it says something.

    Decoders' unknown token is often the marker at which a text ends.
    """
    named = {
        role: token
        for role, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    n_ids = vocabulary_size(module, tokenizer)
    for role, words in (("mask_token", "the mask token"), ("unk_token", "the unknown token")):
        spelling = named.pop(role, None)
        if spelling is None or spelling in named.values():
            continue
        token_id = tokenizer.convert_tokens_to_ids(spelling)
        if token_id is not None and 0 <= token_id < n_ids:
            return NeutralToken(f"{words} {spelling}", token_id)
    return None
