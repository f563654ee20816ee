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
from attn_audit.models.units.base import Units
from attn_audit.models.units.registry import UNITS
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
    return UNITS["token"].split(text, tokens.pieces)


def word_units(text: str, tokens: Tokens) -> Units:
    return UNITS["word"].split(text, tokens.pieces)


def tokens_of(tokenizer: Any, text: str) -> Tokens:
    (tokens,) = tokenize(tokenizer, [Example("a", text)], None)
    return tokens


def word_of_each_token(text: str, tokens: Tokens) -> list[str | None]:
    """The word that each token is of, character by character."""
    assert tokens.spans is not None
    found: list[str | None] = []
    for audited, (start, end) in zip(tokens.audited, tokens.spans, strict=True):
        visible = [i for i in range(start, end) if not text[i].isspace()]
        if not audited or not visible:
            found.append(None)
            continue
        first = last = visible[0]
        while first > 0 and not text[first - 1].isspace():
            first -= 1
        while last + 1 < len(text) and not text[last + 1].isspace():
            last += 1
        found.append(text[first : last + 1])
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
        assert re.fullmatch(r"\S+", unit.text)
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


def test_what_a_tokenizer_drops_is_no_unit(tokenizers: dict[str, Any]) -> None:
    text = "fine \x00 film"
    units, _ = word_units(text, tokens_of(tokenizers["bert"], text))
    assert [unit.text for unit in units] == ["fine", "film"]


def test_a_spelled_marker_is_audited(tokenizers: dict[str, Any]) -> None:
    text = "a [SEP] b"
    units, unit_of_token = token_units(text, tokens_of(tokenizers["bert"], text))
    assert [unit.text for unit in units] == ["a", "[SEP]", "b"]
    assert unit_of_token == (NOT_AUDITED, 0, 1, 2, NOT_AUDITED)
