"""One direction of an LSTM, step by step, with states that can be copied and taken up again."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

States = Float[Tensor, "variant batch hidden"]


class LSTMCell:
    """The cell of `nn.LSTM`, with every tanh as 2 sigmoid(2x) - 1 (see `fast_tanh`).

    The factors 2 are folded away: the candidate's weights are doubled, so that one sigmoid serves
    all four gates, and the cell state is kept doubled.
    """

    def __init__(self, lstm: nn.LSTM, suffix: str) -> None:
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w_input, w_hidden, b_input, b_hidden = (
            getattr(lstm, f"{name}_l0{suffix}") for name in names
        )
        self.hidden_size = lstm.hidden_size
        factors = w_input.new_tensor([1, 1, 2, 1]).repeat_interleave(lstm.hidden_size)
        self._w_input = w_input * factors.unsqueeze(1)
        self._w_hidden = (w_hidden * factors.unsqueeze(1)).T.contiguous()
        self._bias = (b_input + b_hidden) * factors

    def inputs(
        self, embeddings: Float[Tensor, "position batch embedding"]
    ) -> Float[Tensor, "position batch gates"]:
        """What the tokens add to the gates: the same whatever stands before them."""
        return F.linear(embeddings, self._w_input, self._bias)

    def step(
        self,
        hidden: States,
        doubled_cell: States,
        inputs: Float[Tensor, "batch gates"],
        buffer: Float[Tensor, "position batch gates"],
    ) -> None:
        """Read one token in all variants; the states are written over.

        Args:
            hidden: Contiguous.
            doubled_cell: Twice the cell state, contiguous.
            inputs: Of the token, from `inputs`.
            buffer: Space for the gates of all variants; what it holds means nothing.
        """
        n_variants, n_examples, size = hidden.shape
        n_rows = n_variants * n_examples
        rows = buffer.view(-1, 4 * size)[:n_rows]
        torch.mm(hidden.view(n_rows, size), self._w_hidden, out=rows)
        gates = rows.view(n_variants, n_examples, 4 * size).add_(inputs).sigmoid_()
        enter, keep, candidate, show = gates.chunk(4, dim=-1)
        # 2c' = keep 2c + 2 enter (2 candidate - 1);  h' = show (2 sigmoid(2c') - 1)
        doubled_cell.mul_(keep).addcmul_(enter, candidate, value=4).sub_(enter, alpha=2)
        torch.sigmoid(doubled_cell, out=hidden).mul_(2).sub_(1).mul_(show)
