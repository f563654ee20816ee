"""Modules whose attention lies in every way that modules have it, with what is true of one text.

Each keeps the weights of its last pass in `seen`, as one row over the tokens of the first text, so
that a pass over a text alone says what is right.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.models.custom.toys import N_IDS, PAD, pad_ids

HIDDEN, HEADS = 8, 2


def encode(texts: Sequence[Sequence[str]]) -> Tensor:
    """Ids without markers."""
    return pad_ids(texts, before=0, after=0)


class Geometric(nn.Module):
    """An embedding, projections, and an output; what lies between is each module's own."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.embedding = nn.Embedding(N_IDS, HIDDEN, padding_idx=PAD)
        self.query, self.key, self.value = (nn.Linear(HIDDEN, HIDDEN) for _ in range(3))
        self.score = nn.Linear(HIDDEN, 1)
        self.output = nn.Linear(HIDDEN, 2)
        self.cls = nn.Parameter(torch.randn(1, 1, HIDDEN))
        self.seen = torch.empty(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(1.5)

    def pooled(self, states: Tensor, ids: Tensor) -> Tensor:
        """The mean over what is no padding."""
        real = (ids != PAD).unsqueeze(-1).float()
        mean: Tensor = (states * real).sum(1) / real.sum(1)
        return mean

    def attend(self, states: Tensor, is_real: Tensor) -> Tensor:
        """One weight for each position."""
        scores = self.score(states.tanh()).squeeze(-1) * 2
        weights: Tensor = scores.masked_fill(~is_real, -1e9).softmax(-1)
        return weights


class SquareOfHeads(Geometric):
    """Self-attention of two heads, laid out as the subclass says."""

    def heads(self, states: Tensor) -> Tensor:
        """(batch, position, head, part)."""
        return states.reshape(*states.shape[:-1], HEADS, -1)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids)
        query, key, value = (self.heads(p(states)) for p in (self.query, self.key, self.value))
        hidden = ids == PAD
        mixed, weights = self.mix(query, key, value, hidden)
        self.seen = weights[0].mean(0).mean(0)
        return self.output(self.pooled(mixed.flatten(2), ids))  # type: ignore[no-any-return]

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Values mixed, (batch, position, head, part); and weights, (batch, head, query, key)."""
        raise NotImplementedError


class BatchFirst(SquareOfHeads):
    """(batch * head, query, key)."""

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        n, length = hidden.shape
        q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
        mask = hidden.repeat_interleave(HEADS, 0).unsqueeze(1)
        weights = (q @ k.mT).masked_fill(mask, -1e9).softmax(-1)
        return (weights @ v).view(n, HEADS, length, -1).transpose(1, 2), weights.view(
            n, HEADS, length, length
        )


class HeadFirst(SquareOfHeads):
    """(head * batch, query, key)."""

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        n, length = hidden.shape
        q, k, v = (x.permute(2, 0, 1, 3).flatten(0, 1) for x in (query, key, value))
        weights = (q @ k.mT).masked_fill(hidden.repeat(HEADS, 1).unsqueeze(1), -1e9).softmax(-1)
        mixed = (weights @ v).view(HEADS, n, length, -1).permute(1, 2, 0, 3)
        return mixed, weights.view(HEADS, n, length, length).transpose(0, 1)


class HeadBeforeBatch(SquareOfHeads):
    """(head, batch, query, key)."""

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores = torch.einsum("bqhd,bkhd->hbqk", query, key)
        weights = scores.masked_fill(hidden[None, :, None], -1e9).softmax(-1)
        return torch.einsum("hbqk,bkhd->bqhd", weights, value), weights.transpose(0, 1)


class QueryBeforeHead(SquareOfHeads):
    """(batch, query, head, key)."""

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores = torch.einsum("bqhd,bkhd->bqhk", query, key)
        weights = scores.masked_fill(hidden[:, None, None], -1e9).softmax(-1)
        return torch.einsum("bqhk,bkhd->bqhd", weights, value), weights.transpose(1, 2)


class KeyBeforeQuery(SquareOfHeads):
    """(batch, key, query, head), the softmax along the keys."""

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        scores = torch.einsum("bqhd,bkhd->bkqh", query, key)
        weights = scores.masked_fill(hidden[:, :, None, None], -1e9).softmax(1)
        return torch.einsum("bkqh,bkhd->bqhd", weights, value), weights.permute(0, 3, 2, 1)


class Folded(SquareOfHeads):
    """Batch, queries and heads folded into fewer axes than three.

    Args:
        axes: What each axis before the keys holds, the slowest first: "bq h" is (batch * query,
            head, key).
    """

    def __init__(self, axes: str) -> None:
        super().__init__()
        self.axes = axes.split()

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        unfolded = "".join(self.axes)
        scores = torch.einsum(f"bqhd,bkhd->{unfolded}k", query, key)
        where = hidden.reshape([len(hidden) if part == "b" else 1 for part in unfolded] + [-1])
        scores = scores.masked_fill(where, -1e9)
        sizes = iter(scores.shape)
        folded = [math.prod(next(sizes) for _ in axis) for axis in self.axes]
        weights = scores.reshape(*folded, -1).softmax(-1).view(scores.shape)
        mixed = torch.einsum(f"{unfolded}k,bkhd->bqhd", weights, value)
        return mixed, torch.einsum(f"{unfolded}k->bhqk", weights)


class Hops(Geometric):
    """Five hops over the tokens, (batch, hop, key): as many as some texts have tokens."""

    n_hops = 5

    def __init__(self) -> None:
        super().__init__()
        self.hops = nn.Linear(HIDDEN, self.n_hops)
        self.output = nn.Linear(HIDDEN * self.n_hops, 2)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids)
        scores = self.hops(states.tanh()).mT * 2
        weights = scores.masked_fill((ids == PAD).unsqueeze(1), -1e9).softmax(-1)
        self.seen = weights[0].mean(0)
        return self.output((weights @ states).flatten(1))  # type: ignore[no-any-return]


class HopsInTheBatch(Hops):
    """(batch * hop, key)."""

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids)
        scores = (self.hops(states.tanh()).mT * 2).flatten(0, 1)
        hidden = (ids == PAD).repeat_interleave(self.n_hops, 0)
        weights = scores.masked_fill(hidden, -1e9).softmax(-1).view(len(ids), self.n_hops, -1)
        self.seen = weights[0].mean(0)
        return self.output((weights @ states).flatten(1))  # type: ignore[no-any-return]


class PositionsFirst(Geometric):
    """Time before batch: (key, batch), the softmax along the time."""

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids.T)
        scores = self.score(states.tanh()).squeeze(-1) * 2
        weights = scores.masked_fill(ids.T == PAD, -1e9).softmax(0)
        self.seen = weights[:, 0]
        return self.output((weights.unsqueeze(-1) * states).sum(0))  # type: ignore[no-any-return]


class OwnMarkers(Geometric):
    """Learnt tokens of the module's own, in front and behind, that are attended to as well."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, ids: Tensor) -> Tensor:
        n = len(ids)
        front, back = (self.cls.expand(n, k, -1) for k in (self.before, self.after))
        states = torch.cat([front, self.embedding(ids), back], 1)
        always = torch.ones(n, 1, dtype=torch.bool)
        real = torch.cat(
            [always.expand(n, self.before), ids != PAD, always.expand(n, self.after)], 1
        )
        weights = self.attend(states, real)
        own = weights[0, self.before : self.before + ids.shape[1]]
        self.seen = own / own.sum()
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class Backwards(Geometric):
    """Reads every text from its end; padding stays where it is."""

    def forward(self, ids: Tensor) -> Tensor:
        n = (ids != PAD).sum(1, keepdim=True)
        index = torch.arange(ids.shape[1]).expand_as(ids)
        turned = ids.gather(1, torch.where(index < n, n - 1 - index, index))
        states = self.embedding(turned)
        weights = self.attend(states, turned != PAD)
        self.seen = weights[0, : int(n[0])].flip(0)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class Mirrored(Geometric):
    """Turns the whole row round, padding and all."""

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids.flip(1))
        weights = self.attend(states, ids.flip(1) != PAD)
        self.seen = weights[0].flip(0)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class Sorting(Geometric):
    """An LSTM over texts in the order of their lengths, put back at some point or other.

    Args:
        back: `states`: right behind the LSTM. `logits`: at the very end.
        looks_up: `given`: the embedding is asked for the texts as they come. `sorted`: as sorted.
    """

    def __init__(self, back: str, looks_up: str) -> None:
        super().__init__()
        self.back, self.looks_up = back, looks_up
        self.encoder = nn.LSTM(HIDDEN, HIDDEN // 2, bidirectional=True, batch_first=True)
        with torch.no_grad():
            for parameter in self.encoder.parameters():
                parameter.mul_(3)

    def forward(self, ids: Tensor) -> Tensor:
        lengths, order = (ids != PAD).sum(1).sort(descending=True)
        sorted_ids = ids[order]
        is_given = self.looks_up == "given"
        embedded = self.embedding(ids)[order] if is_given else self.embedding(sorted_ids)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True)
        states = pad_packed_sequence(self.encoder(packed)[0], batch_first=True)[0]
        states = F.pad(states, (0, 0, 0, ids.shape[1] - states.shape[1]))
        if self.back == "states":
            states, sorted_ids = states[order.argsort()], ids
        weights = self.attend(states, sorted_ids != PAD)
        self.seen = weights[0]
        logits = self.output((weights.unsqueeze(-1) * states).sum(1))
        return logits if self.back == "states" else logits[order.argsort()]  # type: ignore[no-any-return]


class TurnedBatch(Geometric):
    """Works through the batch from its last text, and puts nothing back but the logits."""

    def forward(self, ids: Tensor) -> Tensor:
        turned = ids.flip(0)
        states = self.embedding(turned)
        weights = self.attend(states, turned != PAD)
        self.seen = weights[-1]
        return self.output((weights.unsqueeze(-1) * states).sum(1)).flip(0)  # type: ignore[no-any-return]


class SeesPadding(Geometric):
    """A convolution whose bias makes something of padding, next to a text's last token."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(HIDDEN, HIDDEN, 3, padding=1)
        self.padding = nn.Parameter(torch.ones(HIDDEN) * 2)

    def forward(self, ids: Tensor) -> Tensor:
        states = torch.where((ids == PAD).unsqueeze(-1), self.padding, self.embedding(ids))
        states = self.convolution(states.mT).mT
        weights = self.attend(states, ids != PAD)
        self.seen = weights[0]
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class CentredOverAll(Geometric):
    """Subtracts the mean of all positions of all rows, as normalisation by hand may."""

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids)
        states = states - states.mean((0, 1), keepdim=True)
        weights = self.attend(states, ids != PAD)
        self.seen = weights[0]
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class Flattened(Geometric):
    """Scores all tokens of a batch as one long row, as `view(-1, size)` makes it."""

    def forward(self, ids: Tensor) -> Tensor:
        states = self.key(self.embedding(ids).view(-1, HIDDEN)).view(*ids.shape, HIDDEN)
        weights = self.attend(states, ids != PAD)
        self.seen = weights[0]
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class RealTokensAlone(Geometric):
    """Projects what is no padding, of all texts together: rows of a batch are of no one length."""

    def forward(self, ids: Tensor) -> Tensor:
        real = ids != PAD
        states = torch.zeros(*ids.shape, HIDDEN)
        states[real] = self.key(self.embedding(ids)[real])
        weights = self.attend(states, real)
        self.seen = weights[0]
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class TextByText(Geometric):
    """A loop over the texts of a batch, each cut to its length."""

    def forward(self, ids: Tensor) -> Tensor:
        pooled: list[Tensor] = []
        for row in ids:
            states = self.embedding(row[row != PAD]).unsqueeze(0)
            weights = self.attend(states, torch.ones(1, states.shape[1], dtype=torch.bool))
            self.seen = weights[0] if not pooled else self.seen
            pooled.append((weights.unsqueeze(-1) * states).sum(1))
        return self.output(torch.cat(pooled))  # type: ignore[no-any-return]


class SquareTextByText(SquareOfHeads):
    """The same of self-attention, without an axis for a batch: (head, query, key)."""

    def mix(
        self, query: Tensor, key: Tensor, value: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor]:
        mixed, weights = (
            torch.zeros_like(value),
            query.new_zeros(len(query), HEADS, *[hidden.shape[1]] * 2),
        )
        for i, n in enumerate((~hidden).sum(1).tolist()):
            q, k, v = (x[i, :n].transpose(0, 1) for x in (query, key, value))
            weights[i, :, :n, :n] = (q @ k.mT).softmax(-1)
            mixed[i, :n] = (weights[i, :, :n, :n] @ v).transpose(0, 1)
        return mixed, weights


class NoNumberBesideOthers(Geometric):
    """Rows of padding attend to nothing: no numbers, which a factor of 0 does not remove."""

    def forward(self, ids: Tensor) -> Tensor:
        states, hidden = self.embedding(ids), ids == PAD
        scores = self.query(states) @ self.key(states).mT
        blocked = hidden.unsqueeze(1) | hidden.unsqueeze(2)
        weights = scores.masked_fill(blocked, -torch.inf).softmax(-1)
        self.seen = weights[0].mean(0)
        return self.output(self.pooled(weights @ states, ids))  # type: ignore[no-any-return]


class ReadsLargest(Geometric):
    """Self-attention read out at the token of the largest number, wherever it stands."""

    def forward(self, ids: Tensor) -> Tensor:
        states, hidden = self.embedding(ids), ids == PAD
        scores = self.query(states) @ self.key(states).mT
        weights = scores.masked_fill(hidden.unsqueeze(1), -1e9).softmax(-1)
        rows = torch.arange(len(ids)), ids.argmax(1)
        self.seen = weights[rows][0]
        return self.output((weights @ states)[rows])  # type: ignore[no-any-return]


class OwnTokenBesideAll(Geometric):
    """A class token of the module's own in a square attention over which everything is averaged."""

    def forward(self, ids: Tensor) -> Tensor:
        states = torch.cat([self.cls.expand(len(ids), -1, -1), self.embedding(ids)], 1)
        real = torch.cat([torch.ones(len(ids), 1, dtype=torch.bool), ids != PAD], 1)
        scores = self.query(states) @ self.key(states).mT
        weights = scores.masked_fill(~real.unsqueeze(1), -1e9).softmax(-1)
        own = weights[0][real[0]][:, 1:].sum(0)[: ids.shape[1]]
        self.seen = own / own.sum()
        mixed = (weights @ states) * real.unsqueeze(-1)
        return self.output(mixed.sum(1) / real.sum(1, keepdim=True))  # type: ignore[no-any-return]


class BothWays(Geometric):
    """A recurrent step over the text, and one over it from its end, each with a look-up."""

    def states(self, forwards: Tensor, backwards: Tensor) -> Tensor:
        """Of given embeddings."""
        there: Tensor = self.query(forwards.tanh()).cumsum(1)
        back: Tensor = self.key(backwards.tanh()).cumsum(1).flip(1)
        return there + back

    def forward(self, ids: Tensor) -> Tensor:
        states = self.states(self.embedding(ids), self.embedding(ids.flip(1)))
        weights = self.attend(states, ids != PAD)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class Reordered(Geometric):
    """Weights whose columns stand in an order of the module's own.

    Args:
        order: Gives the positions in that order, of so many.
    """

    def __init__(self, order: Callable[[int], list[int]]) -> None:
        super().__init__()
        self.order = order

    def forward(self, ids: Tensor) -> Tensor:
        ids = ids[:, self.order(ids.shape[1])]
        states = self.embedding(ids)
        weights = self.attend(states, ids != PAD)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class SummaryOfLongTexts(Geometric):
    """One more column, in front, for texts of more than a dozen tokens."""

    def forward(self, ids: Tensor) -> Tensor:
        states, real = self.embedding(ids), ids != PAD
        if ids.shape[1] > 12:
            states = torch.cat([states.mean(1, keepdim=True), states], 1)
            real = torch.cat([real[:, :1], real], 1)
        weights = self.attend(states, real)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class AveragesShortTexts(Geometric):
    """Batches of one or two columns are averaged without attention."""

    def forward(self, ids: Tensor) -> Tensor:
        states, real = self.embedding(ids), ids != PAD
        if ids.shape[1] <= 2:
            self.seen = real[0] / real[0].sum()
            weights = real / real.sum(1, keepdim=True)
        else:
            weights = self.attend(states, real)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class CountsRowsAndAveragesShortTexts(AveragesShortTexts):
    """What comes out for a text depends on how many rows there are, too."""

    def forward(self, ids: Tensor) -> Tensor:
        return super().forward(ids) * (1 + (len(ids) - 1) / 10)


class HalvesShortTexts(Geometric):
    """Batches of one or two columns have other scores."""

    def forward(self, ids: Tensor) -> Tensor:
        states = self.embedding(ids)
        weights = self.attend(states / 2 if ids.shape[1] <= 2 else states, ids != PAD)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


class TurnsLongTexts(BothWays):
    """Texts of more than a dozen tokens are read from their end, mixed or as they are."""

    def __init__(self, is_mixed: bool) -> None:
        super().__init__()
        self.is_mixed = is_mixed

    def forward(self, ids: Tensor) -> Tensor:
        if ids.shape[1] > 12:
            ids = ids.flip(1)
        states = self.embedding(ids)
        if self.is_mixed:
            states = states + 0.3 * self.query(states.tanh()).cumsum(1)
        weights = self.attend(states, ids != PAD)
        return self.output((weights.unsqueeze(-1) * states).sum(1))  # type: ignore[no-any-return]


REFUSED: dict[str, Callable[[int], list[int]]] = {
    "even positions first": lambda n: [*range(0, n, 2), *range(1, n, 2)],
    "the first two swapped": lambda n: [*reversed(range(min(n, 2))), *range(2, n)],
    "one column later": lambda n: [(i - 1) % n for i in range(n)],
    "the last first": lambda n: [n - 1, *range(n - 1)],
}
"""Orders of columns that are no order of the text."""

RIGHT: dict[str, Callable[[], Geometric]] = {
    "batch * head": BatchFirst,
    "head * batch": HeadFirst,
    "head before batch": HeadBeforeBatch,
    "batch * query, head": lambda: Folded("bq h"),
    "head, query * batch": lambda: Folded("h qb"),
    "batch, head * query": lambda: Folded("b hq"),
    "batch, query * head": lambda: Folded("b qh"),
    "batch * query * head": lambda: Folded("bqh"),
    "query * head * batch": lambda: Folded("qhb"),
    "query before head": QueryBeforeHead,
    "key before query": KeyBeforeQuery,
    "hops": Hops,
    "batch * hops": HopsInTheBatch,
    "positions before batch": PositionsFirst,
    "own class token": lambda: OwnMarkers(1, 0),
    "sink behind": lambda: OwnMarkers(0, 1),
    "two in front, one behind": lambda: OwnMarkers(2, 1),
    "backwards": Backwards,
    "mirrored": Mirrored,
    "sorted, states put back": lambda: Sorting("states", "given"),
    "sorted, logits put back": lambda: Sorting("logits", "given"),
    "looked up sorted, states put back": lambda: Sorting("states", "sorted"),
    "looked up sorted, logits put back": lambda: Sorting("logits", "sorted"),
    "batch turned": TurnedBatch,
    "sees padding": SeesPadding,
    "flattened": Flattened,
    "real tokens alone": RealTokensAlone,
    "text by text": TextByText,
    "square text by text": SquareTextByText,
    "no number beside others": NoNumberBesideOthers,
    "read at the largest": ReadsLargest,
    "own token beside all": OwnTokenBesideAll,
}
"""What is read right, together or one text at a time."""
