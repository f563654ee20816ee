"""What follows a prompt: how likely a language model would go on with each of some answers.

Each of a question's options is an answer, or what a row says itself. All are given to the model
behind the prompt, so that one pass shows what it gives to each of their tokens behind those before
it: options stand one behind the other, and each sees the prompt and itself alone. So attention is
read and replaced in that pass like in any other.
"""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.errors import ConfigurationError, UnsupportedModelError
from attn_audit.models.contract import coarsest_dtype
from attn_audit.models.huggingface.configuration import Question
from attn_audit.models.huggingface.output import (
    FOLLOWING,
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
from attn_audit.models.task import Binary, Multiclass
from attn_audit.quoting import quoted

SCORES = {
    "sum": "the log-probability of all their tokens",
    "mean": "the mean log-probability of their tokens",
    "first": "the logit of their first token",
}
"""What an answer of several tokens is measured by."""
TARGET_SCORES = {
    "sum": "the probability of all its tokens",
    "mean": "the geometric mean of its tokens' probabilities",
    "first": "the probability of its first token",
}
"""What the text that a row says follows is measured by."""


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
            "answers": f"what {{{target}}} says, by {TARGET_SCORES[question.score]}",
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
