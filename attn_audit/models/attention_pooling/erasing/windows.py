"""The windows of a CNN as sums of products of one token with one tap.

A text without unit u has the windows of the whole text, but for those that the gap runs through:
they are a window of the whole text on the left of the gap, and on its right the next one. With all
products saved such a window is a sum.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_audit.models.attention_pooling.encoders import CNNEncoder

Sums = Float[Tensor, "position batch channel"]


@dataclass(frozen=True, slots=True)
class Crossing:
    """The windows of all shortened texts that have the gap at the same tap."""

    gap: int
    """The first tap behind the gap, counted from the window's centre: that many positions behind
    the centre stood the unit that is left out. From 0 down, the centre itself lies behind it."""
    centres: slice
    """Positions in the shortened texts."""
    n_narrow: int
    """How many of the narrowest kernels do not reach over the gap."""
    sums: Sums
    """Of the other kernels."""


class Windows:
    """What the convolutions add up to over each window, before the activation.

    Kernels stand from narrow to wide, so that those that reach a given distance are the last.
    """

    def __init__(
        self, encoder: CNNEncoder, embeddings: Float[Tensor, "position batch embedding"]
    ) -> None:
        """Multiply every token with every tap, and add up the whole texts' windows.

        Args:
            encoder: The model's.
            embeddings: Of all positions; padding is 0.
        """
        kernels = [kernel for kernel in encoder.convolutions if isinstance(kernel, nn.Conv1d)]
        order = sorted(range(len(kernels)), key=lambda i: kernels[i].kernel_size[0])
        self._kernels = [kernels[i] for i in order]
        self.width = kernels[0].out_channels
        """Channels of each kernel."""
        self.reach = self._kernels[-1].kernel_size[0] // 2
        """How far the widest kernel reaches from its centre."""
        channels = torch.arange(len(kernels) * self.width, device=embeddings.device)
        self.channels = channels.view(len(kernels), -1)[order].flatten()
        """Which channel of the encoder's states each one here is."""
        self._taps = range(-self.reach, self.reach + 1)
        self._products = self._multiply(embeddings)
        biases = [kernel.bias for kernel in self._kernels if kernel.bias is not None]
        self._empty = torch.cat(biases).expand(*embeddings.shape[:2], -1)
        self.whole = self._empty.clone()
        for tap in self._taps:
            self._add(self.whole, tap)

    def _multiply(self, embeddings: Float[Tensor, "position batch embedding"]) -> dict[int, Sums]:
        """For each tap the products with the kernels that reach it."""
        weights = [
            torch.cat(
                [
                    kernel.weight[..., tap + kernel.kernel_size[0] // 2]
                    for kernel in self._kernels[self._n_narrow(abs(tap)) :]
                ]
            )
            for tap in self._taps
        ]
        products = embeddings @ torch.cat(weights).T
        parts = products.split_with_sizes([len(weight) for weight in weights], dim=-1)
        return dict(zip(self._taps, parts, strict=True))

    def _n_narrow(self, distance: int) -> int:
        """How many kernels do not reach so far from their centre."""
        return sum(kernel.kernel_size[0] // 2 < distance for kernel in self._kernels)

    def _add(self, sums: Sums, tap: int) -> None:
        """Add to each window the product with the token at the tap, where there is one."""
        n_windows = len(sums) - abs(tap)
        if n_windows > 0:
            centre, token = max(0, -tap), max(0, tap)
            wide = sums[centre : centre + n_windows, :, self._n_narrow(abs(tap)) * self.width :]
            wide += self._products[tap][token : token + n_windows]

    def across_gaps(self) -> Iterator[Crossing]:
        """All windows that a gap runs through and that are centred on a unit."""
        n_units = len(self.whole) - 2
        left = self._empty.clone()
        for gap in self._taps[1:]:
            self._add(left, gap - 1)
            centres = slice(max(1, 1 - gap), min(n_units, n_units + 1 - gap))
            if centres.start < centres.stop:
                n_narrow = self._n_narrow(max(gap, 1 - gap))
                wide = slice(n_narrow * self.width, None)
                following = slice(centres.start + 1, centres.stop + 1)
                right = self.whole[following, :, wide] - left[following, :, wide]
                yield Crossing(gap, centres, n_narrow, left[centres, :, wide] + right)
