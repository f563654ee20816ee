"""The margin: by how much an output decides, whatever the scale of its logits.

A factor on all logits multiplies every margin by it, changes no decision, and leaves the share of
a margin that is lost as it is. Distances of probabilities are none of that: what moves a saturated
output hardly shows in them.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from attn_audit.distances import Logits, VariantLogits
from attn_audit.models.task import Task

AT_THE_END = 1 - 1e-5
"""Part of the largest logit that a probability can make, from which on it is one of 0 or 1."""

LOGIT_NOISE = 1e-6
"""Part of the largest logit, of float32, within which a margin or a change of it is rounding."""

OfVariants = Float64[Tensor, "batch variant"]
LabelsOfVariants = Float64[Tensor, "batch variant audited"]


@dataclass(frozen=True)
class Margin:
    """What decides each text of a batch, and how much other logits would take away from it.

    Labels that compete: the logit of the predicted one minus that of the one that is second on the
    full text. Labels that do not: those that are on are audited, or where none is, the likeliest;
    the margin of each is its logit, of the sign that it has. Where a label is explained whatever is
    predicted, that one: its margin is below 0 where it is not predicted, and what raises it speaks
    for it all the same.
    """

    own: Int64[Tensor, "batch audited"]
    """Index of each audited label's logit."""
    other: Int64[Tensor, "batch audited"] | None
    """Index of the logit that stands against it; None where labels do not compete."""
    sign: Float64[Tensor, "batch audited"]
    """1 or -1."""
    share: Float64[Tensor, "batch audited"]
    """One over the number of audited labels; 0 in the padding."""
    whole: Float64[Tensor, "batch audited"]
    """Margins on the full text; NaN where they are no more than rounding."""
    noise: Float64[Tensor, " batch"]
    """Share of a margin that is rounding."""
    is_clipped: Bool[Tensor, " batch"]
    """Whether there is none because an output was given as a probability of 0 or 1."""

    @staticmethod
    def of(
        task: Task,
        logits: Logits,
        coarseness: float = 1.0,
        limits: tuple[float, float] | None = None,
    ) -> "Margin":
        """The margins of a batch.

        Args:
            logits: On the full texts; -inf for answers that an example does not allow.
            coarseness: How many times as wide as float32's the spacing of the model's numbers is.
            limits: Between which logits lie that are made of probabilities; None: anywhere.
        """
        logits = logits.detach().double()
        label, one = task.explained_index, torch.ones_like(logits[:, :1])
        if task.is_softmax:
            (own, other), sign, share = _first_and_second(logits, label), one, one
        elif label is None:
            other, (own, sign, share) = None, _audited_labels(logits)
        else:
            is_first = label < len(task.labels) - task.n_logits  # of two labels with one logit
            index = 0 if task.n_logits == 1 else label
            own, other = torch.full_like(one, index, dtype=torch.int64), None
            sign, share = (-one if is_first else one), one
        noise = LOGIT_NOISE * coarseness * largest_of(logits)
        nowhere = torch.zeros_like(noise, dtype=torch.bool)
        found = Margin(own, other, sign, share, torch.zeros_like(sign), noise, nowhere)
        whole = found.at(logits.unsqueeze(1)).squeeze(1)
        low, high = limits or (-torch.inf, torch.inf)
        is_clipped = (whole * sign >= high * AT_THE_END) | (whole * sign <= low * AT_THE_END)
        is_told = (whole.abs() > noise.unsqueeze(1)) & whole.isfinite() & ~is_clipped
        whole = torch.where(is_told | (share == 0), whole, torch.nan)
        least = torch.where(share > 0, whole.abs(), torch.inf).amin(dim=1)
        is_any_clipped = (is_clipped & (share > 0)).any(dim=1)
        return Margin(own, other, sign, share, whole, noise / least, is_any_clipped)

    def take(self, texts: slice) -> "Margin":
        """Of some texts of the batch."""
        taken: dict[str, Any] = {
            name: None if value is None else value[texts] for name, value in vars(self).items()
        }
        return Margin(**taken)

    def beside(self, logits: Logits) -> "Margin":
        """The same with the full texts' logits of another computation, which differ by rounding."""
        whole = self.at(logits.unsqueeze(1)).squeeze(1)
        return replace(self, whole=torch.where(self.whole.isnan(), torch.nan, whole))

    @property
    def mean(self) -> Float64[Tensor, " batch"]:
        """On the full text, over the audited labels; NaN where there is none."""
        return (self.whole * self.share).sum(dim=1)

    def at(self, logits: VariantLogits) -> LabelsOfVariants:
        """The same margins under other logits; of another sign where the decision is another."""
        size = (-1, logits.shape[1], -1)
        margins = logits.gather(2, self.own.unsqueeze(1).expand(size)).double()
        if self.other is not None:
            margins = margins - logits.gather(2, self.other.unsqueeze(1).expand(size)).double()
        return margins * self.sign.unsqueeze(1)

    def probability(self, probabilities: Float64[Tensor, "batch variant label"]) -> OfVariants:
        """How probable the audited labels are as they are, on or off: a mean over them."""
        index = self.own.unsqueeze(1).expand(-1, probabilities.shape[1], -1)
        of_labels = probabilities.gather(2, index)
        return self._mean(torch.where(self.sign.unsqueeze(1) < 0, 1 - of_labels, of_labels))

    def lost(self, logits: VariantLogits) -> OfVariants:
        """The share of the margin that is gone, a mean over the audited labels; below 0: gained.

        1 is an output that no longer decides; NaN where there is no margin on the full text. Of a
        label that is not predicted: the share by which its logit falls further behind.
        """
        return self._mean(self._lost(logits))

    def moved(self, logits: VariantLogits) -> OfVariants:
        """The same whichever way it goes: what labels gain and lose does not cancel."""
        return self._mean(self._lost(logits).abs())

    def raised(self, logits: VariantLogits) -> OfVariants:
        """Whether the margin grows by more than rounding, or for which share of the labels."""
        return self._mean((self._lost(logits) < -self.noise.view(-1, 1, 1)).double())

    def turned(self, logits: VariantLogits) -> OfVariants:
        """Whether the decision is another, or the share of the audited labels for which it is."""
        return self._mean(self.turned_labels(logits))

    def turned_labels(self, logits: VariantLogits) -> LabelsOfVariants:
        """The same of each audited label: 1 or 0. Of labels that compete any other may win."""
        was_lost = (self.whole < 0).unsqueeze(1)
        if self.other is None:
            is_turned = (self.at(logits) < 0) != was_lost
            return (is_turned & (self.share > 0).unsqueeze(1)).double()
        largest, own = logits.amax(dim=2, keepdim=True), self.own.unsqueeze(1)
        is_lost = logits.gather(2, own.expand(-1, logits.shape[1], -1)) < largest
        return (is_lost != was_lost).double()

    def undecided_labels(self, logits: VariantLogits) -> LabelsOfVariants:
        """Whether each audited label's decision is another, or rests on no more than rounding."""
        # Of a label that is not predicted the decision is that it is off: it goes as that rises.
        of_decision = self._lost(logits) * self.whole.unsqueeze(1).sign()
        is_gone = of_decision >= 1 - self.noise.view(-1, 1, 1)
        return torch.maximum(self.turned_labels(logits), is_gone.double())

    def signs(self, n_scores: int) -> Float64[Tensor, "batch score"]:
        """What each score of a gradient counts for: 1, or the audited labels' signs by share."""
        out = torch.zeros((len(self.sign), n_scores), dtype=torch.float64, device=self.sign.device)
        index = torch.zeros_like(self.own) if n_scores == 1 else self.own
        return out.scatter_add(1, index, self.sign * self.share)

    def _lost(self, logits: VariantLogits) -> LabelsOfVariants:
        whole = self.whole.unsqueeze(1)
        lost = (1 - self.at(logits) / whole) * whole.sign()
        return torch.where(self.share.unsqueeze(1) > 0, lost, 0)

    def _mean(self, values: LabelsOfVariants) -> OfVariants:
        return (values * self.share.unsqueeze(1)).sum(dim=2)


def largest_of(logits: Float64[Tensor, "batch label"]) -> Float64[Tensor, " batch"]:
    """The largest logit of each text by size, of those that are allowed."""
    return torch.where(logits.isfinite(), logits.abs(), 0).amax(dim=1)


def _first_and_second(
    logits: Float64[Tensor, "batch label"], label: int | None
) -> tuple[Int64[Tensor, "batch 1"], Int64[Tensor, "batch 1"]]:
    """The predicted label, ties going to the lower index, or that one; and the best of the rest."""
    own = logits.argmax(dim=1, keepdim=True)
    if label is not None:
        own = torch.full_like(own, label)
    return own, logits.scatter(1, own, -torch.inf).argmax(dim=1, keepdim=True)


def _audited_labels(
    logits: Float64[Tensor, "batch label"],
) -> tuple[
    Int64[Tensor, "batch audited"],
    Float64[Tensor, "batch audited"],
    Float64[Tensor, "batch audited"],
]:
    """The labels that are on, else the likeliest: index, sign and share; padded to the most."""
    is_on = logits >= 0
    none = ~is_on.any(dim=1, keepdim=True)
    is_audited = is_on | (none & (logits == logits.amax(dim=1, keepdim=True)))
    is_audited &= ~none | (is_audited.cumsum(dim=1) == 1)
    count = is_audited.sum(dim=1, keepdim=True)
    own = (~is_audited).int().argsort(dim=1, stable=True)[:, : int(count.max())]
    share = is_audited.gather(1, own).double() / count
    return own, torch.where(none, -1.0, 1.0).double().expand_as(own), share
