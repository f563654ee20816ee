"""Prompts and chats: what fills them, where the audited text then stands, and what is none."""

from typing import Any

import pytest

from attn_audit.data.example import Example
from attn_audit.data.prompts import Prompt, read_chat
from attn_audit.data.reading import data_in_memory
from attn_audit.data.source import FieldNames, WrongValueError
from attn_audit.errors import ConfigurationError, IncompatibleDataError, RowError

EXAMPLE = Example("a", "It is {dull}.", fields={"question": "Is it {text}?"})


def test_every_place_is_filled_and_what_fills_it_is_not_read_again() -> None:
    filled = Prompt("{question} {text}\nAnswer to {question}").fill(EXAMPLE)
    assert filled.whole == "Is it {text}? It is {dull}.\nAnswer to Is it {text}?"
    assert filled.whole[filled.start : filled.end] == EXAMPLE.text


@pytest.mark.parametrize(
    ("template", "whole"),
    [
        ('{"text": "{text}", "n": {}}', '{"text": "It is {dull}.", "n": {}}'),
        ("{{name}} says {text}", "{name} says It is {dull}."),
        ("{ text } {text}", "{ text } It is {dull}."),
    ],
)
def test_braces_that_hold_no_name_are_what_they_are(template: str, whole: str) -> None:
    assert Prompt(template).fill(EXAMPLE).whole == whole


def test_another_place_may_hold_the_audited_text() -> None:
    prompt = Prompt("{context} {text}", "context")
    assert prompt.beside == ("text",)
    filled = prompt.fill(Example("a", "It rains.", fields={"text": "Does it?"}))
    assert filled == ("It rains. Does it?", 0, 9)


@pytest.mark.parametrize(
    ("template", "problem"),
    [("Review:", "has no {text}"), ("{text} or {text}", "has {text} 2 times")],
)
def test_the_audited_text_stands_there_once(template: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Prompt(template)
    assert problem in raised.value.message


def test_an_example_that_lacks_a_field_is_named() -> None:
    with pytest.raises(IncompatibleDataError, match="example 'a': it has no field 'context'"):
        Prompt("{context} {text}").fill(Example("a", "It rains."))


ROWS = [{"text": "It rains.", "n": 3, "text_pair": "no second text"}]


def test_fields_that_a_prompt_names_are_read_and_no_second_text_is() -> None:
    fields = FieldNames(prompt=("n", "text_pair"))
    (example,) = data_in_memory(ROWS, fields, {}).examples()
    assert example.fields == {"n": "3", "text_pair": "no second text"}
    assert example.text_pair is None
    (example,) = data_in_memory(ROWS, FieldNames(), {}).examples()
    assert (example.fields, example.text_pair) == ({}, "no second text")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"text": "It rains."}, "row has no field 'n' (fields: text)"),
        ({"text": "It rains.", "n": None}, "'n' must be a string or a number, not None"),
        ({"text": "It rains.", "n": [1]}, "'n' must be a string or a number, not [1]"),
    ],
)
def test_a_row_without_what_a_prompt_names_is_refused(row: dict[str, object], problem: str) -> None:
    with pytest.raises(RowError) as raised:
        list(data_in_memory([row], FieldNames(prompt=("n",)), {}).examples())
    assert problem in raised.value.message


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
