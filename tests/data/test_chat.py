"""Chats in rows: which message is audited, and what is no chat."""

from typing import Any

import pytest

from attn_audit.data.chat import read_chat
from attn_audit.data.source import WrongValueError

USER = {"role": "user", "content": "Is it good?"}
SYSTEM = {"role": "system", "content": "Be brief."}
ASSISTANT = {"role": "assistant", "content": "Yes."}


def test_the_last_message_of_the_role_is_audited() -> None:
    chat = read_chat([SYSTEM, {**USER, "content": "Hi."}, ASSISTANT, USER], "user")
    assert chat.text == "Is it good?"
    assert chat.audited == 3
    assert read_chat([SYSTEM, USER], "system").text == "Be brief."
    assert chat.saying("Why?").text == "Why?"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ("Is it good?", "must be a list of messages"),
        ([], "no messages"),
        (["Is it good?"], "message 1"),
        ([{"role": "bot", "content": "x"}], "the role 'bot'"),
        ([{"role": "user", "content": 1}], "the content 1|content 1"),
        ([{**USER, "tool_calls": ["x"]}], "tool_calls"),
        ([SYSTEM], "no message of the user"),
        ([USER, ASSISTANT], "ends with a message of the assistant"),
        ([{"role": "user", "content": " "}], "blank"),
    ],
)
def test_what_is_no_chat_is_named(messages: Any, said: str) -> None:
    with pytest.raises(WrongValueError, match=said):
        read_chat(messages, "user")
