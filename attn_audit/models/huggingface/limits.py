"""How many tokens a model takes."""

from typing import Any

from torch import nn

from attn_audit.errors import ConfigurationError

SANE = 10**9
"""Tokenizers that know no limit say 10^30."""


def max_length_of(
    module: nn.Module, tokenizer: Any, asked: int | None, takes_pairs: bool
) -> int | None:
    """Tokens after which a text is truncated, special tokens included; None where nothing limits.

    Args:
        module: A `transformers` model.
        tokenizer: Its tokenizer.
        asked: What the user wants; None for the most that tokenizer and model allow.
        takes_pairs: Whether two texts must have room.

    Raises:
        ConfigurationError: More than the model has positions for, or no room for any text.
    """
    positions = _n_positions(module)
    if asked is None:
        limits = [positions, tokenizer.model_max_length]
        return min(
            (int(n) for n in limits if isinstance(n, (int, float)) and 0 < n < SANE), default=None
        )
    if positions is not None and asked > positions:
        raise ConfigurationError(
            f"--max-length {asked}: the model has positions for {positions} tokens"
        )
    n_special = tokenizer.num_special_tokens_to_add(pair=takes_pairs)
    n_texts = 2 if takes_pairs else 1
    if asked < n_special + n_texts:
        raise ConfigurationError(
            f"--max-length {asked} leaves no room for a text: the tokenizer adds {n_special} "
            f"special tokens, so at least {n_special + n_texts} are needed"
        )
    return asked


def _n_positions(module: nn.Module) -> int | None:
    """What the configuration says, less the rows that a position table keeps for padding."""
    config: Any = module.config
    limit = getattr(config, "max_position_embeddings", None)
    if limit is None:
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    for name, table in module.named_modules():
        if isinstance(table, nn.Embedding) and "position" in name and table.padding_idx is not None:
            return min(limit, table.num_embeddings - table.padding_idx - 1)
    return limit
