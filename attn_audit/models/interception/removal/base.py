"""What every way to leave units out of texts can do."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.models.contract import Removal
from attn_audit.models.interception.classifier import Classifier, InterceptedBatch, ModelInputs


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

    def suits(
        self, batch: InterceptedBatch, kept: Bool[Tensor, "batch variant unit"]
    ) -> Bool[Tensor, "batch variant"]:
        """The variants that it can make; the others are deleted from.

        Args:
            kept: The units that stay; at least one of each example does not.
        """
        return kept.any(dim=-1) | self.can_leave_out_all(batch).unsqueeze(1)

    def can_leave_out_all(self, batch: InterceptedBatch) -> Bool[Tensor, " batch"]:
        """The texts of which something is left to read where no unit is."""
        return torch.full_like(batch.unit_mask[:, 0], self.classifier.can_read_nothing)

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


def removed_positions(
    units: Int[Tensor, "row position"], keep: Bool[Tensor, "row unit"]
) -> Bool[Tensor, "row position"]:
    """The positions of units that do not stay."""
    return ~keep.gather(1, units.clamp_min(0)) & (units >= 0)
