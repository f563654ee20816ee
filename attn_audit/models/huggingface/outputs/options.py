"""Some answers to a prompt: how likely a language model would go on with each.

Where every answer is one token, logits of these tokens behind the prompt; of the vocabulary nothing
else is computed. An answer of several tokens has the log-probabilities of all of them, each behind
those before it: the answers' tokens stand behind the prompt, one answer behind the other, and see
the prompt and their own answer alone. So one pass gives all of them, and attention is read and
replaced in it like in any other.
"""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import coarsest_dtype
from attn_audit.models.huggingface.outputs.base import (
    IDS,
    MASK,
    PLACES,
    Output,
    at_positions,
    head_of,
    in_full,
    mask_of,
    prompt_in_words,
)
from attn_audit.models.huggingface.prompting import Asker
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.task import Multiclass
from attn_audit.quoting import quoted

SCORES = {
    "sum": "the log-probability of all their tokens",
    "mean": "the mean log-probability of their tokens",
    "first": "the logit of their first token",
}
"""What an answer of several tokens is measured by."""


WINDOWS = ("sliding_window", "window_size", "attention_chunk_size")
"""How many tokens a layer sees, as configurations call it: counted from where an answer stands, so
that answers behind each other would see fewer of a longer prompt."""


class _Places(NamedTuple):
    """Where in a batch answers are read."""

    order: Int[Tensor, "batch position"]
    """The number of each position within its text, padding left out."""
    read: Int[Tensor, "batch row"]
    """The end of the prompt, and the answers' tokens but for the last of each."""


class Options(Output):
    """The options of a question, as labels that compete.

    Args:
        module: A causal language model.
        name: What messages call it.

    Raises:
        ConfigurationError: Two answers cannot be told apart.
        UnsupportedModelError: Its vocabulary is not read off what its last layer gives, or it
            cannot take answers of several tokens in one pass.
    """

    def __init__(self, module: nn.Module, asker: Asker, name: str) -> None:
        question, model = asker.question, _typed(module)
        tokens = asker.options
        if question.score == "first":
            tokens = tuple(ids[:1] for ids in tokens)
        _require_different(question.options, tokens)
        self.task = Multiclass(question.labels)
        self._head = head_of(module, name)
        self._takes_mean = question.score == "mean"
        self._tokens = tokens
        self._dtype = coarsest_dtype(module)
        self.behind = tuple(token for ids in tokens for token in ids[:-1])
        device = next(module.parameters()).device
        self._first = torch.tensor([ids[0] for ids in tokens], device=device)
        every = [(i, depth) for i, ids in enumerate(tokens) for depth in range(1, len(ids))]
        self._answer, self._depth = torch.tensor(every, device=device).reshape(-1, 2).T
        self._rows_alone = not self.behind and type(self._head) is nn.Linear
        self.details = {
            "prompt": prompt_in_words(question),
            "answers": _in_words(question.options, asker.options, question.score),
        }
        if self.behind:
            config = model.config.get_text_config()
            windows = (getattr(config, name, None) for name in WINDOWS)
            self.max_length = min((n for n in windows if isinstance(n, int)), default=None)
        self._try_out(module, asker.stand_in, name)

    @torch.no_grad()
    def _try_out(self, module: nn.Module, prompt: tuple[int, ...], name: str) -> None:
        """Hold what is computed against what the module gives of each answer by itself."""
        expected = self._one_by_one(module, prompt)
        for _ in range(2):
            if self._is_given(module, prompt, expected):
                return
            if not self._rows_alone:
                break
            self._rows_alone = False
        several = " of several tokens" * bool(self.behind)
        raise UnsupportedModelError(
            f"{name} gives other numbers for answers{several} than it gives for each by itself",
            hint="Ask for answers of one token, or with --answer-score first.",
        )

    def _one_by_one(self, module: nn.Module, prompt: tuple[int, ...]) -> Float[Tensor, "1 label"]:
        scores = []
        for ids in self._tokens:
            whole = torch.tensor([[*prompt, *ids[:-1]]], device=self._first.device)
            logits = in_full(_typed(module)(input_ids=whole).logits[0, len(prompt) - 1 :])
            own = logits.log_softmax(dim=-1) if self.behind else logits
            scores.append(sum(own[i, token] for i, token in enumerate(ids)))
        return self._scaled(torch.stack([torch.as_tensor(score) for score in scores]).unsqueeze(0))

    def _is_given(self, module: nn.Module, prompt: tuple[int, ...], expected: Tensor) -> bool:
        ids = torch.tensor([[*prompt, *self.behind]], device=self._first.device)
        real = torch.ones_like(ids, dtype=torch.bool)
        given = {IDS: ids, MASK: real.long()}
        inputs = ModelInputs((), given, torch.full_like(ids, NOT_AUDITED), real)
        return self.gives(
            lambda: module(**given | self.arguments(inputs)), inputs, expected, self._dtype
        )

    def _places(self, inputs: ModelInputs) -> _Places:
        order = inputs.real.cumsum(dim=1) - 1
        n_behind = len(self.behind)
        wanted = torch.arange(-n_behind - 1, 0, device=order.device)
        numbers = inputs.real.sum(dim=1, keepdim=True) + wanted  # batch row
        is_it = (order.unsqueeze(1) == numbers.unsqueeze(2)) & inputs.real.unsqueeze(1)
        return _Places(order, is_it.int().argmax(dim=2))

    def arguments(self, inputs: ModelInputs) -> dict[str, Tensor]:
        """Which tokens see which, and where each answer begins: behind the prompt."""
        if not self.behind:
            return {}
        order, read = self._places(inputs)
        answer, behind = torch.full_like(order, NOT_AUDITED), read[:, 1:]
        answer = answer.scatter(1, behind, self._answer.expand_as(behind))
        seen = inputs.keywords[MASK].bool()
        of_all = (answer == NOT_AUDITED).unsqueeze(1)
        sees = of_all | (answer.unsqueeze(1) == answer.unsqueeze(2))
        sees &= order.unsqueeze(1) <= order.unsqueeze(2)
        n_kept = seen.shape[1] - order.shape[1]  # keys alone, of what all stand behind
        sees = seen.unsqueeze(1) & nn.functional.pad(sees, (n_kept, 0), value=True)
        places = inputs.keywords.get(PLACES, order.clamp_min(0))
        at_end = places.gather(1, read[:, :1])
        places = places.scatter(1, behind, at_end + self._depth)
        return {MASK: mask_of(sees, self._dtype), PLACES: places}

    def asked(self, inputs: ModelInputs) -> AbstractContextManager[None]:
        """Around a call: the head gets the positions alone that answers are read at."""
        head, forward = self._head, self._head.forward

        def of_read(states: Tensor) -> Tensor:
            if not self._rows_alone:
                logits: Tensor = forward(states)
                return logits if self.behind else logits[..., self._first]
            bias = None if head.bias is None else head.bias[self._first]
            return nn.functional.linear(states, head.weight[self._first], bias)

        return at_positions(head, self._places(inputs).read, of_read)

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"] | None:
        """The prompt's end and the answers' tokens; None where only the end is."""
        if not self.behind:
            return None
        return torch.zeros_like(inputs.real).scatter(1, self._places(inputs).read, True)

    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """One for each answer: a logit, or a log-probability."""
        logits = in_full(output.logits)
        if not self.behind:
            return logits[:, 0]
        own = logits.log_softmax(dim=-1)
        scores = own[:, 0, self._first]
        following = torch.tensor([t for ids in self._tokens for t in ids[1:]], device=own.device)
        rows = torch.arange(1, own.shape[1], device=own.device)
        more = own[:, rows, following]
        return self._scaled(scores.index_add(1, self._answer, more))

    def _scaled(self, scores: Float[Tensor, "batch label"]) -> Float[Tensor, "batch label"]:
        if not self._takes_mean:
            return scores
        return scores / torch.tensor([len(ids) for ids in self._tokens], device=scores.device)


def _typed(module: nn.Module) -> Any:
    """A model of `transformers`, whose methods no class of torch has."""
    return module


def _require_different(options: tuple[str, ...], tokens: tuple[tuple[int, ...], ...]) -> None:
    """Refuse answers that are the same to the model."""
    for i, ids in enumerate(tokens):
        first = tokens.index(ids)
        if first < i:
            same = "begin with the same token" if len(ids) == 1 else "are the same tokens"
            raise ConfigurationError(
                f"--options: {quoted(options[first])} and {quoted(options[i])} {same}",
                hint="Name answers that differ, or have all their tokens count: "
                "--answer-score sum.",
            )


def _in_words(options: tuple[str, ...], tokens: tuple[tuple[int, ...], ...], score: str) -> str:
    if all(len(ids) == 1 for ids in tokens):
        return f"{', '.join(map(repr, options))}, by the logit of one token each"
    pairs = zip(options, tokens, strict=True)
    named = ", ".join(f"{option!r} ({len(ids)})" for option, ids in pairs)
    return f"{named}, in brackets their tokens, by {SCORES[score]}"
