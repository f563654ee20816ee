"""Logits under other attention, from whole passes of an eager model: the truth about replays."""

import torch
from jaxtyping import Float
from torch import Tensor

from attn_audit.models.contract import Reading, RowChoice, Site
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.model import InterceptedModel
from tests.models.interception.matrix import eager, read
from tests.models.interception.patching import softmax_patched, softmax_recorded
from tests.models.interception.zoo import LAYERS, NEEDS_END, READOUT, IdsClassifier


class WholePasses:
    """The whole model again for every variant of one site's attention."""

    def __init__(
        self, name: str, model: InterceptedModel, batch: InterceptedBatch, site: Site
    ) -> None:
        self.name, self.batch = name, batch
        self.reading = read(model, batch, site)
        self.softmax = softmax_of_layer(name, site.layer)
        with torch.no_grad(), softmax_recorded() as seen:
            classifier_of(name).logits(batch.inputs)
        self.own: Float[Tensor, "batch head query key"] = seen[self.softmax]
        n_heads = self.own.shape[1]
        self.heads = range(n_heads) if site.head is None else range(site.head, site.head + 1)
        self.queries = [self._queries(example, site.rows) for example in range(len(batch))]

    def _queries(self, example: int, rows: RowChoice) -> list[int]:
        """The query that each of one head's rows is."""
        real = self.batch.inputs.real[example].nonzero()[:, 0].tolist()
        readout = "all" if rows is RowChoice.ALL else READOUT[self.name]
        every = list(range(self.own.shape[2]))
        return {"first": real[:1], "last": real[-1:]}.get(readout, every)

    def logits(
        self,
        attention: Float[Tensor, "batch variant row unit"],
        of_rows: Float[Tensor, "batch variant row"] | None = None,
    ) -> Float[Tensor, "batch variant label"]:
        """What the model says under other attention over the units, and other mass on them."""
        weights = self.own.unsqueeze(1).repeat(1, attention.shape[1], 1, 1, 1)
        for example, units in enumerate(self.batch.inputs.units):
            positions = (units >= 0).nonzero()[:, 0]
            rows = [(head, query) for head in self.heads for query in self.queries[example]]
            for row, (head, query) in enumerate(rows):
                if self.reading.row_mask[example, row]:
                    mass = self.own[example, head, query, positions].sum()
                    if of_rows is not None:
                        others = (units < 0).nonzero()[:, 0]
                        rest = self.own[example, head, query, others]
                        mass = of_rows[example, :, row, None]
                        if rest.sum() > 0:
                            weights[example, :, head, query, others] = (
                                rest / rest.sum() * (1 - mass)
                            )
                    shares = attention[example, :, row, units[positions]]
                    weights[example, :, head, query, positions] = shares * mass
        n_batch, n_variants = attention.shape[:2]
        imposed = weights.flatten(0, 1)
        with softmax_patched(lambda n, own: imposed if n == self.softmax else own):
            logits = classifier_of(self.name).logits(self.batch.inputs.repeat(n_variants))
        return logits.reshape(n_batch, n_variants, -1)


def classifier_of(name: str) -> IdsClassifier:
    """The eager model."""
    return IdsClassifier(eager(name), name)


def softmax_of_layer(name: str, layer: int) -> int:
    """The number of its softmax in call order: decoders attend to themselves in between."""
    if name in NEEDS_END and layer >= LAYERS:
        return LAYERS + 2 * (layer - LAYERS) + 1
    return layer


def random_attention(reading: Reading, n_variants: int) -> Float[Tensor, "batch variant row unit"]:
    """Distributions over the units that each row may attend to; zeros where there is no row."""
    generator = torch.Generator().manual_seed(0)
    n_batch, n_rows, n_units = reading.admissible.shape
    draws = torch.rand(n_batch, n_variants, n_rows, n_units, generator=generator)
    draws = draws * reading.admissible.unsqueeze(1)
    return draws / draws.sum(-1, keepdim=True).clamp_min(1e-9)
