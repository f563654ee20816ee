"""Tokens are shown in the text's own spelling."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.contract import Unit
from attn_audit.models.custom.encoding import EncodedText, Splitter, pieces
from attn_audit.models.units import UNITS, find_spans
from tests.models.custom.toys import Pooling, attend_plainly, custom_of


def token_units(text: str, tokens: list[str]) -> tuple[Unit, ...]:
    return UNITS["token"].split(text, pieces(tokens, find_spans(text, tokens)))[0]


def split(text: str, unit: Any = "token", **said: Any) -> EncodedText:
    custom = custom_of(Pooling(attend_plainly), **said)
    (encoded,) = Splitter(custom, unit).encode([Example(id="a", text=text)])
    return encoded


@given(st.text(min_size=1))
def test_tokens_of_the_text_are_found_where_they_stand(text: str) -> None:
    tokens = text.split()
    spans = find_spans(text, tokens)
    assert [text[slice(*span)] for span in spans if span is not None] == tokens


@given(st.text(alphabet="aAbB .", min_size=1))
def test_tokens_in_lower_case_are_found_too(text: str) -> None:
    units = token_units(text, text.lower().split())
    assert [unit.text for unit in units] == text.split()


def test_a_token_that_the_text_does_not_show_keeps_its_own_spelling() -> None:
    units = token_units("It cost 12 pounds", ["it", "cost", "<number>", "pounds"])
    assert [unit.text for unit in units] == ["It", "cost", "<number>", "pounds"]
    assert (units[2].start, units[2].end) == (7, 7)


def test_a_capital_of_another_length_in_lower_case_does_no_harm() -> None:
    text = "\u0130stanbul is large"
    assert [unit.text for unit in token_units(text, text.split())] == text.split()


def test_texts_are_split_at_white_space_unless_something_else_is_said() -> None:
    assert split("Don't  panic, Arthur!").tokens == ("Don't", "panic,", "Arthur!")
    assert split("abc", tokenize=list).tokens == ("a", "b", "c")


def test_words_have_all_their_tokens() -> None:
    encoded = split("so  bad!", unit="word", tokenize=lambda text: ["so", "ba", "d", "!"])
    assert [unit.text for unit in encoded.units] == ["so", "bad!"]
    assert encoded.unit_of_position == (0, 1, 1, 1)


def word_pieces(text: str) -> list[str]:
    """As BERT's uncased ones: accents are gone, and what is unknown is one token."""
    known = {"unbelievably": ["un", "##believ", "##ably"], "café": ["cafe"], "bad": ["ba", "##d"]}
    return [piece for word in text.lower().split() for piece in known.get(word, ["[UNK]"])]


def test_word_pieces_are_of_the_word_that_gives_them_alone() -> None:
    encoded = split("Unbelievably  BAD Café xyz", unit="word", tokenize=word_pieces)
    assert [unit.text for unit in encoded.units] == ["Unbelievably", "BAD", "Café", "xyz"]
    assert encoded.unit_of_position == (0, 0, 0, 1, 1, 2, 3)


def test_a_token_of_no_word_is_refused_where_words_are_audited() -> None:
    with pytest.raises(IncompatibleDataError, match=r"does not show the token '<n>'") as caught:
        split("so bad", unit="word", tokenize=lambda text: ["<n>", "so", "bad"])
    assert "words that are tokenized alone give other tokens" in caught.value.message
    assert "--unit token" in str(caught.value.hint)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("tokens", [None, "abc", 3, [1, 2]])
def test_tokenize_must_give_strings(tokens: object) -> None:
    with pytest.raises(ConfigurationError, match="tokenize returned"):
        split("abc", tokenize=lambda text: tokens)


def test_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(IncompatibleDataError, match="has no token"):
        split("abc", tokenize=lambda text: [])
