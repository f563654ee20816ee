"""The embedding look-ups of a pass: read, replaced and differentiated with respect to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.interception.classifier import Classifier, ModelInputs
from attn_audit.models.interception.mode import Interception
from attn_audit.shapes import Logits


class _Alignment(Enum):
    """How the ids of a look-up stand to the ids of the input."""

    SAME = "same"
    TURNED = "turned"
    """Positions first, then the batch."""
    SHIFTED = "shifted"
    """One position later: the decoder of an encoder-decoder."""
    OTHER = "other"


@dataclass(frozen=True)
class EmbeddingLookUp:
    """Where a model looks the input's tokens up, found by a trial."""

    table: Float[Tensor, "token embedding"]
    name: str | int
    """The input that holds the ids: a keyword, or a position among the arguments."""

    def ids(self, inputs: ModelInputs) -> Int[Tensor, "batch position"]:
        """The ids of a batch."""
        if isinstance(self.name, int):
            return inputs.arguments[self.name]
        return inputs.keywords[self.name]

    def embed(self, inputs: ModelInputs) -> Float[Tensor, "batch position embedding"]:
        """What the table has for every position."""
        embeddings: Tensor = self.table.detach()[self.ids(inputs)]
        return embeddings

    def logits(
        self,
        classifier: Classifier,
        inputs: ModelInputs,
        embeddings: Float[Tensor, "batch position embedding"],
        where: Bool[Tensor, "batch position"],
        held: Sequence[int] = (),
        output_of: nn.Module | None = None,
    ) -> Logits:
        """Logits with given embeddings at some positions, at every look-up of them.

        Args:
            classifier: The model.
            inputs: A batch.
            embeddings: One for each position; differentiable.
            where: The positions that get them; the others keep their own.
            held: Numbers of attentions whose weights are held constant.
            output_of: A module whose output is attention.
        """

        def look_up(ids: Tensor, looked_up: Tensor) -> Tensor:
            return self._replaced(inputs, embeddings, where, ids, looked_up)

        mode = Interception(
            len(inputs),
            lambda number, weights, scores: weights.detach(),
            wanted=held,
            output_of=output_of,
            table=self.table,
            look_up=look_up,
        )
        with mode.active():
            return classifier.logits(inputs)

    def _replaced(
        self,
        inputs: ModelInputs,
        embeddings: Float[Tensor, "batch position embedding"],
        where: Bool[Tensor, "batch position"],
        ids: Tensor,
        looked_up: Tensor,
    ) -> Tensor:
        """What the model gets from one look-up: given embeddings where asked for, else its own."""
        match _alignment(ids, self.ids(inputs)):
            case _Alignment.SAME:
                return torch.where(where.unsqueeze(-1), embeddings, looked_up)
            case _Alignment.TURNED:
                turned = torch.where(where.unsqueeze(-1), embeddings, looked_up.transpose(0, 1))
                return turned.transpose(0, 1)
            case _Alignment.SHIFTED:
                later = torch.where(
                    where[:, :-1].unsqueeze(-1), embeddings[:, :-1], looked_up[:, 1:]
                )
                return torch.cat([looked_up[:, :1], later], dim=1)
            case _Alignment.OTHER:
                return looked_up


def find_look_up(classifier: Classifier, inputs: ModelInputs) -> EmbeddingLookUp:
    """Find the input whose ids the embedding table is asked for.

    Args:
        classifier: The model.
        inputs: A batch.

    Raises:
        UnsupportedModelError: There is no such table or input: no gradient can be taken.
    """
    table = classifier.embedding_table()
    seen: list[Tensor] = []

    def look_up(ids: Tensor, out: Tensor) -> Tensor:
        seen.append(ids)
        return out

    mode = Interception(len(inputs), _leave, wanted=(), table=table, look_up=look_up)
    with torch.no_grad(), mode.active():
        classifier.logits(inputs)
    for name, candidate in _integer_inputs(inputs):
        if classifier.ids not in (None, name):
            continue
        alignments = {_alignment(ids, candidate) for ids in seen}
        if table is not None and alignments & {_Alignment.SAME, _Alignment.TURNED}:
            return EmbeddingLookUp(table, name)
    raise UnsupportedModelError(
        f"{type(classifier.module).__name__} does not look its tokens up in one embedding table: "
        "no gradient can be taken",
        hint="In an adapter, name the embedding's submodule with embedding=...",
    )


def _leave(number: int, weights: Tensor, scores: Tensor | None) -> None:
    """Attention as it is."""


def _integer_inputs(inputs: ModelInputs) -> Iterator[tuple[str | int, Tensor]]:
    named: list[tuple[str | int, Tensor]] = [
        *inputs.keywords.items(),
        *enumerate(inputs.arguments),
    ]
    for name, value in named:
        if value.dim() == 2 and not value.is_floating_point() and value.dtype != torch.bool:
            yield name, value


def _alignment(ids: Tensor, own: Tensor) -> _Alignment:
    if ids.shape == own.shape and torch.equal(ids, own):
        return _Alignment.SAME
    if ids.shape == own.mT.shape and torch.equal(ids, own.mT):
        return _Alignment.TURNED
    if ids.shape != own.shape:
        return _Alignment.OTHER
    if torch.equal(ids[:, 1:], own[:, :-1]):
        return _Alignment.SHIFTED
    return _Alignment.OTHER
