"""All calls of a user's own code stand here, so that its failures can be told from ours."""

from collections.abc import Sequence
from typing import Any

from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.interception.classifier import ModelInputs

TokenLists = Sequence[Sequence[str]]


def call_tokenize(custom: CustomModel, text: str) -> Any:
    """The user's tokens of a text; only where there is a `tokenize`."""
    assert custom.tokenize is not None
    return custom.tokenize(text)


def call_encode(custom: CustomModel, texts: TokenLists, second: TokenLists | None) -> Any:
    """What the user makes of token lists.

    Args:
        second: Tokens of the second texts; None for single texts.
    """
    lists = [list(tokens) for tokens in texts]
    if second is None:
        return custom.encode(lists)
    return custom.encode(lists, [list(tokens) for tokens in second])


def call_module(custom: CustomModel, inputs: ModelInputs, with_one_dict: bool) -> Any:
    """What the user's module returns.

    Args:
        with_one_dict: Whether it takes the named tensors as one dict.
    """
    if with_one_dict:
        return custom.module(dict(inputs.keywords))
    return custom.module(*inputs.arguments, **inputs.keywords)
