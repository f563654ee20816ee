"""Odd texts, through tokenizers of six kinds: every unit in order, and no attention is lost."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.contract import EncodedExample, Reading
from attn_audit.models.huggingface.encoding import EncodedTokens
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.units import UnitName, words_in
from tests.checkpoints import HEADS, HIDDEN, INNER, randomize, transformers_model
from tests.models.huggingface.tokenizers import SLOW, TOKENIZERS
from tests.models.odd_texts import ODD_TEXTS

NOTHING_LEFT = "the tokenizer leaves nothing of the text to audit"
OTHER_TOKENS = "words that are tokenized alone give other tokens than the whole text"


@pytest.fixture(scope="module", params=TOKENIZERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@cache
def module(n_tokens: int) -> torch.nn.Module:
    config = BertConfig(
        vocab_size=n_tokens,
        hidden_size=HIDDEN,
        num_hidden_layers=1,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=1200,
    )
    model: torch.nn.Module = BertForSequenceClassification(config).eval()
    randomize(model)
    return model


@pytest.fixture(scope="module")
def models(kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[UnitName, InterceptedModel]:
    """One model, audited by token and by word."""
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    tokenizer: Any = TOKENIZERS[kind](folder)
    tokenizer.model_max_length = 1200
    units: tuple[UnitName, ...] = ("token", "word")
    return {u: transformers_model(module(len(tokenizer)), tokenizer, unit=u) for u in units}


def encoded(model: InterceptedModel, text: str) -> EncodedTokens | str:
    """A text as the model takes it, or why it does not."""
    try:
        (item,) = model.encode([Example("odd", text)])
    except IncompatibleDataError as error:
        return f"{error.message}, {error.exit_code}"
    assert isinstance(item, EncodedTokens)
    return item


def read(model: InterceptedModel, item: EncodedExample) -> Reading:
    (reading,) = model.read(model.collate([item]), [model.default_site])
    return reading


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_units_cover_the_text_and_keep_its_attention(
    models: dict[UnitName, InterceptedModel], kind: str, name: str
) -> None:
    text = ODD_TEXTS[name]
    tokens, words = encoded(models["token"], text), encoded(models["word"], text)
    if isinstance(tokens, str) or isinstance(words, str):
        assert_refused_rightly(kind, text, tokens, words)
        return
    assert tokens.token_ids == words.token_ids
    assert_in_order(text, words)
    of_tokens, of_words = read(models["token"], tokens), read(models["word"], words)
    raw = (of_tokens.mass.unsqueeze(-1) * of_tokens.attention)[0]
    expected = torch.zeros(len(raw), words.n_units)
    for of_token, of_word in zip(tokens.unit_of_position, words.unit_of_position, strict=True):
        if of_word != NOT_AUDITED:
            assert of_token != NOT_AUDITED
            expected[:, of_word] += raw[:, of_token]
    seen = (of_words.mass.unsqueeze(-1) * of_words.attention)[0]
    assert torch.allclose(seen, expected, atol=1e-6)
    assert torch.allclose(of_words.mass + of_words.rest, torch.ones_like(of_words.mass), atol=1e-5)


def assert_refused_rightly(
    kind: str, text: str, tokens: EncodedTokens | str, words: EncodedTokens | str
) -> None:
    """Nothing is refused but what shows no word, and words of slow tokenizers."""
    assert isinstance(words, str)
    assert words.startswith("example 'odd': ")
    assert words.endswith(", 2")  # the exit code
    if OTHER_TOKENS in words:
        assert kind in SLOW
    else:
        assert NOTHING_LEFT in words
        # By token, blanks may be audited.
        assert isinstance(tokens, str) or not any(
            text[u.start : u.end].strip() for u in tokens.units
        )


def assert_in_order(text: str, words: EncodedTokens) -> None:
    """Each unit is of whole words, and no unit of the text that has a token is missing."""
    ends = [0]
    for unit in words.units:
        assert unit.text == text[unit.start : unit.end]
        assert unit.start >= ends[-1]
        ends.append(unit.end)
    held = [unit for unit in words.unit_of_position if unit != NOT_AUDITED]
    assert held == sorted(held)
    assert set(held) == set(range(words.n_units))
    borders = {place for word in words_in(text) for place in word}
    assert {place for unit in words.units for place in (unit.start, unit.end)} <= borders
    left_out = "".join(
        text[start:end]
        for start, end in words_in(text)
        if not any(unit.start <= start and end <= unit.end for unit in words.units)
    )
    assert not any(character.isalnum() for character in left_out), left_out
