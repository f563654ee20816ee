"""What a row says that follows a prompt: how likely a language model would go on with that.

The text that follows is given to the model behind the prompt, so that one pass shows what it gives
to each of its tokens behind those before it.
"""

from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.models.huggingface.configuration import Question
from attn_audit.models.huggingface.outputs.base import (
    FOLLOWING,
    Output,
    at_positions,
    head_of,
    in_full,
    prompt_in_words,
)
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.task import Binary

SCORES = {
    "sum": "the probability of all its tokens",
    "mean": "the geometric mean of its tokens' probabilities",
    "first": "the probability of its first token",
}


class Continuation(Output):
    """What follows, against all else that could: one sigmoid.

    Args:
        module: A causal language model.
        name: What messages call it.

    Raises:
        UnsupportedModelError: Its vocabulary is not read off what its last layer gives.
    """

    has_following = True

    def __init__(self, module: nn.Module, question: Question, name: str) -> None:
        target = question.target
        assert target is not None
        self.task = Binary((f"not {target}", target))
        self._head = head_of(module, name)
        self._takes_mean = question.score == "mean"
        self.details = {
            "prompt": prompt_in_words(question),
            "answers": f"what {{{target}}} says, by {SCORES[question.score]}",
        }

    def asked(self, inputs: ModelInputs) -> AbstractContextManager[None]:
        """Around a call: the head gets the positions alone that something is to follow."""
        at, _, _ = _read(inputs)
        return at_positions(self._head, at, self._head.forward)

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"]:
        """Those that something is to follow: of some texts one, of others several."""
        return _is_followed(inputs)

    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """The log-odds of what follows."""
        logits = in_full(output.logits)
        _, following, is_read = _read(inputs)
        # Near 1 a probability is what the others are not: float32 has too few digits for them.
        own = logits.double().log_softmax(dim=-1).gather(2, following.unsqueeze(2)).squeeze(2)
        total = own.masked_fill(~is_read, 0).sum(dim=1, keepdim=True)
        if self._takes_mean:
            total = total / is_read.sum(dim=1, keepdim=True)
        return log_odds_of(total).to(logits.dtype)


def log_odds_of(log_probability: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """log(p / (1 - p)), of log(p), where p is close to 0 or to 1 as well.

    Example:
        >>> log_odds_of(torch.tensor([-1e-9, -1.0, -100.0], dtype=torch.float64))
        tensor([  20.7233,   -0.5413, -100.0000], dtype=torch.float64)
    """
    low = log_probability.clamp_max(-torch.finfo(log_probability.dtype).tiny)
    is_likely = low > -0.5
    near, far = low.where(is_likely, -0.5), low.where(~is_likely, -0.5)
    rest = torch.where(is_likely, (-torch.expm1(near)).log(), torch.log1p(-far.exp()))
    return low - rest


def _is_followed(inputs: ModelInputs) -> Bool[Tensor, "batch position"]:
    return (inputs.keywords[FOLLOWING] != NOT_AUDITED) & inputs.real


def _read(
    inputs: ModelInputs,
) -> tuple[
    Int[Tensor, "batch row"],
    Int[Tensor, "batch row"],
    Bool[Tensor, "batch row"],
]:
    """The positions that something is to follow, the tokens that are, and where there are any."""
    following, has_any = inputs.keywords[FOLLOWING], _is_followed(inputs)
    n_rows = max(1, int(has_any.sum(dim=1).max()))
    # Those that are read first, in order.
    at = (~has_any).int().argsort(dim=1, stable=True)[:, :n_rows]
    is_read = has_any.gather(1, at)
    return at, following.gather(1, at).clamp_min(0), is_read
