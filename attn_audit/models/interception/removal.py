"""How a unit is left out of a text: deleted, masked, or replaced by one that says nothing."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Generic, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.distances import KeptUnits, Logits
from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import Removal
from attn_audit.models.interception.classifier import (
    NOT_AUDITED,
    Classifier,
    InterceptedBatch,
    ModelInputs,
    removed_positions,
)
from attn_audit.models.interception.embedding import EmbeddingLookUp, MaskTrial
from attn_audit.models.interception.module_calls import UnexpectedCallError, UnknownLayoutError
from attn_audit.models.interception.short_passes import Origin, Start, are_equal


@dataclass(frozen=True)
class Variants:
    """The (example, variant) pairs that are run."""

    example: Int[Tensor, " row"]
    variant: Int[Tensor, " row"]
    keep: Bool[Tensor, "row unit"]

    def take(self, rows: Tensor) -> "Variants":
        """Some of them, in this order."""
        return Variants(self.example[rows], self.variant[rows], self.keep[rows])

    def __len__(self) -> int:
        return len(self.example)


Run = Callable[[ModelInputs], Logits]
"""A pass of the module, or one that is proved to give the same."""


class UnitRemoval(Removal):
    """A way to leave units out of texts that are computed together.

    Args:
        run: None: the whole module.
    """

    def __init__(self, classifier: Classifier, run: Run | None = None) -> None:
        self.classifier = classifier
        self.run = run or classifier.logits

    def suits(self, batch: InterceptedBatch, kept: KeptUnits) -> Bool[Tensor, "batch variant"]:
        """The variants that it can make; the others are deleted from.

        Args:
            kept: The units that stay; at least one of each example does not.
        """
        if self.classifier.can_read_nothing:
            return torch.ones_like(kept[..., 0])
        is_left = kept.any(dim=-1)
        if not self.leaves_others:
            return is_left
        return is_left | has_others(self.classifier, batch).unsqueeze(1)

    @property
    def leaves_others(self) -> bool:
        """Whether what a text stands among can be read where no unit is left."""
        return False

    def n_positions(self, batch: InterceptedBatch, variants: Variants) -> Int[Tensor, " row"]:
        """How many positions each of the texts that are run has."""
        return batch.inputs.real.sum(dim=1)[variants.example]

    def runner(self, batch: InterceptedBatch) -> Callable[[Variants], Logits]:
        """What runs variants of these texts, all that it is given in one pass."""
        return lambda variants: self.run(self.inputs(batch, variants))

    @property
    def is_of_tokens(self) -> bool:
        """Whether `inputs` are all that a pass needs."""
        return True

    @abstractmethod
    def inputs(self, batch: InterceptedBatch, variants: Variants) -> ModelInputs:
        """What the module is given of variants."""


def has_others(classifier: Classifier, batch: InterceptedBatch) -> Bool[Tensor, " batch"]:
    """The texts that stand among something: markers, a prompt, a second text.

    What stands behind the first position that is read does not count: it does not say what that is.
    """
    others, read = batch.inputs.real & (batch.inputs.units < 0), classifier.read_rows(batch.inputs)
    if read is not None:
        others &= read.cumsum(dim=1) - read.long() == 0
    return others.any(dim=1)


class Deletion(UnitRemoval):
    """Close the gaps."""

    words = "deleted"

    @property
    def leaves_others(self) -> bool:
        """Where nothing is encoded anew."""
        return self.classifier.can_read_markers

    def n_positions(self, batch: InterceptedBatch, variants: Variants) -> Int[Tensor, " row"]:
        """Of the shorter texts."""
        gone = removed_positions(batch.inputs.units[variants.example], variants.keep)
        return super().n_positions(batch, variants) - gone.sum(dim=1)

    def inputs(self, batch: InterceptedBatch, variants: Variants) -> ModelInputs:
        """Shorter texts."""
        encoded = [batch.encoded[i] for i in variants.example.tolist()]
        return self.classifier.delete(encoded, variants.keep)


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

    def suits(self, batch: InterceptedBatch, kept: KeptUnits) -> Bool[Tensor, "batch variant"]:
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
            return look_up.logits(taken, embeddings, where=gone)

        return run

    def inputs(self, batch: InterceptedBatch, variants: Variants) -> ModelInputs:
        """Whole texts, with other tokens where units do not stay."""
        token, ids = self.classifier.neutral_token, self.classifier.ids
        assert token is not None
        taken = batch.inputs.take(variants.example).trim()
        gone = removed_positions(taken.units, variants.keep)
        name = self._find_look_up().name if ids is None else ids
        return taken.with_argument(name, taken[name].masked_fill(gone, token.id))

    @cached_property
    def _mean_embedding(self) -> Float[Tensor, " embedding"]:
        table = self._find_look_up().table.detach()
        finer = torch.promote_types(table.dtype, torch.float32)
        return table.mean(dim=0, dtype=finer).to(table.dtype)


MIN_UNITS = 4
"""Of a text that can tell."""

N_FAILURES = 3
"""Trials that prove nothing, until no other text is tried."""

Candidate = TypeVar("Candidate")

Holds = Callable[[InterceptedBatch, Variants, Candidate], bool]
"""Whether some variants of one text have the logits that they are to have."""


class Proof(Generic[Candidate]):
    """The first of some ways to compute a text without units that is exact, as trials show."""

    def __init__(self, candidates: Sequence[Candidate], holds: Holds[Candidate]) -> None:
        self._candidates, self._holds = tuple(candidates), holds
        self._longest = 0
        self._failed: set[int] = set()

    @torch.no_grad()
    def found(self, batch: InterceptedBatch) -> Candidate | None:
        """A way that is exact for all texts of a batch; None where none is known to be."""
        lengths = batch.inputs.real.sum(dim=1)
        longest, row = int(lengths.max()), int(lengths.argmax())
        if longest > self._longest:
            if longest in self._failed or len(self._failed) == N_FAILURES or not self._candidates:
                return None
            exact = self._tried(batch, row)
            if exact is None:
                self._failed.add(longest)
                return None
            self._candidates, self._longest = (exact,), longest
        return self._candidates[0]

    def _tried(self, batch: InterceptedBatch, row: int) -> Candidate | None:
        keep = _telling(batch.unit_mask[row], int(batch.readout_units[row]))
        if len(keep) == 0:
            return None
        numbers = torch.arange(len(keep), device=keep.device)
        variants = Variants(torch.full_like(numbers, row), numbers, keep)
        return next((c for c in self._candidates if self._holds(batch, variants, c)), None)


def _telling(
    unit_mask: Bool[torch.Tensor, " unit"], readout: int
) -> Bool[torch.Tensor, "variant unit"]:
    """Without the first, a middle and the last unit, and without every other; in two lengths."""
    n_units = int(unit_mask.sum())
    if n_units < MIN_UNITS:
        return unit_mask.new_ones(0, len(unit_mask))
    units = torch.arange(len(unit_mask), device=unit_mask.device)
    gone = [units == unit for unit in (0, n_units // 2, n_units - 1)]
    gone += [units % 2 == 0, units % 2 == 1]
    kept = ~torch.stack(gone) & unit_mask
    if readout != NOT_AUDITED:
        kept[:, readout] = True
    return kept[(kept != unit_mask).any(dim=1)]


StartOf = Callable[[ModelInputs], Start]
"""What whole texts are up to the first attention; raises UnknownLayoutError where that cannot be
told."""


@dataclass(frozen=True)
class Gaps:
    """With what a text with gaps is the text with those tokens masked, as trials show."""

    first_place: int
    """The number of its first place."""
    shares_start: bool
    """Whether what lies before the first attention is, at each place, that of the whole text."""


class Masking(UnitRemoval):
    """Mask units as padding is, or leave their tokens out where that is the same.

    A unit that holds the token which is read out cannot be masked away, since its residual stays.

    Args:
        trial: What came through masks; None where it takes none.
    """

    words = "hidden by the attention mask"
    leaves_others = True

    def __init__(
        self,
        classifier: Classifier,
        trial: MaskTrial | None,
        run: Run | None = None,
        start_of: StartOf | None = None,
    ) -> None:
        super().__init__(classifier, run)
        self._trial, self._start_of = trial, start_of
        candidates = [
            Gaps(first, shares_start)
            for first in classifier.first_places
            for shares_start in ((True, False) if start_of else (False,))
        ]
        self._proof = Proof(candidates, self._gives_what_masks_do)

    @property
    def why_not(self) -> str | None:
        """It takes no mask, or masked tokens speak."""
        if self._trial is None:
            return "the model takes no attention mask"
        return "a masked token still moves its output" if self._trial.leaks else None

    def suits(self, batch: InterceptedBatch, kept: KeptUnits) -> Bool[Tensor, "batch variant"]:
        """Those that keep the unit which is read out, where it is one."""
        readout = batch.readout_units
        stays = kept.gather(2, readout.clamp_min(0)[:, None, None].expand(-1, kept.shape[1], 1))
        is_read = stays.squeeze(2) | (readout == NOT_AUDITED).unsqueeze(1)
        return super().suits(batch, kept) & is_read

    def n_positions(self, batch: InterceptedBatch, variants: Variants) -> Int[Tensor, " row"]:
        """Of whole texts, or of what is left of them."""
        whole = super().n_positions(batch, variants)
        gone = removed_positions(batch.inputs.units[variants.example], variants.keep)
        if not bool(gone.any()) or self.gaps(batch) is None:
            return whole
        return whole - gone.sum(dim=1)

    def gaps(self, batch: InterceptedBatch) -> Gaps | None:
        """With what the texts may have gaps; None where they are to be masked."""
        return self._proof.found(batch)

    def runner(self, batch: InterceptedBatch) -> Callable[[Variants], Logits]:
        """Texts with gaps share what lies before the first attention."""
        start = cache(lambda: self._start_of_whole(batch.inputs))

        def run(variants: Variants) -> Logits:
            taken = batch.inputs.take(variants.example)
            gone = removed_positions(taken.units, variants.keep)
            gaps = self.gaps(batch) if bool(gone.any()) else None
            if gaps is None:
                return self.run(self.inputs(batch, variants))
            inputs = self.classifier.leave_gaps(taken, gone, gaps.first_place)
            if not gaps.shares_start:
                return self.run(inputs)
            try:
                return self._run_from(start(), variants.example, taken.real & ~gone, inputs)
            except (UnknownLayoutError, UnexpectedCallError):  # as in no text of a trial
                return self.run(inputs)

        return run

    def _start_of_whole(self, inputs: ModelInputs) -> Start:
        assert self._start_of is not None
        return self._start_of(inputs)

    def _run_from(
        self,
        start: Start,
        rows: Int[Tensor, " row"],
        stays: Bool[Tensor, "row position"],
        inputs: ModelInputs,
    ) -> Logits:
        """Texts with gaps, behind what the whole texts are up to the first attention.

        Args:
            rows: The whole text that each is of, and `stays` what there is left of it.
        """
        kept = torch.nonzero(stays)[:, 1]
        positions = torch.zeros_like(inputs.units).masked_scatter(inputs.real, kept)
        with Origin(start, rows, positions).shared():
            return self.run(inputs)

    def _gives_what_masks_do(self, batch: InterceptedBatch, variants: Variants, gaps: Gaps) -> bool:
        whole = batch.inputs.take(variants.example).trim()
        gone = removed_positions(whole.units, variants.keep)
        masked = self.run(self.classifier.mask(whole, gone))
        try:
            inputs = self.classifier.leave_gaps(whole, gone, gaps.first_place)
            if not gaps.shares_start:
                return are_equal(self.run(inputs), masked)
            first = torch.zeros_like(variants.example)
            start = self._start_of_whole(whole.take(first[:1]))
            return are_equal(self._run_from(start, first, whole.real & ~gone, inputs), masked)
        except (UnknownLayoutError, UnexpectedCallError):
            return False

    def inputs(self, batch: InterceptedBatch, variants: Variants) -> ModelInputs:
        """Texts, with a mask where there is anything to hide that cannot be left out."""
        taken = batch.inputs.take(variants.example).trim()
        gone = removed_positions(taken.units, variants.keep)
        if not bool(gone.any()):
            return taken
        gaps = self.gaps(batch)
        if gaps is None:
            return self.classifier.mask(taken, gone)
        return self.classifier.leave_gaps(taken, gone, gaps.first_place)
