"""What a user may say about a HuggingFace model beside its name."""

from dataclasses import dataclass

import torch

from attn_audit.models.units.base import UnitName


@dataclass(frozen=True, slots=True)
class LoadingOptions:
    """How a model is loaded and its texts are split.

    Args:
        trust_remote_code: Run the code that the checkpoint holds.
        revision: Branch, tag or commit on the hub; None for the default branch.
        dtype: Of the weights and the computation.
        max_length: Tokens after which a text is truncated; None for what the model allows.
        is_binary: A one-output head is one sigmoid, not a regression.
        unit: What is audited: tokens, or words with all their tokens.
        takes_pairs: Whether examples have a second text.
    """

    trust_remote_code: bool = False
    revision: str | None = None
    dtype: torch.dtype = torch.float32
    max_length: int | None = None
    is_binary: bool = False
    unit: UnitName = "token"
    takes_pairs: bool = False
