import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attn_audit.models import units
from attn_audit.models.units import how_words_are_found, spans_by_words, words_in
from tests.models.odd_texts import ODD_TEXTS


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in words_in(text)]


@pytest.fixture
def without_icu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_icu", lambda: None)


class _Iterator(list[int]):
    """ICU's, with the ends that it is told to find."""

    def setText(self, text: str) -> None:  # noqa: N802 - ICU's name
        pass


@pytest.fixture
def icu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(
        ICU_VERSION="72.1",
        Locale=SimpleNamespace(getRoot=lambda: None),
        BreakIterator=SimpleNamespace(createWordInstance=lambda locale: _Iterator(request.param)),
    )
    monkeypatch.setattr(units, "_icu", lambda: fake)


def test_white_space_ends_a_word() -> None:
    assert words("so  bad,\n\tisn't\u00a0it?") == ["so", "bad,", "isn't", "it?"]


@pytest.mark.usefixtures("without_icu")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("很好看，真的。", ["很", "好", "看，", "真", "的。"]),
        ("说「好」 (中)", ["说", "「好」", "(中)"]),
        ("iPhone手机v2 ok", ["iPhone", "手", "机", "v2", "ok"]),
        ("カフェー・バー", ["カ", "フ", "ェ", "ー・", "バ", "ー"]),
        ("ที่ดี", ["ที่", "ดี"]),
        ("か\u3099中👍🏽", ["か\u3099", "中👍🏽"]),
        ("한국어 texts", ["한국어", "texts"]),
    ],
)
def test_signs_are_words_where_no_blank_is_written(text: str, expected: list[str]) -> None:
    assert words(text) == expected
    assert how_words_are_found() == "single signs"


@pytest.mark.parametrize("icu", [[1, 3, 5, 7, 8]], indirect=True)
@pytest.mark.usefixtures("icu")
def test_icu_joins_signs_to_words() -> None:
    # The thumb is one character, and takes two places in ICU's counting.
    assert words("我喜欢👍电影。") == ["我", "喜欢👍", "电影。"]
    assert how_words_are_found() == "words of ICU 72.1"


def test_the_words_of_icu_itself() -> None:
    pytest.importorskip("icu")
    assert words("我喜欢看电影，它很好看。") == ["我", "喜欢", "看", "电影，", "它", "很好", "看。"]
    assert words("ภาษาไทย สวยงาม") == ["ภาษา", "ไทย", "สวยงาม"]


def test_a_folder_called_icu_is_no_icu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "icu", SimpleNamespace())
    units._icu.cache_clear()
    assert units._icu() is None
    units._icu.cache_clear()


@given(st.one_of(st.sampled_from(list(ODD_TEXTS.values())), st.text()))
def test_words_cover_all_that_is_no_white_space(text: str) -> None:
    spans = words_in(text)
    assert spans == sorted(spans)
    covered = [i for start, end in spans for i in range(start, end)]
    assert covered == [i for i, character in enumerate(text) if not character.isspace()]


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
