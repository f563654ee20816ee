"""Units hidden by an attention mask of 0: shapes and positions stay."""

from collections.abc import Callable
from functools import cache

from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.interception.classifier import (
    NOT_AUDITED,
    Classifier,
    InterceptedBatch,
    ModelInputs,
)
from attn_audit.models.interception.embedding import MaskTrial
from attn_audit.models.interception.module_calls import UnexpectedCallError, UnknownLayoutError
from attn_audit.models.interception.removal.base import (
    Run,
    UnitRemoval,
    Variants,
    has_others,
    removed_positions,
)
from attn_audit.models.interception.removal.gaps import Gaps, StartOf


class Masking(UnitRemoval):
    """Mask units as padding is, or leave their tokens out where that is the same.

    A unit that holds the token which is read out cannot be masked away, since its residual stays.

    Args:
        trial: What came through masks; None where it takes none.
    """

    def __init__(
        self,
        classifier: Classifier,
        trial: MaskTrial | None,
        run: Run | None = None,
        start_of: StartOf | None = None,
    ) -> None:
        super().__init__(classifier, run)
        self._trial = trial
        self._gaps = Gaps(classifier, self.run, start_of)

    @property
    def words(self) -> str:
        """Always the same."""
        return "hidden by the attention mask"

    @property
    def why_not(self) -> str | None:
        """It takes no mask, or masked tokens speak."""
        if self._trial is None:
            return "the model takes no attention mask"
        return "a masked token still moves its output" if self._trial.leaks else None

    def suits(
        self, batch: InterceptedBatch, kept: Bool[Tensor, "batch variant unit"]
    ) -> Bool[Tensor, "batch variant"]:
        """Those that keep the unit which is read out, where it is one."""
        readout = batch.readout_units
        stays = kept.gather(2, readout.clamp_min(0)[:, None, None].expand(-1, kept.shape[1], 1))
        is_read = stays.squeeze(2) | (readout == NOT_AUDITED).unsqueeze(1)
        return super().suits(batch, kept) & is_read

    def can_leave_out_all(self, batch: InterceptedBatch) -> Bool[Tensor, " batch"]:
        """Those that stand among something that is not masked, too."""
        return has_others(self.classifier, batch) | super().can_leave_out_all(batch)

    def n_positions(self, batch: InterceptedBatch, variants: Variants) -> Int[Tensor, " row"]:
        """Of whole texts, or of what is left of them."""
        whole = super().n_positions(batch, variants)
        gone = removed_positions(batch.inputs.units[variants.example], variants.keep)
        if not bool(gone.any()) or self._gaps.exact(batch) is None:
            return whole
        return whole - gone.sum(dim=1)

    def runner(self, batch: InterceptedBatch) -> Callable[[Variants], Logits]:
        """Texts with gaps share what lies before the first attention."""
        start = cache(lambda: self._gaps.start_of(batch.inputs))

        def run(variants: Variants) -> Logits:
            taken = batch.inputs.take(variants.example)
            gone = removed_positions(taken.units, variants.keep)
            exact = self._gaps.exact(batch) if bool(gone.any()) else None
            if exact is None:
                return self.run(self.inputs(batch, variants))
            try:
                shared = (start(), variants.example) if exact.shares_start else None
                return self._gaps.logits(taken, gone, exact, shared)
            except (UnknownLayoutError, UnexpectedCallError):  # as in no text of a trial
                return self._gaps.logits(taken, gone, exact, None)

        return run

    def inputs(self, batch: InterceptedBatch, variants: Variants) -> ModelInputs:
        """Texts, with a mask where there is anything to hide that cannot be left out."""
        taken = batch.inputs.take(variants.example).trim()
        gone = removed_positions(taken.units, variants.keep)
        if not bool(gone.any()):
            return taken
        exact = self._gaps.exact(batch)
        if exact is None:
            return self.classifier.mask(taken, gone)
        return self.classifier.leave_gaps(taken, gone, exact.first_place)
