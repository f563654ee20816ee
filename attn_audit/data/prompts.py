"""What a language model is asked: a prompt around the audited text, or a chat that holds it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from attn_audit.data.source import WrongValueError
from attn_audit.errors import ConfigurationError, Fault, IncompatibleDataError
from attn_audit.quoting import is_damaged, listed, quoted
from attn_audit.settings import ROLES

if TYPE_CHECKING:
    from attn_audit.data.example import Example

_PLACE = re.compile(r"\{\{([A-Za-z_][\w.-]*)\}\}|\{([A-Za-z_][\w.-]*)\}")
"""A field in braces; in two pairs of them, one is taken off and the name stays."""

TEXT = "text"
"""Stands for the field of the text, whatever it is called."""


class FilledPrompt(NamedTuple):
    """A prompt with a row's fields in it."""

    whole: str
    start: int
    """Of the audited text: `whole[start:end]`."""
    end: int


@dataclass(frozen=True)
class Prompt:
    """A template with a place for the audited field, and perhaps others.

    Braces that hold no name, as those of JSON, are what they are.

    Raises:
        ConfigurationError: It has no such place, or two.
    """

    template: str
    audited: str = TEXT

    def __post_init__(self) -> None:
        n = [name for _, name in self._parts].count(self.audited)
        if n != 1:
            there = f"no {{{self.audited}}}" if n == 0 else f"{{{self.audited}}} {n} times"
            raise ConfigurationError(
                f"--prompt: {self.template!r} has {there}, and the audited text stands there once",
                hint="Write 'Review: {text}\\nSentiment:', or name another field with --audited.",
            )

    @cached_property
    def _parts(self) -> tuple[tuple[str, str | None], ...]:
        """What is written, each part with the field behind it; behind the last there is none."""
        parts, written, position = list[tuple[str, str | None]](), "", 0
        for match in _PLACE.finditer(self.template):
            written += self.template[position : match.start()]
            position = match.end()
            if match[1] is not None:
                written += f"{{{match[1]}}}"
                continue
            parts.append((written, match[2]))
            written = ""
        return (*parts, (written + self.template[position:], None))

    @cached_property
    def beside(self) -> tuple[str, ...]:
        """The fields that stand in it beside the audited one."""
        names = (name for _, name in self._parts if name not in (None, self.audited))
        return tuple(dict.fromkeys(name for name in names if name is not None))

    def fill(self, example: "Example") -> FilledPrompt:
        """Put an example's text, and its other fields, where they belong.

        Raises:
            IncompatibleDataError: It lacks a field.

        Example:
            >>> from attn_audit.data.example import Example
            >>> Prompt("Review: {text} Good?").fill(Example("a", "Dull."))
            FilledPrompt(whole='Review: Dull. Good?', start=8, end=13)
        """
        whole, start = "", 0
        for written, name in self._parts:
            whole += written
            if name == self.audited:
                start = len(whole)
                whole += example.text
            elif name is not None:
                whole += self.field(example, name)
        return FilledPrompt(whole, start, start + len(example.text))

    def field(self, example: "Example", name: str) -> str:
        """What an example has in a field beside its text.

        Raises:
            IncompatibleDataError: It has nothing there.
        """
        if name not in example.fields:
            where = example.where or f"example {example.id!r}"
            problem = f"it has no field {name!r}, which the prompt names"
            raise IncompatibleDataError(where, problem, fault=Fault.NO_TEXT)
        return example.fields[name]


USER, ASSISTANT = "user", "assistant"


class Message(NamedTuple):
    """What one side says."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Chat:
    """All messages before an answer."""

    messages: tuple[Message, ...]
    audited: int
    """Which of them is audited."""

    @property
    def text(self) -> str:
        """What is audited."""
        return self.messages[self.audited].content

    def saying(self, content: str) -> "Chat":
        """The same with other content in the place of what is audited."""
        messages = list(self.messages)
        messages[self.audited] = messages[self.audited]._replace(content=content)
        return Chat(tuple(messages), self.audited)


def read_chat(value: object, role: str) -> Chat:
    """The messages of a row.

    Args:
        role: Whose last message is audited.

    Raises:
        WrongValueError: They are none, none is of that role, or the last is the assistant's own.

    Example:
        >>> read_chat([{"role": "user", "content": "Is it good?"}], "user").text
        'Is it good?'
    """
    if not isinstance(value, list):
        raise WrongValueError(
            f'must be a list of messages, {{"role": ..., "content": ...}}, not {quoted(value)}'
        )
    if not value:
        raise WrongValueError("holds no messages")
    messages = tuple(_message(number, each) for number, each in enumerate(value, start=1))
    of_role = [i for i, message in enumerate(messages) if message.role == role]
    if not of_role:
        raise WrongValueError(f"holds no message of the {role}, which is to be audited")
    if messages[-1].role == ASSISTANT:
        raise WrongValueError(
            "ends with a message of the assistant, and what is audited is what it says next"
        )
    chat = Chat(messages, of_role[-1])
    if not chat.text.strip():
        raise WrongValueError(f"holds a blank message of the {role}, which is to be audited")
    return chat


def _message(number: int, value: object) -> Message:
    if not isinstance(value, Mapping):
        raise WrongValueError(f"holds as message {number} {quoted(value)}, which has no role")
    role, content = value.get("role"), value.get("content")
    if role not in ROLES:
        raise WrongValueError(
            f"gives message {number} the role {quoted(role)}, which is none of {listed(ROLES)}"
        )
    if not isinstance(content, str) or is_damaged(content):
        raise WrongValueError(
            f"gives message {number} as content {quoted(content)}, which is no text"
        )
    others = [str(name) for name, of in value.items() if name not in Message._fields and of]
    if others:
        raise WrongValueError(
            f"gives message {number} more than a role and content: {listed(others)}"
        )
    return Message(str(role), content)
