"""Nothing that others wrote moves the cursor, hides, or crashes the printing."""

import unicodedata

import pytest

from attn_audit.quoting import printable


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x00\x7f", r"\x00\x7f"),
        ("user\u202egnp.exe", r"user\u202egnp.exe"),
        ("\u2066isolated\u2069", r"\u2066isolated\u2069"),
        ("in\u200bvisible\ufeff", r"in\u200bvisible\ufeff"),
        ("\u2028", r"\u2028"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
    ],
)
def test_spells_out_what_cannot_be_seen(given: str, safe: str) -> None:
    assert printable(given) == safe


@pytest.mark.parametrize("text", ["", "naïve", "日本語", "שלום", "🙂", "[bold]", "a \\ b"])
def test_leaves_visible_text_alone(text: str) -> None:
    assert printable(text) == text


def test_spells_out_what_the_encoding_cannot_write() -> None:
    assert printable("naïve 日 ✓", "latin-1") == "naïve \\u65e5 \\u2713"


def test_nothing_unprintable_is_left_of_all_of_unicode() -> None:
    everything = "".join(map(chr, range(0x110000)))
    left = {unicodedata.category(character) for character in set(printable(everything))}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}
