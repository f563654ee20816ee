from pathlib import Path

import pytest
from transformers import CanineConfig, CanineForSequenceClassification, CanineTokenizer

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError
from attn_audit.models.huggingface.configuration import LoadingOptions
from attn_audit.models.huggingface.hub import quiet
from attn_audit.models.huggingface.loading import load_classifier
from tests.models.huggingface.conftest import CPU


@pytest.fixture(scope="module")
def canine(tmp_path_factory: pytest.TempPathFactory) -> str:
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
    return str(folder)


def test_tokens_are_shown_as_the_vocabulary_spells_them(canine: str) -> None:
    classifier = load_classifier(canine, LoadingOptions(), CPU)
    (encoded,) = classifier.encode([Example("a", "é ok")])
    assert [unit.text for unit in encoded.units] == ["é", " ", "o", "k"]
    assert not encoded.truncated
    assert classifier.logits(classifier.collate([encoded])).shape == (1, 1)
    assert classifier.embedding_table() is None


def test_long_texts_are_truncated(canine: str) -> None:
    classifier = load_classifier(canine, LoadingOptions(max_length=5), CPU)
    short, long = classifier.encode([Example("a", "abc"), Example("b", "abcd")])
    assert (short.truncated, long.truncated) == (False, True)
    assert [unit.text for unit in long.units] == ["a", "b", "c"]


def test_words_and_pairs_need_offsets(canine: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--unit word: the tokenizer .CanineTokenizer."):
        load_classifier(canine, LoadingOptions(unit="word"), CPU)
    with pytest.raises(ConfigurationError, match="which of two texts a token belongs to"):
        load_classifier(canine, LoadingOptions(takes_pairs=True), CPU)
