"""What a language model is asked of a text: prompts as tokens, and the answers behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.huggingface.configuration import Question
from attn_audit.models.huggingface.hub import quiet
from attn_audit.models.huggingface.tokenizer import Tokens
from attn_audit.models.task import place
from attn_audit.quoting import one_line, quoted

STAND_IN = "A text."
"""In a prompt whose end is looked at."""


class _Placed(NamedTuple):
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

    def _placed(self, example: Example) -> _Placed:
        filled = self.question.prompt.fill(example)
        if not self.question.is_chat:
            return _Placed(*filled, first=0)
        before, behind = self._around_message
        whole = self._as_message(filled.whole)
        message = whole[len(before) : len(whole) - len(behind)]
        n_off = len(filled.whole) - len(filled.whole.lstrip())
        if message == filled.whole:
            n_off = 0
        elif message != filled.whole.strip():
            raise IncompatibleDataError(
                place(example), "the chat template changes the prompt, or leaves part of it out"
            )
        start, end = filled.start - n_off, filled.end - n_off
        return _Placed(
            whole,
            start=len(before) + max(0, start),
            end=len(before) + min(end, len(message)),
            first=max(0, -start),
        )

    @cached_property
    def _around_message(self) -> tuple[str, str]:
        whole = self._as_message(STAND_IN)
        before, found, behind = whole.rpartition(STAND_IN)
        if not found:
            raise ConfigurationError("--chat: the chat template leaves a user's message out")
        return before, behind

    def _as_message(self, content: str) -> str:
        message = {"role": "user", "content": content}
        try:
            whole: str = self.tokenizer.apply_chat_template(
                [message], tokenize=False, add_generation_prompt=True
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


def _tokens(encoding: Any, placed: _Placed, following: tuple[int, ...]) -> Tokens:
    n = _n_before_end(encoding)
    special = tuple(bool(mark) for mark in encoding.special_tokens_mask[:n])
    audited, spans, is_merged = list[bool](), list[tuple[int, int]](), False
    for (start, end), is_special in zip(encoding.offsets[:n], special, strict=True):
        inner = max(start, placed.start), min(end, placed.end)
        own = placed.whole[slice(*inner)]
        around = placed.whole[start : inner[0]] + placed.whole[inner[1] : end]
        # A blank between the prompt and the text is a part of either.
        is_audited = not is_special and bool(own.strip() or (own and not around))
        audited.append(is_audited)
        is_merged = is_merged or (is_audited and bool(around.strip()))
        offset = placed.first - placed.start
        spans.append((inner[0] + offset, inner[1] + offset) if is_audited else (0, 0))
    return Tokens(
        ids=tuple(encoding.ids[:n]),
        type_ids=tuple(encoding.type_ids[:n]),
        strings=encoding.tokens[:n],
        special=special,
        sequences=tuple(0 if each else None for each in audited),
        spans=spans,
        truncated=False,
        is_merged=is_merged,
        following=following,
    )
