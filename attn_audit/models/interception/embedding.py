"""The embedding look-ups of a pass: read, replaced, differentiated; do masked tokens leak?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from attn_audit.distances import Logits
from attn_audit.errors import UnsupportedModelError
from attn_audit.models.interception.attention_calls import Interception, Sight
from attn_audit.models.interception.classifier import Classifier, InterceptedBatch, ModelInputs
from attn_audit.models.interception.key_order import KeyOrder


class _Alignment(Enum):
    """How the ids of a look-up stand to the ids of the input."""

    SAME = "same"
    TURNED = "turned"
    """Positions first, then the batch."""
    REVERSED = "reversed"
    """Each text from its end."""
    SHIFTED = "shifted"
    """One position later: the decoder of an encoder-decoder."""
    OTHER = "other"


_AS_GIVEN = {_Alignment.SAME, _Alignment.TURNED, _Alignment.REVERSED}

_FROM_THE_END = KeyOrder(is_reversed=True)


@dataclass(frozen=True)
class EmbeddingLookUp:
    """Where a model looks the input's tokens up, found by a trial."""

    classifier: Classifier
    table: Float[Tensor, "token embedding"]
    name: str | int
    """The input that holds the ids: a keyword, or a position among the arguments."""
    alignments: tuple[_Alignment, ...]
    """How the ids of each look-up stood to them in the trial, in the order of the look-ups: two
    tokens, or a palindrome, fit several."""

    def embed(self, inputs: ModelInputs) -> Float[Tensor, "batch position embedding"]:
        """What the table has for every position."""
        return F.embedding(inputs[self.name], self.table.detach())

    def logits(
        self,
        inputs: ModelInputs,
        embeddings: Float[Tensor, "batch position embedding"],
        where: Bool[Tensor, "batch position"],
        held: Sequence[int] = (),
        sight: Sight | None = None,
        others: Mapping[int, Tensor] | None = None,
    ) -> Logits:
        """Logits with given embeddings at some positions, at every look-up of them.

        Args:
            where: The positions that get them; the others keep their own.
            held: Numbers of attentions whose weights are held constant.
            others: By number, what some of them are held at in the place of their own.

        Raises:
            UnsupportedModelError: It looks them up in another order than in the trial.
        """
        expected, constants = iter(self.alignments), others or {}

        def look_up(ids: Tensor, looked_up: Tensor) -> Tensor:
            alignment = next(expected, None)
            if alignment is None or not _fits(alignment, ids, inputs[self.name], inputs.real):
                raise _moved(self.classifier)
            return _replaced(alignment, embeddings, where, looked_up, inputs.real)

        mode = Interception(
            len(inputs),
            lambda number, weights, scores: constants.get(number, weights.detach()),
            wanted=held,
            sight=sight,
            table=self.table,
            look_up=look_up,
        )
        with mode.active():
            logits = self.classifier.logits(inputs)
        if next(expected, None) is not None:
            raise _moved(self.classifier)
        return logits


def _replaced(
    alignment: _Alignment,
    embeddings: Float[Tensor, "batch position embedding"],
    where: Bool[Tensor, "batch position"],
    looked_up: Tensor,
    real: Bool[Tensor, "batch position"],
) -> Tensor:
    """What the model gets from one look-up: given embeddings where asked for, else its own."""
    if alignment is _Alignment.OTHER:
        return looked_up
    if alignment is _Alignment.TURNED:
        turned = looked_up.transpose(0, 1)
        return _replaced(_Alignment.SAME, embeddings, where, turned, real).transpose(0, 1)
    positions = _positions(alignment, where, real)
    index = positions.clamp_min(0)
    chosen = (where.gather(1, index) & (positions >= 0)).unsqueeze(-1)
    given = embeddings.gather(1, index.unsqueeze(-1).expand(-1, -1, embeddings.shape[-1]))
    return torch.where(chosen, given, looked_up)


def _positions(alignment: _Alignment, own: Tensor, real: Tensor) -> Int[Tensor, "batch position"]:
    """The position of the input that each looked-up one is; -1 where it is none of them."""
    same = torch.arange(own.shape[1], device=own.device).expand_as(own)
    if alignment is _Alignment.SHIFTED:
        return same - 1
    if alignment is _Alignment.REVERSED:
        turned = _FROM_THE_END.positions(real, own.shape[1])
        return torch.where(turned < 0, same, turned)
    return same


def _fits(alignment: _Alignment, ids: Tensor, own: Tensor, real: Tensor) -> bool:
    if alignment is _Alignment.OTHER:
        return True
    if alignment is _Alignment.TURNED:
        return ids.dim() == 2 and _fits(_Alignment.SAME, ids.mT, own, real)
    if ids.shape != own.shape or (alignment is _Alignment.REVERSED and own.shape != real.shape):
        return False
    positions = _positions(alignment, own, real)
    return bool(((ids == own.gather(1, positions.clamp_min(0))) | (positions < 0)).all())


def find_look_up(classifier: Classifier, inputs: ModelInputs) -> EmbeddingLookUp:
    """Find the input whose ids the embedding table is asked for.

    Raises:
        UnsupportedModelError: There is no such table or input: no gradient can be taken.
    """
    table = classifier.embedding_table()
    seen = _looked_up(classifier, inputs, table)
    for name, candidate in _integer_inputs(inputs):
        if classifier.ids not in (None, name):
            continue
        found = tuple(_alignment(ids, candidate, inputs.real) for ids in seen)
        if table is not None and set(found) & _AS_GIVEN:
            if any(
                alignment is _Alignment.OTHER and not _is_of_another(ids, name, inputs)
                for ids, alignment in zip(seen, found, strict=True)
            ):
                raise UnsupportedModelError(
                    f"{type(classifier.module).__name__} looks its tokens up as they are given "
                    "and again in part or in another order: no gradient can be taken",
                    hint="Compare attention with leave-one-out alone: --measures leave_one_out.",
                )
            return EmbeddingLookUp(classifier, table, name, found)
    given = [candidate for _, candidate in _integer_inputs(inputs)]
    if any(_is_moved(ids, own) for ids in seen for own in given):
        raise _moved(classifier)
    what = (
        "looks up other ids than those of its tokens in one embedding table"
        if seen
        else "does not look its tokens up in one embedding table by nn.Embedding or "
        "torch.nn.functional.embedding (weight[ids] is not seen)"
    )
    raise UnsupportedModelError(
        f"{type(classifier.module).__name__} {what}: no gradient can be taken",
        hint="Compare attention with leave-one-out alone: --measures leave_one_out. In an adapter: "
        "name the embedding's submodule with embedding=..., and let encode give the ids that it "
        "looks up, one for each token.",
    )


@torch.no_grad()
def _looked_up(classifier: Classifier, inputs: ModelInputs, table: Tensor | None) -> list[Tensor]:
    """The ids that a table is asked for, look-up by look-up."""
    seen: list[Tensor] = []

    def look_up(ids: Tensor, out: Tensor) -> Tensor:
        seen.append(ids)
        return out

    mode = Interception(len(inputs), lambda *seen: None, wanted=(), table=table, look_up=look_up)
    with mode.active():
        classifier.logits(inputs)
    return seen


def is_asked(classifier: Classifier, inputs: ModelInputs, name: str | int, table: Tensor) -> bool:
    """Whether a table is asked for the ids that an input holds, in some order."""
    own, seen = inputs[name], _looked_up(classifier, inputs, table)
    return own.dim() == 2 and any(_alignment(ids, own, inputs.real) in _AS_GIVEN for ids in seen)


def _is_of_another(ids: Tensor, name: str | int, inputs: ModelInputs) -> bool:
    """Whether they are those of another input, such as a second text."""
    return any(
        _alignment(ids, other, inputs.real) is not _Alignment.OTHER
        for other_name, other in _integer_inputs(inputs)
        if other_name != name
    )


def _is_moved(ids: Tensor, own: Tensor) -> bool:
    same_number = ids.numel() == own.numel()
    return same_number and torch.equal(ids.flatten().sort().values, own.flatten().sort().values)


def _moved(classifier: Classifier) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{type(classifier.module).__name__} asks its embedding for the tokens in another order "
        "than they are given in: no gradient can be taken",
        hint="Look tokens up in the order of the input, and put them in order behind it.",
    )


def _integer_inputs(inputs: ModelInputs) -> Iterator[tuple[str | int, Tensor]]:
    for name, value in inputs.named():
        if value.dim() == 2 and not value.is_floating_point() and value.dtype != torch.bool:
            yield name, value


def _alignment(ids: Tensor, own: Tensor, real: Tensor) -> _Alignment:
    return next(one for one in _Alignment if _fits(one, ids, own, real))


MAX_LEAK = 1e-3
"""Of what changing the token moves the logits by where it is not masked."""

MIN_UNITS = 3
"""Units of a text that can tell."""

N_TEXTS = 2
"""That do tell: what one model does to a masked token, it does in every text."""


@dataclass(frozen=True)
class MaskTrial:
    """Which units speak although they are masked."""

    middle: bool
    """Convolutions, pooling over tokens and decoders that get the raw ids let them through."""
    first: bool
    """The residual of the token that is read out always comes through."""
    last: bool

    @property
    def leaks(self) -> bool:
        """Whether more than the one token that is read out comes through."""
        return self.middle or (self.first and self.last)


@torch.no_grad()
def try_masks(look_up: EmbeddingLookUp, batch: InterceptedBatch, logits: Logits) -> MaskTrial:
    """Mask one unit of each text, change it, and see whether the logits move.

    Returns:
        That all units speak, where the texts are too short to tell: masks are not trusted then.
    """
    n_units = batch.unit_mask.sum(dim=1)
    rows = (n_units >= MIN_UNITS).nonzero().flatten()[:N_TEXTS]
    if len(rows) == 0:
        return MaskTrial(middle=True, first=True, last=True)
    inputs, n_units, logits = batch.inputs.take(rows), n_units[rows], logits[rows]
    own = look_up.embed(inputs)
    other = own.flip(0, 1) + own.mean(dim=(0, 1))

    def speaks(units: Int[Tensor, " batch"]) -> bool:
        chosen = inputs.units == units.unsqueeze(1)
        masked = look_up.classifier.mask(inputs, chosen)
        hidden = look_up.logits(masked, own, chosen)
        changed = look_up.logits(inputs, other, chosen)
        still_changed = look_up.logits(masked, other, chosen)
        leak = float((still_changed - hidden).abs().max())
        return leak > MAX_LEAK * float((changed - logits).abs().max())

    return MaskTrial(
        middle=speaks(n_units // 2),
        first=speaks(torch.zeros_like(n_units)),
        last=speaks(n_units - 1),
    )
