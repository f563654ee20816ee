"""What a user's `encode` makes of examples: tokens, their units, the arguments of a call."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.contract import Unit
from attn_audit.models.custom.custom_model import CustomModel, call_tokenize
from attn_audit.models.interception.classifier import NOT_AUDITED, Arguments, EncodedSequence
from attn_audit.models.task import allowed_labels, match_labels, place, require_second_text
from attn_audit.models.units import UNITS, Piece, Span, UnitName, Units, find_spans, spans_by_words
from attn_audit.quoting import quoted


@dataclass(frozen=True, slots=True)
class EncodedText(EncodedSequence):
    """An example as tokens; what columns `encode` gives them is known to the classifier alone."""

    tokens: tuple[str, ...]
    unit_of_token: tuple[int, ...]
    second_tokens: tuple[str, ...]
    """Of the second text; empty for single texts."""


def without_units(encoded: EncodedText, keep: Sequence[bool]) -> EncodedText:
    """A shorter text, of the units that are kept; they keep their numbers."""
    stays = [unit == NOT_AUDITED or keep[unit] for unit in encoded.unit_of_token]
    return replace(
        encoded,
        tokens=tuple(compress(encoded.tokens, stays)),
        unit_of_token=tuple(compress(encoded.unit_of_token, stays)),
    )


def first_units(encoded: EncodedText, n_units: int) -> EncodedText:
    """The beginning of a text, of at least one unit."""
    kept = without_units(encoded, [unit < n_units for unit in range(encoded.n_units)])
    return replace(kept, units=encoded.units[:n_units])


def joined(texts: Sequence[EncodedText], n_tokens: int | None) -> EncodedText:
    """One long text of several."""
    units: list[Unit] = []
    of_tokens: list[int] = []
    for text in texts:
        of_tokens += [u if u == NOT_AUDITED else u + len(units) for u in text.unit_of_token]
        units += text.units
    of_tokens = of_tokens[:n_tokens]
    return replace(
        texts[0],
        units=tuple(units[: max(of_tokens) + 1]),
        tokens=tuple(token for text in texts for token in text.tokens)[:n_tokens],
        unit_of_token=tuple(of_tokens),
    )


@dataclass(frozen=True, slots=True)
class Splitter:
    """How texts are split, and what the examples must fit.

    Args:
        unit: What is audited: tokens, or words with all their tokens.
        max_length: Tokens after which a text is cut; None: never.
    """

    custom: CustomModel
    unit: UnitName = "token"
    max_length: int | None = None

    def encode(self, examples: Sequence[Example]) -> list[EncodedText]:
        """Tokens, units and candidates, with labels in the model's own names.

        Raises:
            IncompatibleDataError: An example does not fit the model.
        """
        own = match_labels(self.custom.audited_task, examples)
        return [self._encoded(example) for example in own]

    def _encoded(self, example: Example) -> EncodedText:
        every = self._tokens(example.text)
        tokens = every[: self.max_length]
        units, unit_of_token = self._units(example, tokens)
        if not units:
            raise IncompatibleDataError(place(example), "the text has no token")
        return EncodedText(
            example=example,
            units=units,
            truncated=len(tokens) < len(every),
            candidates=allowed_labels(self.custom.audited_task, example),
            unit_of_position=unit_of_token,
            tokens=tokens,
            unit_of_token=unit_of_token,
            second_tokens=self._second_tokens(example),
        )

    def _units(self, example: Example, tokens: Sequence[str]) -> Units:
        kind, text = UNITS[self.unit], example.text
        spans: Sequence[Span | None] = find_spans(text, tokens)
        if kind.needs_places and None in spans:
            by_words = spans_by_words(text, tokens, self._tokens)
            if by_words is None:
                hidden = quoted(tokens[spans.index(None)])
                raise IncompatibleDataError(
                    place(example),
                    f"--unit {kind.name}: the text does not show the token {hidden}, and words "
                    "that are tokenized alone give other tokens, so it cannot be told which word "
                    "it belongs to",
                    hint="Audit tokens, with --unit token.",
                )
            spans = by_words
        return kind.split(text, pieces(tokens, spans))

    def _second_tokens(self, example: Example) -> tuple[str, ...]:
        if self.custom.takes_pairs:
            return self._tokens(require_second_text(example))
        if example.text_pair is not None:
            raise IncompatibleDataError(
                place(example),
                "this example has a second text, and the adapter's model takes one",
                hint="Say takes_pairs=True in the adapter if it takes two.",
            )
        return ()

    def _tokens(self, text: str) -> tuple[str, ...]:
        tokens = call_tokenize(self.custom, text)
        is_list = isinstance(tokens, Sequence) and not isinstance(tokens, str)
        if not is_list or not all(isinstance(token, str) for token in tokens):
            raise ConfigurationError(
                f"the adapter's tokenize returned {quoted(tokens)}",
                hint="Return the tokens of the text: a list of strings.",
            )
        return tuple(tokens)


def pieces(tokens: Sequence[str], spans: Sequence[Span | None]) -> list[Piece]:
    """The tokens where they stand; one that the text does not show behind the one before it."""
    found: list[Piece] = []
    end = 0
    for token, span in zip(tokens, spans, strict=True):
        start, end = span or (end, end)
        found.append(Piece((start, end), token))
    return found


def arguments_of(given: object, n_texts: int, device: torch.device) -> Arguments:
    """Take what `encode` returned.

    Raises:
        ConfigurationError: It is something else, or its first axis is not the texts'.
    """
    if _is_one_dict(given):
        (given,) = given
    named: Mapping[str, Any] = {}
    listed: Sequence[Any] = ()
    if isinstance(given, Mapping):
        named = given
    else:
        listed = given if isinstance(given, tuple | list) else (given,)
    for position, value in enumerate(listed):
        _require_rows(f"argument {position}", value, n_texts)
    for name, value in named.items():
        _require_rows(repr(name), value, n_texts)
    return Arguments(
        tuple(tensor.to(device) for tensor in listed),
        {name: tensor.to(device) for name, tensor in named.items()},
    )


def _is_one_dict(given: object) -> TypeGuard[Sequence[Mapping[str, Tensor]]]:
    return isinstance(given, tuple | list) and len(given) == 1 and isinstance(given[0], Mapping)


def takes_one_dict(module: nn.Module, given: object) -> bool:
    """Whether a module is called with one dict: where its `forward` does not take the names."""
    if not isinstance(given, Mapping):
        return _is_one_dict(given)
    signature = inspect.signature(module.forward)
    return not _binds(signature, (), given) and _binds(signature, (given,), {})


def _binds(
    signature: inspect.Signature, arguments: Sequence[object], keywords: Mapping[str, object]
) -> bool:
    try:
        signature.bind(*arguments, **keywords)
    except TypeError:
        return False
    return True


def _require_rows(place: str, value: object, n_texts: int) -> None:
    if not isinstance(value, Tensor):
        problem = f"a {type(value).__name__} as {place}"
    elif value.shape[:1] != (n_texts,):
        size = " x ".join(map(str, value.shape)) or "no axis"
        problem = f"a tensor of {size} as {place}, for {n_texts} texts"
    else:
        return
    raise ConfigurationError(
        f"the adapter's encode returned {problem}",
        hint="Return a tensor, a tuple of tensors or a dict of tensors, padded, with one row for "
        "each text; a tuple that holds one dict calls the module with that dict.",
    )
