"""Some answers to a prompt: how likely a language model would go on with each.

Behind the last token, logits of the options' own tokens; of the whole vocabulary nothing else is
computed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attn_audit.errors import UnsupportedModelError
from attn_audit.models.huggingface.outputs.base import Output, in_full
from attn_audit.models.huggingface.prompting import Asker
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.task import Multiclass

MAX_ERROR = 1e-3
"""Of the spread of the logits: what a head's rows by themselves are off by if that is rounding."""


class Options(Output):
    """Answers of one token each.

    Args:
        module: A causal language model.
        name: What messages call it.

    Raises:
        ConfigurationError: An answer has several tokens, or two have the same.
        UnsupportedModelError: Its vocabulary is not read off what its last layer gives.
    """

    def __init__(self, module: nn.Module, asker: Asker, name: str) -> None:
        question = asker.question
        self.task = Multiclass(question.labels)
        tokens = [ids[0] for ids in asker.options]
        self._tokens = torch.tensor(tokens, device=next(module.parameters()).device)
        model: Any = module
        head = model.get_output_embeddings()
        if not isinstance(head, nn.Module):
            raise UnsupportedModelError(f"{name} has no layer that gives a vocabulary's logits")
        self._head: Any = head
        self._rows_alone = type(head) is nn.Linear and self._is_given_by_rows(module)
        answers = zip(question.options, asker.options, strict=True)
        self.details = {
            "prompt": repr(question.prompt.template) + (", in a chat" if question.is_chat else ""),
            "answers": ", ".join(f"{option!r} {list(ids)}" for option, ids in answers),
        }

    @torch.no_grad()
    def _is_given_by_rows(self, module: nn.Module) -> bool:
        """Whether the options' rows of the head give what the module gives of these tokens."""
        ids = self._tokens.unsqueeze(0)
        inputs = ModelInputs(
            (), {}, torch.full_like(ids, NOT_AUDITED), torch.ones_like(ids, dtype=torch.bool)
        )
        whole = module(input_ids=ids).logits[:, -1]
        self._rows_alone = True
        with self.asked(inputs):
            rows = module(input_ids=ids).logits
        if rows.shape != (1, 1, len(self._tokens)):
            return False
        spread = float(whole.float().amax() - whole.float().amin())
        gap = (rows[:, 0] - whole[:, self._tokens]).float().abs().max()
        return float(gap) <= MAX_ERROR * spread

    @contextmanager
    def asked(self, inputs: ModelInputs) -> Iterator[None]:
        """Around a call: the head gets each text's last position alone."""
        head, forward = self._head, self._head.forward
        places = torch.arange(inputs.n_positions, device=inputs.real.device)
        last = torch.where(inputs.real, places, 0).amax(dim=1)
        texts = torch.arange(len(inputs), device=last.device)

        def of_last(states: Tensor) -> Tensor:
            states = states[texts, last].unsqueeze(1)
            if not self._rows_alone:
                return forward(states)[..., self._tokens]
            bias = None if head.bias is None else head.bias[self._tokens]
            return nn.functional.linear(states, head.weight[self._tokens], bias)

        head.forward = of_last
        try:
            yield
        finally:
            del head.forward

    def read(self, output: Any) -> Float[Tensor, "batch output"]:
        """One for each answer."""
        logits: Tensor = output.logits
        return in_full(logits[:, 0])
