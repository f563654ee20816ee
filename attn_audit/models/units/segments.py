"""The words of a text: what stands between white space, and in scripts without it, words or signs.

Chinese, Japanese, Thai, Lao, Burmese and Khmer write whole sentences without a blank. Their words
are those of ICU where PyICU is installed; without it, each sign stands for itself.
"""

import re
from functools import cache
from importlib import import_module
from itertools import accumulate
from typing import Any

from attn_audit.models.units.base import Span

_AT_BLANKS = re.compile(r"\S+")
_SIGN = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46"  # Thai
    "\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"  # Lao
    "\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081"
    "\u1780-\u17b3"  # Khmer, and before it Burmese
    "\u3005-\u3007\u3021-\u3029\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\uff66-\uff9f\U0001aff0-\U0001b16f"  # with what stands for signs among ideographs, kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
)
"""Letters; their marks stand behind them."""
_OPENING = "(\\[{\"'«‘“〈《「『【〔〖〘〝（［｛｢"
_SIGNS = re.compile(
    # Marks and closing punctuation stay with the sign before them, as with a word in Latin letters.
    f"[{_OPENING}]*[{_SIGN}](?:(?![{_OPENING}{_SIGN}])[^\\w\\s])*|(?:(?![{_OPENING}]*[{_SIGN}])\\S)+"
)
_HAS_SIGN = re.compile(f"[{_SIGN}]")


def words_in(text: str) -> list[Span]:
    """Words, in order; together they cover all of a text but its white space.

    Example:
        >>> text = "see 「我」，ok 中文v2!"
        >>> [text[start:end] for start, end in words_in(text)]  # doctest: +SKIP
        ['see', '「我」，', 'ok', '中', '文', 'v2!']
    """
    if _HAS_SIGN.search(text) is None:
        return [match.span() for match in _AT_BLANKS.finditer(text)]
    signs = [match.span() for match in _SIGNS.finditer(text)]
    ends = word_ends(text)
    if ends is None:
        return signs
    words: list[Span] = []
    for start, end in signs:
        # Only between two signs is it ICU that says whether one word ends and another begins.
        if words and words[-1][1] == start and start not in ends:
            start = words.pop()[0]
        words.append((start, end))
    return words


def word_ends(text: str) -> set[int] | None:
    """Where ICU ends a word or what stands between words; None where PyICU is not installed."""
    icu = _icu()
    if icu is None:
        return None
    iterator = icu.BreakIterator.createWordInstance(icu.Locale.getRoot())
    iterator.setText(text)
    # It counts in UTF-16, in which what is beyond the first 65,536 characters takes two places.
    places = accumulate((1 + (ord(character) > 0xFFFF) for character in text), initial=0)
    of_place = {place: index for index, place in enumerate(places)}
    return {of_place[place] for place in iterator if place in of_place}


@cache
def _icu() -> Any:
    try:
        found = import_module("icu")
    except ImportError:
        return None
    return found if hasattr(found, "BreakIterator") else None  # a folder of that name is no PyICU


def how_words_are_found() -> str:
    """What words are in scripts without blanks, as reports say it."""
    icu = _icu()
    return "single signs" if icu is None else f"words of ICU {icu.ICU_VERSION}"
