from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data.example import Example
from attn_audit.errors import IncompatibleDataError
from attn_audit.models.base import Unit
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import TokenEncoded
from attn_audit.models.huggingface.tokenizing import tokenize
from attn_audit.models.interception.classifier import NOT_AUDITED
from tests.checkpoints import KINDS, SENTENCES
from tests.models.huggingface.conftest import Load

PAIR_KINDS = ("bert", "bart", "t5", "gpt2", "llama", "deberta-v2")
WORDS = st.sampled_from(" ".join(SENTENCES).split())
SEQUENCES = st.lists(WORDS, min_size=1, max_size=30).map(" ".join)


def encode(classifier: HuggingFaceClassifier, *examples: Example) -> list[TokenEncoded]:
    encoded = classifier.encode(examples)
    assert all(isinstance(item, TokenEncoded) for item in encoded)
    return [item for item in encoded if isinstance(item, TokenEncoded)]


def audited(encoded: TokenEncoded) -> int:
    return sum(unit != NOT_AUDITED for unit in encoded.unit_of_position)


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_of_the_text_is_audited_and_nothing_else(load: Load, kind: str) -> None:
    classifier = load(kind)
    (encoded,) = encode(classifier, Example("a", SENTENCES[0]))
    added = len(encoded.token_ids) - audited(encoded)
    assert added == {"gpt2": 0, "llama": 1, "t5": 1}.get(kind, 2)
    assert "".join(unit.text for unit in encoded.units) == SENTENCES[0].replace(" ", "")
    assert not encoded.truncated


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_a_second_text_is_read_and_not_audited(load: Load, kind: str) -> None:
    (single,) = encode(load(kind), Example("a", SENTENCES[0]))
    (pair,) = encode(load(kind, takes_pairs=True), Example("a", SENTENCES[0], SENTENCES[1]))
    assert pair.units == single.units
    assert len(pair.token_ids) > len(single.token_ids)
    assert audited(pair) == pair.n_units


def test_pairs_and_single_texts_are_not_mixed(load: Load) -> None:
    single, pair = Example("a", "fine"), Example("b", "fine", "film")
    with pytest.raises(IncompatibleDataError, match="example 'b': this example has a second text"):
        load("bert").encode([single, pair])
    with pytest.raises(IncompatibleDataError, match=r"example 'a': .*this one has no second text"):
        load("bert", takes_pairs=True).encode([pair, single])


def test_long_texts_are_truncated_and_say_so(load: Load) -> None:
    short, long = encode(
        load("bert", max_length=8), Example("a", "A film."), Example("b", " ".join(SENTENCES))
    )
    assert (short.truncated, long.truncated) == (False, True)
    assert len(long.token_ids) == 8


@pytest.mark.parametrize("kind", ["mpnet", "gpt2", "bart"])
def test_a_text_is_truncated_to_what_the_model_takes(load: Load, kind: str) -> None:
    classifier = load(kind)
    encoded = encode(classifier, Example("a", " ".join(SENTENCES)))
    assert len(encoded[0].token_ids) == 64
    assert classifier.logits(classifier.collate(encoded)).isfinite().all()


@pytest.fixture(scope="module")
def tokenizer(load: Load) -> Any:
    return load("bert")._encoder.tokenizer


@given(text=SEQUENCES, other=SEQUENCES, max_length=st.integers(5, 40))
def test_of_a_truncated_pair_both_texts_are_left(
    tokenizer: Any, text: str, other: str, max_length: int
) -> None:
    pair = [Example("a", text, other)]
    (cut,), (whole,) = tokenize(tokenizer, pair, max_length), tokenize(tokenizer, pair, None)
    n_special, n_text = sum(cut.special), sum(cut.audited)
    assert n_special == 3
    assert n_text >= 1
    assert len(cut.ids) - n_special - n_text >= 1
    assert len(cut.ids) == min(max_length, len(whole.ids))
    assert cut.truncated == (len(cut.ids) < len(whole.ids))


@pytest.mark.parametrize("kind", KINDS)
def test_words_hold_all_their_tokens(load: Load, kind: str) -> None:
    (tokens,) = encode(load(kind), Example("a", SENTENCES[18]))
    (words,) = encode(load(kind, unit="word"), Example("a", SENTENCES[18]))
    assert [unit.text for unit in words.units] == SENTENCES[18].split()
    assert audited(words) == audited(tokens) == tokens.n_units > words.n_units


def test_a_word_of_which_a_part_was_cut_off_is_shown_whole(load: Load) -> None:
    (encoded,) = encode(load("bert", unit="word", max_length=3), Example("a", "unforgettable"))
    assert encoded.units == (Unit("unforgettable", 0, 13),)
    assert encoded.truncated


@pytest.mark.parametrize("unit", ["token", "word"])
def test_a_text_of_which_nothing_is_left_is_named(load: Load, unit: str) -> None:
    nothing = Example("b", "\u200b\x00", where="test.jsonl:2")
    with pytest.raises(IncompatibleDataError, match=r"test.jsonl:2 .*nothing of the text to audit"):
        load("bert", unit=unit).encode([Example("a", "fine"), nothing])


def test_labels_and_candidates_are_the_models_own(load: Load) -> None:
    (encoded,) = encode(load("bert"), Example("a", "fine", labels=("1",), candidates=("1",)))
    assert encoded.example.labels == ("positive",)
    assert encoded.candidates is None
    with pytest.raises(IncompatibleDataError, match="negative, positive"):
        load("bert").encode([Example("a", "fine", labels=("2",))])


def test_no_examples_are_no_sequences(load: Load) -> None:
    assert load("bert").encode([]) == []


@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_a_text_must_not_spell_the_end_at_which_it_is_read(load: Load, kind: str) -> None:
    with pytest.raises(IncompatibleDataError, match="the text spells the end marker"):
        load(kind).encode([Example("a", "fine </s> film")])


def test_a_token_that_the_model_has_no_embedding_of(load: Load) -> None:
    classifier = load("bert")
    classifier._encoder.tokenizer.add_tokens(["gorgeous"])
    with pytest.raises(IncompatibleDataError, match="the token 'gorgeous' as number"):
        classifier.encode([Example("a", "a gorgeous film")])
