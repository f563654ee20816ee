"""A language model that is asked: prompts as tokens, and how likely it would go on with an answer.

Each of a question's options is an answer, or what a row says itself. All are given to the model
behind the prompt, so that one pass shows what it gives to each of their tokens behind those before
it: options stand one behind the other, and each sees the prompt and itself alone. So attention is
read and replaced in that pass like in any other.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.data.prompts import USER, Chat, Message
from attn_audit.errors import (
    ConfigurationError,
    Fault,
    IncompatibleDataError,
    UnsupportedModelError,
)
from attn_audit.models.contract import coarsest_dtype
from attn_audit.models.huggingface.hub import quiet
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
from attn_audit.models.huggingface.tokenizer import BLANK, Tokens, token_names, tokens_of
from attn_audit.models.interception.classifier import NOT_AUDITED, ModelInputs
from attn_audit.models.options import Question
from attn_audit.models.task import Binary, Multiclass, NextToken, place
from attn_audit.numbers import count
from attn_audit.quoting import one_line, quoted

STAND_IN = "A text."
"""In a prompt whose end is looked at."""


class _PlacedPrompt(NamedTuple):
    """A prompt as the model gets it, and where the audited text stands in it."""

    whole: str
    start: int
    end: int
    first: int
    """The text's character that stands at the start: a chat template may take outer blanks off."""


@dataclass(frozen=True)
class Asker:
    """A question in the words of a tokenizer.

    Raises:
        ConfigurationError: The tokenizer cannot say it.
    """

    tokenizer: Any
    question: Question

    def __post_init__(self) -> None:
        if not self.tokenizer.is_fast:
            raise ConfigurationError(
                f"--prompt: the tokenizer ({type(self.tokenizer).__name__}) does not say where in "
                "a prompt a token stands, so it cannot be told which are the text's"
            )
        if self.question.is_chat and not self.tokenizer.chat_template:
            raise ConfigurationError(
                "--chat: the tokenizer has no chat template",
                hint="Leave --chat out and write the prompt as the model knows it.",
            )

    @cached_property
    def options(self) -> tuple[tuple[int, ...], ...]:
        """The tokens of each answer behind the prompt.

        Raises:
            ConfigurationError: The tokenizer joins the prompt's end with an answer.
        """
        whole, options = self._stand_in, self.question.options
        (found,) = self._behind([whole], [options])
        for option, own in zip(options, found, strict=True):
            if not own:
                raise ConfigurationError(
                    f"--options: the tokenizer joins {quoted(option)} with the end of the prompt, "
                    f"{quoted(whole[-20:])}",
                    hint="Most tokenizers keep a blank with the word behind it: let the prompt end "
                    "without one, and the answers begin with one.",
                )
            if self.tokenizer.unk_token_id in own:
                unknown = quoted(self.tokenizer.unk_token)
                raise ConfigurationError(
                    f"--options: the tokenizer does not know {quoted(option)}, which is {unknown} "
                    "to it"
                )
        return found

    def first_token(self, text: str) -> int | None:
        """The token with which a text begins behind the prompt; None where that is no one token.

        A blank before it is written as in the names of tokens; where it begins with none, one
        stands before it unless the prompt ends in a blank or a line break.
        """
        added = self.tokenizer.added_tokens_encoder
        if text in added:
            return int(added[text])
        answer, whole = text.replace(BLANK, " "), self._stand_in
        if not (answer[:1].isspace() or whole[-1:].isspace()):
            answer = f" {answer}"
        ((own,),) = self._behind([whole], [(answer,)])
        return None if not own or own[0] == self.tokenizer.unk_token_id else own[0]

    @property
    def stand_in(self) -> tuple[int, ...]:
        """The tokens of a prompt with a text of ours, to try something out on."""
        return self._ids([self._stand_in])[0]

    @cached_property
    def _stand_in(self) -> str:
        fields = dict.fromkeys(self.question.fields, STAND_IN)
        return self._placed(Example("stand-in", STAND_IN, fields=fields)).whole

    def tokenize(self, examples: Sequence[Example]) -> list[Tokens]:
        """Prompts as tokens, of which those are audited that hold a letter of the text.

        Raises:
            IncompatibleDataError: Behind this text the answers are other tokens.
        """
        placed = [self._placed(example) for example in examples]
        asked = [self.question.answers(example) for example in examples]
        found = []
        encodings = self._encodings([each.whole for each in placed])
        answers = self._behind([each.whole for each in placed], asked)
        for example, where, encoding, own in zip(examples, placed, encodings, answers, strict=True):
            is_target = self.question.target is not None
            if not all(own) or (not is_target and own != self.options):
                what = "what follows it" if is_target else "an answer"
                raise IncompatibleDataError(
                    place(example),
                    f"the tokenizer joins the end of this prompt with {what}",
                    hint="Most tokenizers keep a blank with the word behind it: let something "
                    "stand behind the text, and no blank at the end.",
                )
            following = own[0] if is_target else ()
            if self.question.score == "first":
                following = following[:1]
            found.append(_tokens(encoding, where, following))
        return found

    def _behind(
        self, wholes: Sequence[str], asked: Sequence[Sequence[str]]
    ) -> list[tuple[tuple[int, ...], ...]]:
        """The tokens of each prompt's answers; none where the prompt's end is joined with one."""
        every = [
            whole + answer
            for whole, own in zip(wholes, asked, strict=True)
            for answer in ("", *own)
        ]
        ids, found = iter(self._ids(every)), []
        for own in asked:
            prompt = next(ids)
            joined = [next(ids) for _ in own]
            found.append(
                tuple(j[len(prompt) :] if j[: len(prompt)] == prompt else () for j in joined)
            )
        return found

    def _ids(self, wholes: Sequence[str]) -> list[tuple[int, ...]]:
        return [tuple(each.ids[: _n_before_end(each)]) for each in self._encodings(wholes)]

    def _encodings(self, wholes: Sequence[str]) -> list[Any]:
        if not wholes:
            return []
        with quiet():  # a chat template brings its own markers
            batch = self.tokenizer(list(wholes), add_special_tokens=not self.question.is_chat)
        return list(batch.encodings)

    def _placed(self, example: Example) -> _PlacedPrompt:
        filled = self.question.prompt.fill(example)
        if not self.question.is_chat:
            return _PlacedPrompt(*filled, first=0)
        before, message, behind = self._rendered(example, filled.whole)
        whole = before + message + behind
        n_off = len(filled.whole) - len(filled.whole.lstrip())
        if message == filled.whole:
            n_off = 0
        elif message != filled.whole.strip():
            raise IncompatibleDataError(
                place(example), "the chat template changes the prompt, or leaves part of it out"
            )
        start, end = filled.start - n_off, filled.end - n_off
        return _PlacedPrompt(
            whole,
            start=len(before) + max(0, start),
            end=len(before) + min(end, len(message)),
            first=max(0, -start),
        )

    def _rendered(self, example: Example, content: str) -> tuple[str, str, str]:
        """What the template makes of the audited message, between what stands around it."""
        if self.question.role is None or example.chat is None:
            before, behind = self._around_message
            whole = self._as_message(content)
        else:
            said = [message.content for message in example.chat.messages]
            stand_in = STAND_IN
            while any(stand_in in content for content in said):
                stand_in += STAND_IN
            try:
                around = self._applied(example.chat.saying(stand_in))
                whole = self._applied(example.chat)
            except ConfigurationError as error:
                raise IncompatibleDataError(
                    place(example), error.message, fault=Fault.WRONG_MESSAGES
                ) from error
            before, found, behind = around.rpartition(stand_in)
            if not found:
                raise IncompatibleDataError(
                    place(example),
                    "the chat template leaves the audited message out",
                    fault=Fault.WRONG_MESSAGES,
                )
        if not (whole.startswith(before) and whole.endswith(behind)):
            raise IncompatibleDataError(
                place(example),
                "the chat template writes what stands around the message as that says",
            )
        return before, whole[len(before) : len(whole) - len(behind)], behind

    @cached_property
    def _around_message(self) -> tuple[str, str]:
        whole = self._as_message(STAND_IN)
        before, found, behind = whole.rpartition(STAND_IN)
        if not found:
            raise ConfigurationError("--chat: the chat template leaves a user's message out")
        return before, behind

    def _as_message(self, content: str) -> str:
        return self._applied(Chat((Message(USER, content),), 0))

    def _applied(self, chat: Chat) -> str:
        messages = [message._asdict() for message in chat.messages]
        try:
            whole: str = self.tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # templates are programs, and raise what they like
            raise ConfigurationError(
                f"--chat: the tokenizer's chat template fails: {one_line(error)}"
            ) from error
        return whole


def _n_before_end(encoding: Any) -> int:
    """Tokens before the markers with which a tokenizer ends every text: the model goes on there."""
    n = len(encoding.ids)
    while n and encoding.special_tokens_mask[n - 1]:
        n -= 1
    return n


def _tokens(encoding: Any, placed: _PlacedPrompt, following: tuple[int, ...]) -> Tokens:
    tokens = tokens_of(encoding, _n_before_end(encoding))
    audited, spans, is_merged = list[bool](), list[tuple[int, int]](), False
    for (start, end), is_special in zip(tokens.spans or (), tokens.special, strict=True):
        inner = max(start, placed.start), min(end, placed.end)
        own = placed.whole[slice(*inner)]
        around = placed.whole[start : inner[0]] + placed.whole[inner[1] : end]
        # A blank between the prompt and the text is a part of either.
        is_audited = not is_special and bool(own.strip() or (own and not around))
        audited.append(is_audited)
        is_merged = is_merged or (is_audited and bool(around.strip()))
        offset = placed.first - placed.start
        spans.append((inner[0] + offset, inner[1] + offset) if is_audited else (0, 0))
    sequences = tuple(0 if each else None for each in audited)
    return replace(
        tokens, sequences=sequences, spans=spans, is_merged=is_merged, following=following
    )


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


class Options(Output):
    """The options of a question, as labels that compete.

    Raises:
        ConfigurationError: Two answers cannot be told apart.
        UnsupportedModelError: Its vocabulary is not read off what its last layer gives, or it
            cannot take answers of several tokens in one pass.
    """

    def __init__(self, module: Any, asker: Asker, name: str) -> None:
        question = asker.question
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
            config = module.config.get_text_config()
            windows = (getattr(config, name, None) for name in WINDOWS)
            self.max_length = min((n for n in windows if isinstance(n, int)), default=None)
        self._try_out(module, asker.stand_in, name)

    @torch.no_grad()
    def _try_out(self, module: Any, prompt: tuple[int, ...], name: str) -> None:
        """Hold what is computed against what the module gives of each answer by itself."""
        expected = self._one_by_one(module, prompt)
        ids = torch.tensor([[*prompt, *self.behind]], device=self._first.device)
        real = torch.ones_like(ids, dtype=torch.bool)
        given = {IDS: ids, MASK: real.long()}
        inputs = ModelInputs((), given, torch.full_like(ids, NOT_AUDITED), real)
        for _ in range(2):
            if self.gives(
                lambda: module(**given | self.arguments(inputs)), inputs, expected, self._dtype
            ):
                return
            if not self._rows_alone:
                break
            self._rows_alone = False
        several = " of several tokens" * bool(self.behind)
        raise UnsupportedModelError(
            f"{name} gives other numbers for answers{several} than it gives for each by itself",
            hint="Ask for answers of one token, or with --answer-score first.",
        )

    def _one_by_one(self, module: Any, prompt: tuple[int, ...]) -> Float[Tensor, "1 label"]:
        scores = []
        for ids in self._tokens:
            whole = torch.tensor([[*prompt, *ids[:-1]]], device=self._first.device)
            logits = in_full(module(input_ids=whole).logits[0, len(prompt) - 1 :])
            own = logits.log_softmax(dim=-1) if self.behind else logits
            scores.append(sum(own[i, token] for i, token in enumerate(ids)))
        return self._scaled(torch.stack([torch.as_tensor(score) for score in scores]).unsqueeze(0))

    def _read_at(self, inputs: ModelInputs) -> Int[Tensor, "batch row"]:
        """The end of the prompt, and the answers' tokens but for the last of each."""
        return _last(inputs, len(self.behind) + 1)

    def arguments(self, inputs: ModelInputs) -> dict[str, Tensor]:
        """Which tokens see which, and where each answer begins: behind the prompt."""
        if not self.behind:
            return {}
        order, read = inputs.real.cumsum(dim=1) - 1, self._read_at(inputs)
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

        return at_positions(head, self._read_at(inputs), of_read)

    def read_rows(self, inputs: ModelInputs) -> Bool[Tensor, "batch position"] | None:
        """The prompt's end and the answers' tokens; None where only the end is."""
        if not self.behind:
            return None
        return torch.zeros_like(inputs.real).scatter(1, self._read_at(inputs), True)

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


def _last(inputs: ModelInputs, n: int) -> Int[Tensor, "batch row"]:
    """The last positions of each row that are no padding, wherever that stands."""
    in_order = inputs.real.int().argsort(dim=1, stable=True)  # padding first
    return in_order[:, -n:]


def _require_different(options: tuple[str, ...], tokens: tuple[tuple[int, ...], ...]) -> None:
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


class Vocabulary(Output):
    """Whichever token follows: the logits of all, at the prompt's end and nowhere else.

    Raises:
        UnsupportedModelError: Its vocabulary is not read off what its last layer gives.
    """

    def __init__(self, module: Any, asker: Asker, name: str) -> None:
        self._head = head_of(module, name)
        prompt = torch.tensor([asker.stand_in], device=next(module.parameters()).device)
        real = torch.ones_like(prompt, dtype=torch.bool)
        inputs = ModelInputs((), {IDS: prompt}, torch.full_like(prompt, NOT_AUDITED), real)
        with torch.no_grad():
            expected = in_full(module(input_ids=prompt).logits[:, -1])
            if not self.gives(
                lambda: module(input_ids=prompt), inputs, expected, coarsest_dtype(module)
            ):
                raise UnsupportedModelError(
                    f"{name} gives other numbers where its last layer reads the prompt's end alone"
                )
        names = token_names(asker.tokenizer, expected.shape[1])
        self.task = NextToken(names, token_of=asker.first_token)
        self.details = {
            "prompt": prompt_in_words(asker.question),
            "answers": f"whichever of {count(len(names))} tokens follows",
        }

    def asked(self, inputs: ModelInputs) -> AbstractContextManager[None]:
        """Around a call: the head gets the last position of each prompt alone."""
        return at_positions(self._head, _last(inputs, 1), self._head.forward)

    def read(self, output: Any, inputs: ModelInputs) -> Float[Tensor, "batch output"]:
        """A logit for each token."""
        return in_full(output.logits)[:, 0]


class Continuation(Output):
    """What follows, against all else that could: one sigmoid.

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
