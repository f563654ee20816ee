"""Units replaced by one that says nothing: shapes and positions stay, and no token is missed."""

from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.interception.classifier import Classifier, InterceptedBatch, ModelInputs
from attn_audit.models.interception.embedding import EmbeddingLookUp
from attn_audit.models.interception.removal.base import (
    Run,
    UnitRemoval,
    Variants,
    removed_positions,
)


class Neutral(UnitRemoval):
    """Put a neutral token in the place of each of a unit's.

    That is the model's mask token, else its unknown token. Where it has neither, tokens get the
    mean embedding of the vocabulary, at every look-up.

    Args:
        find_look_up: Tries out where its tokens are looked up; raises where that cannot be told.
    """

    def __init__(
        self,
        classifier: Classifier,
        find_look_up: Callable[[], EmbeddingLookUp],
        run: Run | None = None,
    ) -> None:
        super().__init__(classifier, run)
        self._find_look_up = find_look_up

    @property
    def words(self) -> str:
        """Which one stands for it."""
        token = self.classifier.neutral_token
        of_all = "the mean embedding of the vocabulary"
        return f"replaced by {of_all if token is None else token.words}"

    @cached_property
    def why_not(self) -> str | None:
        """It has no such token, and its embeddings cannot be replaced."""
        if self.classifier.neutral_token is not None and self.classifier.ids is not None:
            return None
        try:
            self._find_look_up()
        except (ConfigurationError, UnsupportedModelError) as error:
            return error.message
        return None

    def suits(
        self, batch: InterceptedBatch, kept: Bool[Tensor, "batch variant unit"]
    ) -> Bool[Tensor, "batch variant"]:
        """All: there is something left to read where no unit is."""
        return torch.ones_like(kept[..., 0])

    @property
    def is_of_tokens(self) -> bool:
        """Where a token stands for a unit."""
        return self.classifier.neutral_token is not None

    def runner(self, batch: InterceptedBatch) -> Callable[[Variants], Logits]:
        """Where no token stands for a unit, an embedding does."""
        if self.is_of_tokens:
            return super().runner(batch)
        look_up = self._find_look_up()

        def run(variants: Variants) -> Logits:
            taken = batch.inputs.take(variants.example).trim()
            gone = removed_positions(taken.units, variants.keep)
            embeddings = self._mean_embedding.expand(*gone.shape, -1)
            return look_up.logits(self.classifier, taken, embeddings, where=gone)

        return run

    def inputs(self, batch: InterceptedBatch, variants: Variants) -> ModelInputs:
        """Whole texts, with other tokens where units do not stay."""
        token, ids = self.classifier.neutral_token, self.classifier.ids
        assert token is not None
        taken = batch.inputs.take(variants.example).trim()
        gone = removed_positions(taken.units, variants.keep)
        name = self._find_look_up().name if ids is None else ids
        return taken.with_ids(name, gone, token.id)

    @cached_property
    def _mean_embedding(self) -> Float[Tensor, " embedding"]:
        table = self._find_look_up().table.detach()
        finer = torch.promote_types(table.dtype, torch.float32)
        return table.mean(dim=0, dtype=finer).to(table.dtype)
