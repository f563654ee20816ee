import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from attn_audit.data.example import Example
from attn_audit.models.contract import Unit
from attn_audit.models.huggingface.tokenizer import Tokens, tokenize
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.units import UNITS, Piece, Units, words_in
from tests.conftest import Checkpoint

KINDS = ("bert", "gpt2", "llama", "deberta-v2", "bart")
"""Word pieces, bytes without and with special tokens, pieces with a mark for a space."""

LETTERS = "aàéßİﬁ½ΩжЖ中文字ยा़👍🏽‍\u0301\u200b\x00\x1c…—'’\"-.,!?()[]#<s>"
TEXTS = st.one_of(
    st.text(alphabet="ab é.,'  \n\t\u00a0" + LETTERS, max_size=40),
    st.text(max_size=20).filter(lambda text: not re.search("[\ud800-\udfff]", text)),
    st.lists(st.sampled_from(["A fine  film", "naïve café", "don't!", " ", "[SEP]"])).map("".join),
)


@pytest.fixture(scope="module")
def tokenizers(checkpoint: Checkpoint) -> dict[str, Any]:
    return {kind: AutoTokenizer.from_pretrained(checkpoint(kind)) for kind in KINDS}


def token_units(text: str, tokens: Tokens) -> Units:
    return UNITS["token"].split(text, tokens.pieces(0))


def word_units(text: str, tokens: Tokens) -> Units:
    return UNITS["word"].split(text, tokens.pieces(0))


def tokens_of(tokenizer: Any, text: str) -> Tokens:
    (tokens,) = tokenize(tokenizer, [Example("a", text)], None)
    return tokens


def word_of_each_token(text: str, tokens: Tokens) -> list[str | None]:
    """The words that each token is of, character by character."""
    assert tokens.spans is not None
    first_of = {i: start for start, end in words_in(text) for i in range(start, end)}
    seen: list[int | None] = []
    for sequence, (start, end) in zip(tokens.sequences, tokens.spans, strict=True):
        visible = [i for i in range(start, end) if i in first_of]
        seen.append(visible[0] if sequence == 0 and visible else None)
        held = {first_of[i] for i in visible if sequence == 0}
        for i, first in first_of.items():  # words of one token are one
            if first in held:
                first_of[i] = min(held)
    found: list[str | None] = []
    for place in seen:
        own = [] if place is None else [i for i in first_of if first_of[i] == first_of[place]]
        found.append(text[min(own) : max(own) + 1] if own else None)
    return found


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
def test_words_agree_with_a_search_character_by_character(
    tokenizers: dict[str, Any], kind: str, text: str
) -> None:
    tokens = tokens_of(tokenizers[kind], text)
    units, unit_of_token = word_units(text, tokens)
    names = [None if unit == NOT_AUDITED else units[unit].text for unit in unit_of_token]
    assert names == word_of_each_token(text, tokens)
    assert [unit.start for unit in units] == sorted({unit.start for unit in units})
    assert {unit for unit in unit_of_token if unit != NOT_AUDITED} == set(range(len(units)))


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
def test_units_have_the_spelling_of_the_text(
    tokenizers: dict[str, Any], kind: str, text: str
) -> None:
    tokens = tokens_of(tokenizers[kind], text)
    assert tokens.spans is not None
    for unit in word_units(text, tokens)[0]:
        assert unit.text == text[unit.start : unit.end]
        assert unit.text.strip() == unit.text != ""
    units, unit_of_token = token_units(text, tokens)
    assert [unit for unit in unit_of_token if unit != NOT_AUDITED] == list(range(len(units)))
    for unit in units:
        shown = text[unit.start : unit.end]
        assert unit.text == shown if shown.strip() else unit.text in tokens.strings


def test_tokens_are_shown_without_the_space_before_them(tokenizers: dict[str, Any]) -> None:
    text = "A fine film."
    units, _ = token_units(text, tokens_of(tokenizers["gpt2"], text))
    assert units[0] == Unit("A", 0, 1)
    assert units[1].start == 2
    assert "".join(unit.text for unit in units) == "Afinefilm."


def test_white_space_is_a_token_and_no_word(tokenizers: dict[str, Any]) -> None:
    text = "A\n\nfilm"
    tokens = tokens_of(tokenizers["gpt2"], text)
    assert "Ċ" in {unit.text for unit in token_units(text, tokens)[0]}
    assert [unit.text for unit in word_units(text, tokens)[0]] == ["A", "film"]


def test_punctuation_belongs_to_its_word(tokenizers: dict[str, Any]) -> None:
    text = "Don't panic,  Arthur!"
    for tokenizer in tokenizers.values():
        units, _ = word_units(text, tokens_of(tokenizer, text))
        assert [unit.text for unit in units] == ["Don't", "panic,", "Arthur!"]


def test_words_that_share_a_token_are_one_unit() -> None:
    text = "in New York City, now"
    tokens = [Piece((0, 2), "in"), Piece((2, 11), "▁New▁York"), Piece((11, 17), "▁City,"), None]
    units, unit_of_token = UNITS["word"].split(text, [*tokens, Piece((17, 21), "▁now")])
    assert units == (
        Unit("in", 0, 2),
        Unit("New York", 3, 11),
        Unit("City,", 12, 17),
        Unit("now", 18, 21),
    )
    assert unit_of_token == (0, 1, 2, NOT_AUDITED, 3)


def test_a_token_of_parts_of_two_words_joins_all_their_tokens() -> None:
    pieces = [Piece((0, 1), "a"), Piece((1, 4), "b c"), Piece((4, 5), "d"), Piece((6, 7), "e")]
    units, unit_of_token = UNITS["word"].split("ab cd e", pieces)
    assert units == (Unit("ab cd", 0, 5), Unit("e", 6, 7))
    assert unit_of_token == (0, 0, 0, 1)


def test_what_a_tokenizer_drops_is_no_unit(tokenizers: dict[str, Any]) -> None:
    text = "fine \x00 film"
    units, _ = word_units(text, tokens_of(tokenizers["bert"], text))
    assert [unit.text for unit in units] == ["fine", "film"]


def test_a_spelled_marker_is_audited(tokenizers: dict[str, Any]) -> None:
    text = "a [SEP] b"
    units, unit_of_token = token_units(text, tokens_of(tokenizers["bert"], text))
    assert [unit.text for unit in units] == ["a", "[SEP]", "b"]
    assert unit_of_token == (NOT_AUDITED, 0, 1, 2, NOT_AUDITED)
