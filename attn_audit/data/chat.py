"""A chat as a row holds it: messages with roles, of which one is audited."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from attn_audit.data.source import WrongValueError
from attn_audit.quoting import is_damaged, listed, quoted
from attn_audit.settings import ROLES

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
