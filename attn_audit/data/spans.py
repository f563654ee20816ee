"""What comes with a text: spans that people marked, and scores that a product shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from attn_audit.data.labels import as_list
from attn_audit.data.source import WrongValueError
from attn_audit.numbers import counted
from attn_audit.quoting import quoted

Span = tuple[int, int]
"""First character, and the one behind the last."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a product shows of a text: numbers for its units, words, or spans of characters."""

    by_unit: tuple[float, ...] | None
    """None: spans have them."""
    by_span: tuple[tuple[Span, float], ...] = ()
    """Of numbers that are as many as the text's words, these."""

    def fit(self, n_units: int) -> bool:
        """Whether each of so many units has a score."""
        return self.by_unit is None or len(self.by_unit) == n_units or bool(self.by_span)

    def of_units(self, units: Sequence[Span]) -> tuple[float, ...]:
        """A number for each: of spans, the sum over those that the unit has characters of."""
        if self.by_unit is not None and len(self.by_unit) == len(units):
            return self.by_unit
        return tuple(
            sum((score for span, score in self.by_span if overlap(span, unit)), 0.0)
            for unit in units
        )


def overlap(one: Span, other: Span) -> bool:
    """Whether two spans have a character in common.

    Example:
        >>> overlap((0, 4), (3, 5)), overlap((0, 4), (4, 5))
        (True, False)
    """
    return max(one[0], other[0]) < min(one[1], other[1])


def read_rationale(value: object, text: str) -> tuple[Span, ...]:
    """The spans that people marked: pairs of characters, or ERASER's evidences, in words.

    Raises:
        WrongValueError: It is something else, or reaches out of the text.

    Example:
        >>> evidences = [[{"start_token": 1, "end_token": 3}]]
        >>> read_rationale([[0, 1]], "a fine film"), read_rationale(evidences, "a fine film")
        (((0, 1),), ((2, 11),))
    """
    return tuple(_span(item, text) for item in _items(value, "spans [start, end]"))


def read_scores(value: object, text: str) -> Scores:
    """The scores that a product shows: numbers, or spans with one each; ERASER's evidences have 1.

    Of ERASER's predictions the soft ones, a number for each word; else the hard ones, of 1.

    Raises:
        WrongValueError: It is something else, a score is no finite number, or a span reaches out
            of the text.

    Example:
        >>> read_scores([[0, 4, 0.5], [2, 4, 0.25]], "fine film").of_units([(0, 4), (5, 9)])
        (0.75, 0.0)
        >>> predicted = [{"docid": "1", "soft_rationale_predictions": [0.9, 0.1]}]
        >>> read_scores(predicted, "fine film").of_units([(0, 4), (5, 7), (7, 9)])
        (0.9, 0.1, 0.1)
    """
    items = _items(value, "numbers, or of spans [start, end, score]")
    if any(isinstance(item, dict) and item.keys() & {SOFT, HARD} for item in items):
        return _predicted(items, text)
    if items and not isinstance(items[0], list | tuple | dict):
        found, words = tuple(map(_number, items)), _words(text)
        of_words = zip(words, found, strict=True) if len(words) == len(found) else ()
        return Scores(found, tuple(of_words))
    return Scores(None, tuple(_scored(item, text) for item in items))


SOFT, HARD = "soft_rationale_predictions", "hard_rationale_predictions"
"""What ERASER calls the scores of words, and the spans of them, that a model gives."""


def _predicted(items: Sequence[object], text: str) -> Scores:
    """ERASER's predictions of one document, which is the text."""
    if len(items) > 1:
        raise WrongValueError(f"holds predictions of {len(items)} documents, and the text is one")
    (predictions,) = items
    assert isinstance(predictions, dict)
    name = HARD if predictions.get(SOFT) is None else SOFT
    listed = as_list(predictions[name])
    if not isinstance(listed, list):
        raise WrongValueError(f"holds {name} that are no list: {quoted(listed)}")
    if name == HARD:
        return Scores(None, tuple((_span(item, text), 1.0) for item in listed))
    found, words = [_number(item) for item in listed], _words(text)
    if len(found) != len(words):
        raise WrongValueError(
            f"holds {counted(len(found), 'score')} ({SOFT}), and the text has "
            f"{counted(len(words), 'word')}"
        )
    return Scores(None, tuple(zip(words, found, strict=True)))


def _words(text: str) -> list[Span]:
    return [found.span() for found in re.finditer(r"\S+", text)]


def _items(value: object, what: str) -> list[object]:
    """The items of a list; of ERASER's groups of evidences, the evidences."""
    items = as_list(value)
    if not isinstance(items, list):
        raise WrongValueError(f"must be a list of {what}, not {quoted(value)}")
    found: list[object] = []
    for item in items:
        is_group = isinstance(item, list) and item and all(isinstance(each, dict) for each in item)
        found += item if is_group and isinstance(item, list) else [item]
    return found


def _scored(item: object, text: str) -> tuple[Span, float]:
    match item:
        case [start, end, score]:
            return _span([start, end], text), _number(score)
        case dict():
            return _span(item, text), 1.0
        case _:
            raise WrongValueError(f"holds {quoted(item)}, which is no [start, end, score]")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise WrongValueError(f"holds {quoted(value)}, which is no finite number")
    return float(value)


def _span(item: object, text: str) -> Span:
    match item:
        case {"start_token": first, "end_token": last}:
            words = _words(text)
            start, end = _within(first, last, len(words), item, "word")
            return words[start][0], words[end - 1][1]
        case [first, last]:
            return _within(first, last, len(text), item, "character")
        case _:
            raise WrongValueError(f"holds {quoted(item)}, which is no [start, end]")


def _within(first: object, last: object, length: int, item: object, counts: str) -> Span:
    """Both ends as whole numbers, which Parquet may have as others beside scores."""
    ends = [
        int(end) if isinstance(end, int | float) and float(end).is_integer() else None
        for end in (first, last)
    ]
    start, end = ends
    if isinstance(first, bool) or isinstance(last, bool) or start is None or end is None:
        raise WrongValueError(f"holds {quoted(item)}, whose ends are no whole numbers")
    if start >= end:
        raise WrongValueError(f"holds {quoted(item)}, which ends before it begins")
    if start < 0 or end > length:
        has = counted(length, counts)
        raise WrongValueError(f"holds {quoted(item)}, which is outside of the text ({has})")
    return start, end
