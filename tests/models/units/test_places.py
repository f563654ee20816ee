from hypothesis import given
from hypothesis import strategies as st

from attn_audit.models.units.places import spans_by_words


def pairs(text: str) -> list[str]:
    """Two characters each, blanks left out."""
    return [word[i : i + 2] for word in text.split() for i in range(0, len(word), 2)]


@given(st.text(alphabet="ab .中文", min_size=1), st.integers(0, 9))
def test_tokens_are_in_their_words(text: str, n_cut: int) -> None:
    tokens = pairs(text)[: max(0, len(pairs(text)) - n_cut)]
    spans = spans_by_words(text, tokens, pairs)
    assert spans is not None
    assert len(spans) == len(tokens)
    assert spans == sorted(spans)
    assert all(token in text[start:end] for token, (start, end) in zip(tokens, spans, strict=True))


def test_blanks_that_are_tokens_are_at_their_places() -> None:
    assert spans_by_words(" a\n", [" ", "a", "\n"], list) == [(0, 1), (1, 2), (2, 3)]


def test_signs_that_are_tokens_together_are_found_as_they_are_spelled() -> None:
    def split(text: str) -> list[str]:
        return {"日本語が": ["日本", "##語", "が"], " x": [], "x": ["x"]}.get(text, ["[UNK]"])

    spans = spans_by_words("日本語が", ["日本", "##語", "が"], split)
    assert spans == [(0, 2), (2, 3), (3, 4)]
    assert spans_by_words("日本語は", ["[UNK]"] * 2, split) is None


def test_a_tokenizer_that_looks_beyond_a_word() -> None:
    assert spans_by_words("New York now", ["New York", "now"], str.split) is None
