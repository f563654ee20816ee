"""From the attention-weighted average of states to logits.

A readout is split where it stops being linear in attention: `unit_values` holds everything before
that point, computed once for each unit, and `logits` the rest. Under any attention the logits are
`logits(attention @ unit_values)`, and nothing before is ever computed again.
"""

from jaxtyping import Float
from torch import Tensor, nn

from attn_audit.models.attention_pooling.architecture import Architecture
from attn_audit.models.attention_pooling.attention import Question, UnitStates
from attn_audit.models.attention_pooling.fast_tanh import fast_tanh

UnitValues = Float[Tensor, "batch unit value"]
Pooled = Float[Tensor, "batch variant value"]


class SingleReadout(nn.Module):
    """W (sum_u attention_u state_u) + b: linear all the way."""

    is_linear = True

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.output = nn.Linear(architecture.state_size, architecture.n_logits)

    def unit_values(self, states: UnitStates) -> UnitValues:
        """What each unit adds to the logits under full attention, without the bias."""
        return states @ self.output.weight.T

    def logits(self, pooled: Pooled, question: Question | None) -> Tensor:
        """The bias is all that is left to add: batch by variant by label."""
        return pooled + self.output.bias


class PairReadout(nn.Module):
    """W tanh(P (sum_u attention_u state_u) + Q question + c) + b: linear up to the tanh."""

    is_linear = False

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        size = architecture.state_size
        self.text = nn.Linear(size, size // 2)
        self.question = nn.Linear(size, size // 2)
        self.output = nn.Linear(size // 2, architecture.n_logits)

    def unit_values(self, states: UnitStates) -> UnitValues:
        """P state, folded into the units once."""
        return states @ self.text.weight.T

    def logits(self, pooled: Pooled, question: Question | None) -> Tensor:
        """What comes after the fold: batch by variant by label."""
        assert question is not None, "a model of pairs always has a question"
        offset = self.question(question) + self.text.bias
        logits: Tensor = self.output(fast_tanh(pooled + offset.unsqueeze(1)))
        return logits
