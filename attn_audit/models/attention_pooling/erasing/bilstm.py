"""Every unit left out in turn, for the BiLSTM.

Without unit u the forward states before u and the backward states behind it are those of the whole
text. So each direction runs over the variants alone whose gap it has passed, all variants of all
examples as one batch, and the other direction's half of a state is taken from the whole text.
"""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn

from attn_audit.models.attention_pooling.bilstm import BiLSTMEncoder
from attn_audit.models.attention_pooling.erasing.lstm_cell import LSTMCell
from attn_audit.models.attention_pooling.erasing.pooling import Pooled, union, union_of_all
from attn_audit.models.attention_pooling.erasing.scoring import Scorer, scorer_of
from attn_audit.models.attention_pooling.erasing.texts import Texts
from attn_audit.models.attention_pooling.network import AttentionPoolingNetwork
from attn_audit.models.attention_pooling.positions import mirror


def bilstm_without_each_unit(
    network: AttentionPoolingNetwork, texts: Texts
) -> Float64[Tensor, "variant batch value"]:
    """Pooled unit values of the whole texts (variant 0) and without each unit.

    Args:
        network: With a BiLSTM.
        texts: Whole.
    """
    encoder = network.text_encoder.encoder
    assert isinstance(encoder, BiLSTMEncoder)
    scorer = scorer_of(network, texts.question)
    mask = texts.unit_mask.T  # in what follows, texts lie side by side
    reversed_ids = texts.token_ids.gather(1, mirror(texts.lengths, texts.token_ids.shape[1]))
    reverse = (
        mirror(texts.lengths - 2, len(mask)).T,
        torch.arange(len(texts.lengths), device=mask.device),
    )

    forward = _Direction(encoder.lstm, "", network.embed(texts.token_ids.T)[:-1])
    backward = _Direction(encoder.lstm, "_reverse", network.embed(reversed_ids.T)[:-1])
    forward_half = forward.project_whole(scorer)
    backward_half = backward.project_whole(scorer).add_(scorer.offset)[reverse]
    scores, values = scorer.finish(forward_half + backward_half)
    whole = union_of_all(Pooled.of_units(scores, values, mask))

    after = forward.pool_behind_each_gap(backward_half, mask, scorer)
    forward_half = forward_half.add_(scorer.offset)[reverse]
    before = backward.pool_behind_each_gap(forward_half, mask, scorer)
    before = Pooled(before.log_weight[reverse], before.mean[reverse])
    return torch.cat([whole.unsqueeze(0), union(before, after).mean])


class _Direction:
    """One direction of an LSTM; first over the whole texts, then over what follows each gap."""

    def __init__(
        self, lstm: nn.LSTM, suffix: str, embeddings: Float[Tensor, "position batch embedding"]
    ) -> None:
        """Read the whole texts: the first marker and the units, in this direction's order."""
        self._cell = LSTMCell(lstm, suffix)
        self._channels = slice(lstm.hidden_size) if not suffix else slice(lstm.hidden_size, None)
        self._inputs = self._cell.inputs(embeddings)
        # After each position; variant u, which leaves out unit u, starts from the state before it.
        self._hidden = embeddings.new_empty(*embeddings.shape[:2], lstm.hidden_size)
        self._cells = torch.empty_like(self._hidden)
        self._read_whole()

    def _read_whole(self) -> None:
        hidden, cells = torch.zeros_like(self._hidden[:1]), torch.zeros_like(self._cells[:1])
        buffer = torch.empty_like(self._inputs[:1])
        for position, inputs in enumerate(self._inputs):
            self._cell.step(hidden, cells, inputs, buffer)
            self._hidden[position], self._cells[position] = hidden[0], cells[0]

    def project_whole(self, scorer: Scorer) -> Float[Tensor, "unit batch projected"]:
        """This direction's half of the whole texts' states, projected."""
        return scorer.project(self._hidden[1:], self._channels)

    def pool_behind_each_gap(
        self,
        other_half: Float[Tensor, "unit batch projected"],
        mask: Bool[Tensor, "unit batch"],
        scorer: Scorer,
    ) -> Pooled:
        """What follows each unit when it is left out; the saved states are used up.

        Args:
            other_half: The other direction's, in this one's order, offset included.
            mask: Where there are units.
            scorer: Of the batch.
        """
        pooled = Pooled.nothing(mask.shape, scorer.n_values, mask.device)
        buffer = torch.empty_like(self._inputs)
        for unit in range(1, len(mask)):
            passed = slice(unit)  # the variants whose gap lies before this unit
            hidden, cells = self._hidden[passed], self._cells[passed]
            self._cell.step(hidden, cells, self._inputs[unit + 1], buffer)
            projected = scorer.project(hidden, self._channels).add_(other_half[unit])
            pooled.join(passed, Pooled.of_units(*scorer.finish(projected), mask[unit]))
        return pooled
