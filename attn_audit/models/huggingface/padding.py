"""Sequences of different lengths in one batch, and the id that stands where none is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.huggingface.vocabulary import vocabulary_size

Side = Literal["right", "left"]
"""Where padding goes."""


@dataclass(frozen=True, slots=True)
class Padding:
    """What a model and its tokenizer say about padding."""

    own_id: int | None
    """The id that the model's configuration names, if it names one that the model has."""
    tokenizer_id: int | None
    type_id: int
    n_ids: int
    """The model's vocabulary."""

    @staticmethod
    def of(module: nn.Module, tokenizer: Any) -> "Padding":
        """From a model's configuration and its tokenizer."""
        config: Any = module.config
        n_ids = vocabulary_size(module, tokenizer)
        own = config.get_text_config().pad_token_id
        return Padding(
            own_id=own if own is not None and 0 <= own < n_ids else None,
            tokenizer_id=tokenizer.pad_token_id,
            type_id=tokenizer.pad_token_type_id,
            n_ids=n_ids,
        )

    def id_for(self, token_ids: Int[Tensor, " token"]) -> int:
        """The padding id of a batch: the model's own, else one that no text holds.

        Decoders read at the last token that is no padding, wherever the texts hold that id.

        Args:
            token_ids: Of all the batch's texts.

        Raises:
            UnsupportedModelError: The texts hold every id.
        """
        if self.own_id is not None:
            return self.own_id
        counts = torch.bincount(token_ids, minlength=self.n_ids)
        preferred = self.tokenizer_id
        if preferred is not None and 0 <= preferred < self.n_ids and counts[preferred] == 0:
            return preferred
        free = (counts == 0).nonzero()
        if not len(free):
            raise UnsupportedModelError(
                "the model has no padding token, and the texts use all of its vocabulary",
                hint="Name a pad_token_id in the model's config.json.",
            )
        return int(free[0])


def real_positions(lengths: Int[Tensor, " batch"], side: Side) -> Bool[Tensor, "batch position"]:
    """True where a sequence of each length stands in a batch as wide as the longest."""
    width = int(lengths.max())
    positions = torch.arange(width, device=lengths.device)
    if side == "right":
        return positions < lengths.unsqueeze(1)
    return positions >= width - lengths.unsqueeze(1)


def spread(
    values: Int[Tensor, " token"], real: Bool[Tensor, "batch position"], fill: int
) -> Int[Tensor, "batch position"]:
    """Put all sequences' values, behind each other, where the sequences stand."""
    padded = torch.full(real.shape, fill, dtype=values.dtype, device=values.device)
    padded[real] = values
    return padded


@contextmanager
def padded_with(module: nn.Module, padding_id: int | None) -> Iterator[None]:
    """Let the model take an id for padding; its configuration is as it was afterwards.

    Args:
        module: A `transformers` model.
        padding_id: None to leave the configuration as it is.
    """
    if padding_id is None:
        yield
        return
    whole: Any = module.config
    configs = [whole, whole.get_text_config()]
    named = [config.pad_token_id for config in configs]
    try:
        for config in configs:
            config.pad_token_id = padding_id
        yield
    finally:
        for config, before in zip(configs, named, strict=True):
            config.pad_token_id = before
