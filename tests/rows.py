"""A small model with several layers, heads and query rows, whose every number can be worked out.

Each head of each layer attends to the words and to a special token that is not audited. What its
rows gather is averaged, added up over heads and layers, and read out through a tanh.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.models.contract import (
    AttentionLayer,
    AuditedModel,
    Batch,
    EncodedExample,
    Reading,
    Removal,
    Rule,
    Site,
    Unit,
)
from attn_audit.models.task import TASKS, TaskKind
from attn_audit.results.model_description import LayerDescription, ModelDescription

N_WORDS, SIZE = 44, 6
"""Words are called w0, w1, ..."""


class Sight(StrEnum):
    """Which words a row may attend to."""

    EVERYTHING = "everything"
    BEFORE = "before"
    """Those in front of its own: the first row has none but the special token."""
    NEAR = "near"
    """Its own and its neighbours."""


class Network(nn.Module):
    def __init__(self, n_layers: int, n_heads: int, n_logits: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)

        def weights(*shape: int, scale: float = 1.0) -> nn.Parameter:
            values = torch.randn(*shape, generator=draw, dtype=torch.float64)
            return nn.Parameter(scale * values, requires_grad=False)

        self.table = weights(N_WORDS, SIZE)
        self.query = weights(n_layers, n_heads, SIZE)
        self.of_rows = weights(n_layers, n_heads, SIZE, SIZE, scale=0.5)
        self.special_score = weights(n_layers, n_heads)
        self.value = weights(n_layers, n_heads, SIZE, SIZE, scale=0.4)
        self.special_value = weights(n_layers, n_heads, SIZE)
        self.output = weights(SIZE, n_logits, scale=2.0)
        self.dropout = nn.Dropout(0.5)


@dataclass(frozen=True)
class WordBatch(Batch):
    ids: Tensor


@dataclass(frozen=True)
class LayerAttention:
    """What the heads of a layer attend to: batch head row unit."""

    raw: Tensor
    rest: Tensor
    admissible: Tensor
    row_mask: Tensor


class _Deletion(Removal):
    words = "deleted"


class _NoNeutralWord(Removal):
    words = "replaced"
    why_not = "there is no neutral word"


class RowsModel(AuditedModel):
    """Two layers of three heads. With `every_row`, each word's row is read out, else one alone."""

    def __init__(
        self,
        *,
        every_row: bool = False,
        sight: Sight = Sight.EVERYTHING,
        kind: TaskKind = TaskKind.BINARY,
        n_layers: int = 2,
        n_heads: int = 3,
    ) -> None:
        self.task = TASKS[kind](("no", "yes"))
        self.layers = tuple(AttentionLayer(f"layer{i}", n_heads) for i in range(n_layers))
        self.default_site = Site(layer=n_layers - 1)
        self.module = self.network = Network(n_layers, n_heads, self.task.n_logits).eval()
        self.device = torch.device("cpu")
        self.every_row, self.sight = every_row, sight
        self.n_reads = 0

    def describe(self) -> ModelDescription:
        return ModelDescription(
            source="in memory",
            sha256=None,
            format="in memory",
            architecture="rows",
            task=self.task.name,
            labels=self.task.labels,
            sites=("rows",),
            layers=tuple(LayerDescription(name=x.name, n_heads=x.n_heads) for x in self.layers),
            default_layer=self.default_site.layer,
            n_parameters=1,
            dtype="float64",
            linear_readout=False,
            takes_pairs=False,
            details={},
        )

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        return [
            EncodedExample(
                example, tuple(Unit(word, 0, 0) for word in example.text.split()), False, None
            )
            for example in examples
        ]

    def collate(self, encoded: Sequence[EncodedExample]) -> WordBatch:
        width = max(item.n_units for item in encoded)
        ids = torch.zeros(len(encoded), width, dtype=torch.long)
        for i, item in enumerate(encoded):
            ids[i, : item.n_units] = torch.tensor([int(unit.text[1:]) for unit in item.units])
        lengths = torch.tensor([item.n_units for item in encoded])
        return WordBatch(tuple(encoded), torch.arange(width) < lengths[:, None], ids)

    # --- the computation ------------------------------------------------------------------------

    def attend(self, layer: int, states: Tensor, unit_mask: Tensor) -> LayerAttention:
        network, n_units = self.network, states.shape[1]
        position = torch.arange(n_units)
        away = position[:, None] - position
        if self.every_row:
            queries = torch.einsum("bqd,hde->bhqe", states, network.of_rows[layer])
            row_mask = unit_mask
            seen = {"everything": away == away, "before": away > 0, "near": away.abs() < 2}
            seen_by_row = seen[self.sight.value]
        else:
            queries = network.query[layer][None, :, None].expand(len(states), -1, -1, -1)
            row_mask = torch.ones_like(unit_mask[:, :1])
            # A readout row that sees part of the text sees its beginning.
            seen_by_row = (position < (3 if self.sight is Sight.NEAR else n_units))[None]
        n_heads = self.layers[layer].n_heads
        admissible = (seen_by_row & unit_mask[:, None] & row_mask[:, :, None])[:, None]
        admissible = admissible.expand(-1, n_heads, -1, -1)
        scores = torch.einsum("bhqe,bue->bhqu", queries, states).masked_fill(
            ~admissible, -torch.inf
        )
        special = network.special_score[layer][None, :, None, None].expand(*scores.shape[:3], 1)
        weights = torch.cat([scores, special], dim=-1).softmax(-1) * row_mask[:, None, :, None]
        return LayerAttention(weights[..., :-1], weights[..., -1], admissible, row_mask)

    def gather(self, layer: int, raw: Tensor, rest: Tensor, states: Tensor, rows: Tensor) -> Tensor:
        """What the heads of a layer add: batch (variant) value."""
        values = torch.einsum("bud,hde->bhue", states, self.network.value[layer])
        special = rest[..., None] * self.network.special_value[layer][:, None]
        found = torch.einsum("b...hqu,bhue->b...hqe", raw, values)
        special = special.reshape(len(found), *(1,) * (found.dim() - 4), *special.shape[1:])
        n_rows = rows.sum(-1).reshape(-1, *(1,) * (found.dim() - 3))
        added: Tensor = (found + special).sum(dim=(-2, -3)) / n_rows
        return added

    def run(self, states: Tensor, unit_mask: Tensor, hold: bool = False) -> list[Tensor]:
        parts = []
        for layer in range(len(self.layers)):
            seen = self.attend(layer, states.detach() if hold else states, unit_mask)
            parts.append(self.gather(layer, seen.raw, seen.rest, states, seen.row_mask))
        return parts

    def readout(self, gathered: Tensor) -> Tensor:
        logits: Tensor = gathered.tanh() @ self.network.output
        return logits

    # --- the contract ---------------------------------------------------------------------------

    @torch.no_grad()
    def read(self, batch: Batch, sites: Sequence[Site]) -> list[Reading]:
        assert isinstance(batch, WordBatch)
        self.n_reads += 1
        states = self.embed(batch)
        parts = self.run(states, batch.unit_mask)
        return [self.read_site(site, batch, states, parts) for site in sites]

    def read_site(
        self, site: Site, batch: WordBatch, states: Tensor, parts: list[Tensor]
    ) -> Reading:
        seen = self.attend(site.layer, states, batch.unit_mask)
        n_heads = seen.raw.shape[1]
        heads = range(n_heads) if site.head is None else [site.head]
        own_mass = seen.raw[:, heads].sum(-1)
        share = seen.raw[:, heads] / torch.where(own_mass > 0, own_mass, 1)[..., None]

        def replay(weights: Tensor, mass: Tensor | None = None) -> Tensor:
            if mass is not None and mass.dim() == weights.dim() - 1 and weights.shape[1] > 1:
                each = zip(weights.unbind(1), mass.unbind(1), strict=True)
                return torch.cat([replay(one.unsqueeze(1), of_one) for one, of_one in each], dim=1)
            shape = own_mass.shape
            total = own_mass if mass is None else mass.reshape(shape) * seen.row_mask[:, None]
            other = seen.rest[:, heads]
            left = other if mass is None else torch.where(other > 0, 1 - total, 0)
            left = left * seen.row_mask[:, None]
            raw = seen.raw.unsqueeze(1).expand(-1, weights.shape[1], -1, -1, -1)
            rows = (
                weights.reshape(*weights.shape[:2], len(heads), -1, weights.shape[-1])
                * total[:, None, ..., None]
            )
            raw = torch.cat(
                [rows]
                if site.head is None
                else [raw[:, :, : site.head], rows, raw[:, :, site.head + 1 :]],
                dim=2,
            )
            rest = seen.rest.clone()
            rest[:, heads] = left
            changed = self.gather(site.layer, raw, rest, states, seen.row_mask)
            others = sum(p for i, p in enumerate(parts) if i != site.layer)
            unmoved = others.unsqueeze(1) if isinstance(others, Tensor) else 0
            return self.readout(changed + unmoved)

        return Reading(
            logits=self.readout(torch.stack(parts).sum(0)),
            attention=share.flatten(1, 2),
            admissible=seen.admissible[:, heads].flatten(1, 2),
            mass=own_mass.flatten(1),
            rest=seen.rest[:, heads].flatten(1),
            row_mask=seen.row_mask[:, None].expand(-1, len(heads), -1).flatten(1),
            replay=replay,
            find_linear_readout=lambda: None,
        )

    def embed(self, batch: Batch) -> Tensor:
        assert isinstance(batch, WordBatch)
        return self.network.table[batch.ids]

    def forward(
        self,
        batch: Batch,
        embeddings: Tensor,
        hold_attention: bool,
        rules: Mapping[Site, Rule] | None = None,
    ) -> Tensor:
        parts = self.run(embeddings, batch.unit_mask, hold_attention)
        for site, rule in (rules or {}).items():
            assert isinstance(batch, WordBatch)
            states = self.embed(batch)
            own = self.read_site(site, batch, states, self.run(states, batch.unit_mask))
            seen = self.attend(site.layer, states, batch.unit_mask)
            heads = slice(None) if site.head is None else slice(site.head, site.head + 1)
            shape = seen.raw[:, heads].shape
            raw = seen.raw.clone()
            share = rule(own).attention
            raw[:, heads] = (share * own.mass.unsqueeze(2)).reshape(shape)
            parts[site.layer] = self.gather(site.layer, raw, seen.rest, embeddings, seen.row_mask)
        return self.readout(torch.stack(parts).sum(0))

    @property
    def removals(self) -> Mapping[str, Removal]:
        return {"delete": _Deletion(), "neutral": _NoNeutralWord()}

    def intervene(self, batch: Batch, rules: Mapping[Site, Rule]) -> Tensor:
        raise NotImplementedError

    def erase(self, batch: Batch, keep: Tensor, operator: str | None = None) -> Tensor:
        states = self.embed(batch)
        variants = [
            self.readout(torch.stack(self.run(states, batch.unit_mask & kept)).sum(0))
            for kept in keep.unbind(1)
        ]
        return torch.stack(variants, dim=1)


def texts(*lengths: int) -> list[Example]:
    """Texts of so many words, none twice in a text."""
    draw = torch.Generator().manual_seed(1)
    return [
        Example(
            id=f"text-{i}",
            text=" ".join(f"w{w}" for w in torch.randperm(N_WORDS, generator=draw)[:n].tolist()),
        )
        for i, n in enumerate(lengths)
    ]
