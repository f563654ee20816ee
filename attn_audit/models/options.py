"""What a user may say of a model beside its name, and what it is asked then."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from attn_audit.data.example import Example
from attn_audit.data.prompts import TEXT, USER, Prompt
from attn_audit.errors import ConfigurationError
from attn_audit.models.units import UnitName
from attn_audit.quoting import is_damaged, quoted
from attn_audit.settings import NEXT, TEMPLATE, AuditedTexts, TaskName, audited_texts

Score = Literal["sum", "mean", "first"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a language model is asked, and the answers that it may give."""

    prompt: Prompt
    options: tuple[str, ...]
    is_chat: bool = False
    """Whether the prompt is a user's message, and the answer the assistant's."""
    score: Score = "sum"
    """What an answer of several tokens is measured by."""
    target: str | None = None
    """The field of what follows the prompt, in place of options."""
    blanks: str = ""
    """What stands before that."""
    is_next: bool = False
    """Whether it is asked which token follows, of all that there are."""
    role: str | None = None
    """Whose last message is audited, where each text is one of a chat; None: there is a prompt."""

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that a row has beside its text."""
        named = () if self.target is None else (self.target,)
        return tuple(dict.fromkeys((*self.prompt.beside, *named)))

    def answers(self, example: Example) -> tuple[str, ...]:
        """What may follow an example's prompt."""
        if self.target is None:
            return self.options
        return (self.blanks + self.prompt.field(example, self.target),)

    @property
    def written(self) -> str:
        """The prompt as it was given, or what stands for it."""
        if self.role is not None:
            return f"each row's messages, of which the last of the {self.role} is audited"
        behind = "" if self.target is None else f"{self.blanks}{{{self.target}}}"
        return self.prompt.template + behind

    @property
    def labels(self) -> tuple[str, ...]:
        """What the answers are called."""
        return tuple(option.strip() for option in self.options)


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """What a model of inference is asked of each text: whether it entails that it is a label."""

    labels: tuple[str, ...]
    template: str
    is_each: bool = False
    """Whether each label holds or not by itself."""

    @property
    def compete(self) -> bool:
        """Whether exactly one label holds; one label alone holds or not."""
        return len(self.labels) > 1 and not self.is_each

    @property
    def texts(self) -> tuple[str, ...]:
        """The hypothesis of each label."""
        return tuple(self.template.replace("{}", label) for label in self.labels)


@dataclass(frozen=True)
class ModelOptions:
    """What a user may say about a model beside its name; None or the default where it was not."""

    vocabulary: Path | None = None
    adapter: str | None = None
    trust_remote_code: bool = False
    revision: str | None = None
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32"
    attention_implementation: Literal["sdpa", "eager"] | None = None
    max_length: int | None = None
    window_overlap: int | None = None
    task: TaskName | None = None
    prompt: str | None = None
    audited: str | None = None
    chat: bool = False
    options: tuple[str, ...] = ()
    answer_score: Score = "sum"
    target: str | None = None
    zero_shot: tuple[str, ...] = ()
    template: str = TEMPLATE
    zero_shot_each: bool = False
    unit: UnitName = "token"
    removal: Literal["mask", "delete"] | None = None
    without_attention: bool = False
    takes_pairs: bool = False
    """What no user says: whether the texts are pairs that the model reads as they are."""

    def __post_init__(self) -> None:
        """No tokenizer takes what is not Unicode.

        Raises:
            ConfigurationError: Something that is said to the model is not.
        """
        said = {"prompt": (self.prompt or "",), "options": self.options}
        said |= {"template": (self.template,), "zero_shot": self.zero_shot}
        for name, texts in said.items():
            if damaged := next(filter(is_damaged, texts), None):
                raise ConfigurationError(
                    f"--{name.replace('_', '-')} is not valid Unicode: {quoted(damaged)}"
                )

    @property
    def audited_texts(self) -> AuditedTexts:
        """Of pairs; a text alone is the first."""
        is_of_chats = self.chat and self.prompt is None
        return audited_texts(self.prompt, self.audited, is_of_chats=is_of_chats)

    @cached_property
    def question(self) -> Question | None:
        """What is asked of a language model; None where there is no prompt: it is a classifier.

        Raises:
            ConfigurationError: The prompt has no place for the audited text, or does not end with
                that of what follows.
        """
        is_next = self.target == NEXT
        if self.prompt is None:
            whole, role = Prompt(f"{{{TEXT}}}"), self.audited or USER
            asked = Question(
                whole, self.options, True, self.answer_score, is_next=is_next, role=role
            )
            return asked if self.chat else None
        prompt, target, blanks = self.prompt, self.target, ""
        if is_next:
            if prompt.endswith(f"{{{NEXT}}}"):
                raise ConfigurationError(
                    f"--target {NEXT}: it is whatever token follows, and the prompt {prompt!r} "
                    "ends with a field of that name",
                    hint=f"Rename the field where it is what follows that is audited; else let the "
                    f"prompt end before {{{NEXT}}}.",
                )
            target = None
        if target is not None:
            place = f"{{{target}}}"
            prompt = self.prompt.removesuffix(place)
            if prompt == self.prompt:
                raise ConfigurationError(
                    f"--target {target}: the prompt {prompt!r} does not end with {place}",
                    hint=f"Write what follows at its end: 'Review: {{text}}\\nSentiment: {place}'.",
                )
            blanks = "" if self.chat else prompt[len(prompt.rstrip(" ")) :]
            prompt = prompt.rstrip(" ")
        whole = Prompt(prompt, self.audited or TEXT)
        score = self.answer_score
        return Question(whole, self.options, self.chat, score, target, blanks, is_next)

    @cached_property
    def hypotheses(self) -> Hypotheses | None:
        """What is asked of a model of inference; None where no labels are named for it.

        Raises:
            ConfigurationError: The template has no place for a label, or two.
        """
        if not self.zero_shot:
            return None
        n_places = self.template.count("{}")
        if n_places != 1:
            raise ConfigurationError(
                f"--template {self.template!r}: it has {{}} {n_places} times",
                hint=f"Write {{}} once, where the label stands: {TEMPLATE!r}.",
            )
        return Hypotheses(self.zero_shot, self.template, self.zero_shot_each)

    @property
    def asked(self) -> dict[str, object]:
        """What a model is asked of each text, as an audit is told."""
        if (asked := self.question) is not None:
            audited, usual = self.audited, TEXT if asked.role is None else USER
            return {
                "prompt": asked.written if asked.role is None else None,
                "target": NEXT if asked.is_next else asked.target,
                "audited": None if audited == usual else audited,
                "options": self.options,
                "chat": self.chat,
                "answer_score": self.answer_score,
            }
        if self.zero_shot:
            names = ("zero_shot", "template", "zero_shot_each")
            return {name: getattr(self, name) for name in names}
        return {} if self.audited_texts == "first" else {"audited": self.audited_texts}

    def require_default(self, names: Sequence[str], kind: str) -> None:
        """Refuse options that mean nothing to a kind of model.

        Raises:
            ConfigurationError: One of them was given.
        """
        for name in names:
            if getattr(self, name) != getattr(ModelOptions, name):
                flag = f"--{name.replace('_', '-')}"
                raise ConfigurationError(f"{flag} means nothing to {kind}")
