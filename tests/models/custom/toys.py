"""Small modules that know nothing of an audit, with attention of every shape."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.custom.intercepted_model import CustomInterceptedModel, build_custom_model
from attn_audit.models.options import ModelOptions
from attn_audit.models.units import UnitName
from tests.tiny import WORDS

PAD, UNKNOWN, START, END = range(4)
IDS = {word: i for i, word in enumerate(WORDS, start=4)}
N_IDS = 4 + len(WORDS)
CPU = torch.device("cpu")

TEXTS = (
    "w5 w9 w13 w7 w22",
    "w8 w30 w11",
    "w6 w17 w4 w28 w39 w15 w10",
    "w12 w21 w33 w5",
)
EXAMPLES = tuple(Example(id=f"example-{i}", text=text) for i, text in enumerate(TEXTS))


def pad_ids(
    texts: Sequence[Sequence[str]],
    *,
    before: int = 1,
    after: int = 1,
    left: bool = False,
    width: int = 0,
) -> Tensor:
    """Ids with so many markers around each text, padded to the longest or to a width."""
    rows = [
        [START] * before + [IDS.get(token, UNKNOWN) for token in text] + [END] * after
        for text in texts
    ]
    n_columns = max(width, *map(len, rows))
    ids = torch.full((len(rows), n_columns), PAD)
    for i, row in enumerate(rows):
        where = slice(n_columns - len(row), None) if left else slice(len(row))
        ids[i, where] = torch.tensor(row)
    return ids


class Pooling(nn.Module):
    """Embedding, a layer for each token alone, attention, an output: linear behind attention.

    Args:
        attend: States (batch, position, hidden), scores (batch, position) and a mask to the pooled
            states (batch, hidden).
    """

    def __init__(
        self,
        attend: Callable[[Tensor, Tensor, Tensor], Tensor],
        n_outputs: int = 1,
        behind: Callable[[Tensor], Tensor] = lambda pooled: pooled,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(N_IDS, 8, padding_idx=PAD)
        self.hidden = nn.Linear(8, 12)
        self.score = nn.Linear(12, 1)
        self.output = nn.Linear(12, n_outputs)
        self.attend = attend
        self.behind = behind
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.mul_(2)

    def forward(self, ids: Tensor) -> Tensor:
        states = self.hidden(self.embedding(ids)).tanh()
        pooled = self.attend(states, self.score(states).squeeze(-1), ids > END)
        output: Tensor = self.output(self.behind(pooled))
        return output


def masked(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores that a softmax gives no weight outside the mask."""
    return scores.masked_fill(~mask, -1e9)


def attend_plainly(states: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
    """Weights of shape (batch, position)."""
    return torch.einsum("bp,bph->bh", masked(scores, mask).softmax(-1), states)


def custom_of(module: nn.Module, encode: Callable[..., Any] = pad_ids, **said: Any) -> CustomModel:
    """A binary model of two labels, unless something else is said."""
    given: dict[str, Any] = {"labels": ["bad", "good"], "task": "binary"} | said
    return CustomModel(module, encode, **given)


def model_of(
    custom: CustomModel,
    examples: Sequence[Example] = EXAMPLES,
    unit: UnitName = "token",
    max_length: int | None = None,
    device: torch.device = CPU,
) -> CustomInterceptedModel:
    """Ready to be audited."""
    return build_custom_model(
        custom, examples, device, ModelOptions(unit=unit, max_length=max_length)
    )


@cache
def between_markers(
    attend: Callable[[Tensor, Tensor, Tensor], Tensor] = attend_plainly,
) -> CustomInterceptedModel:
    """A pooling model of ids with a marker on either side; shared, so left as it is."""
    return model_of(custom_of(Pooling(attend)))
