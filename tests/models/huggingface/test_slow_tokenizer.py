from pathlib import Path

import pytest
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertJapaneseTokenizer,
    CanineConfig,
    CanineForSequenceClassification,
    CanineTokenizer,
)

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.contract import Unit
from attn_audit.models.huggingface.classifier import HuggingFaceClassifier
from attn_audit.models.huggingface.encoding import EncodedTokens
from attn_audit.models.huggingface.hub import quiet
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.interception.classifier import NOT_AUDITED
from attn_audit.models.options import ModelOptions
from tests.models.huggingface.conftest import CPU


@pytest.fixture(scope="module")
def canine(tmp_path_factory: pytest.TempPathFactory) -> HuggingFaceClassifier:
    """A model of characters: no offsets, and no one table of embeddings."""
    folder: Path = tmp_path_factory.mktemp("canine")
    config = CanineConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_hash_buckets=32,
        max_position_embeddings=64,
    )
    with quiet():
        CanineForSequenceClassification(config).save_pretrained(folder)
        CanineTokenizer(model_max_length=64).save_pretrained(folder)
    return load_classifier(str(folder), ModelOptions(), CPU)


def with_options(canine: HuggingFaceClassifier, options: ModelOptions) -> HuggingFaceClassifier:
    """The same, without reading again a tokenizer that counts a million characters."""
    return HuggingFaceClassifier(canine.module, canine.encoder.tokenizer, options)


def test_tokens_are_shown_as_the_vocabulary_spells_them(canine: HuggingFaceClassifier) -> None:
    (encoded,) = canine.encode([Example("a", "é ok")])
    assert [unit.text for unit in encoded.units] == ["é", " ", "o", "k"]
    assert not encoded.truncated
    assert canine.logits(canine.collate([encoded])).shape == (1, 1)
    assert canine.embedding_table() is None


def test_long_texts_are_truncated(canine: HuggingFaceClassifier) -> None:
    classifier = with_options(canine, ModelOptions(max_length=5))
    short, long = classifier.encode([Example("a", "abc"), Example("b", "abcd")])
    assert (short.truncated, long.truncated) == (False, True)
    assert [unit.text for unit in long.units] == ["a", "b", "c"]


def test_words_are_found_one_by_one(canine: HuggingFaceClassifier) -> None:
    classifier = with_options(canine, ModelOptions(unit="word"))
    (encoded,) = classifier.encode([Example("a", "é  ok, 中文")])
    assert isinstance(encoded, EncodedTokens)
    assert encoded.units == (
        Unit("é", 0, 1), Unit("ok,", 3, 6), Unit("中", 7, 8), Unit("文", 8, 9)
    )  # fmt: skip
    between = NOT_AUDITED
    assert encoded.unit_of_position == (
        between, 0, between, between, 1, 1, 1, between, 2, 3, between
    )  # fmt: skip


def test_words_of_a_truncated_text(canine: HuggingFaceClassifier) -> None:
    classifier = with_options(canine, ModelOptions(unit="word", max_length=6))
    (encoded,) = classifier.encode([Example("a", "ab cdef")])
    assert encoded.truncated
    assert [unit.text for unit in encoded.units] == ["ab", "cdef"]


def japanese(tmp_path: Path, subword: str) -> HuggingFaceClassifier:
    words = ["日本", "##語", "が", "好き", "です", "。", *"日本語が好きです"]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    tokenizer = BertJapaneseTokenizer(
        str(vocabulary), word_tokenizer_type="basic", subword_tokenizer_type=subword
    )
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8,
    )  # fmt: skip
    module = BertForSequenceClassification(config).eval()
    return HuggingFaceClassifier(module, tokenizer, ModelOptions(unit="word"))


def test_japanese_words_are_those_of_their_tokens(tmp_path: Path) -> None:
    classifier = japanese(tmp_path, "wordpiece")
    classifier.encoder.tokenizer.word_tokenizer = Segmenting("日本語", "が", "好き", "です", "。")
    (encoded,) = classifier.encode([Example("a", "日本語が好きです。")])
    # The tokens join what they span of the single signs.
    assert [unit.text for unit in encoded.units] == ["日本", "語", "が", "好き", "です。"]


def test_japanese_signs_that_come_out_the_same_alone(tmp_path: Path) -> None:
    (encoded,) = japanese(tmp_path, "character").encode([Example("a", "日本語 が好き")])
    assert [unit.text for unit in encoded.units] == ["日", "本", "語", "が", "好", "き"]


def test_words_that_come_out_otherwise_alone_are_refused_by_name(tmp_path: Path) -> None:
    classifier = japanese(tmp_path, "wordpiece")
    classifier.encoder.tokenizer.word_tokenizer = Segmenting("日本語が", "好き")
    with pytest.raises(
        IncompatibleDataError, match=r"'a': --unit word: the tokenizer .BertJapaneseTokenizer."
    ) as refusal:
        classifier.encode([Example("a", "日本語が好き")])
    assert "give other tokens than the whole text" in refusal.value.message
    assert "--unit token" in str(refusal.value.hint)
    assert refusal.value.exit_code == 2


class Segmenting:
    """Finds these words wherever a text holds them, as a dictionary does."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def tokenize(self, text: str, never_split: object = None) -> list[str]:
        found: list[str] = []
        while text:
            word = next((word for word in self.words if text.startswith(word)), text[0])
            found.append(word)
            text = text.removeprefix(word)
        return found


def test_pairs_need_offsets(canine: HuggingFaceClassifier) -> None:
    with pytest.raises(ConfigurationError, match="which of two texts a token belongs to"):
        with_options(canine, ModelOptions(takes_pairs=True))
