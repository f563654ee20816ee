"""Examples as token sequences and their units."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from attn_audit.data.example import Example
from attn_audit.data.quoting import quoted
from attn_audit.errors import ConfigurationError, IncompatibleDataError
from attn_audit.models.fitting import allowed_labels, match_labels, place
from attn_audit.models.huggingface.limits import max_length_of
from attn_audit.models.huggingface.options import LoadingOptions
from attn_audit.models.huggingface.tokenizing import Tokens, tokenize
from attn_audit.models.huggingface.vocabulary import vocabulary_size
from attn_audit.models.interception.classifier import SequenceEncoded
from attn_audit.models.task import Task
from attn_audit.models.units.base import UnitName
from attn_audit.models.units.registry import UNITS


@dataclass(frozen=True, slots=True)
class TokenEncoded(SequenceEncoded):
    """An example as token ids, special tokens included."""

    token_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Encoder:
    """A tokenizer, and what the examples must fit."""

    tokenizer: Any
    task: Task
    unit: UnitName
    takes_pairs: bool
    max_length: int | None
    n_ids: int
    """The model's vocabulary."""
    end_ids: tuple[int, ...]
    """Of encoder-decoders: the end marker, which every text has once and at which they read."""

    @staticmethod
    def of(module: nn.Module, tokenizer: Any, task: Task, options: LoadingOptions) -> "Encoder":
        """Of a model and its tokenizer.

        Raises:
            ConfigurationError: The options ask for what these cannot do.
        """
        if not tokenizer.is_fast:
            _require_no_offsets(type(tokenizer).__name__, options)
        return Encoder(
            tokenizer=tokenizer,
            task=task,
            unit=options.unit,
            takes_pairs=options.takes_pairs,
            max_length=max_length_of(module, tokenizer, options.max_length, options.takes_pairs),
            n_ids=vocabulary_size(module, tokenizer),
            end_ids=_end_ids(module.config),
        )

    def encode(self, examples: Sequence[Example]) -> list[TokenEncoded]:
        """Token sequences, units and candidates, with labels in the model's own names.

        Raises:
            IncompatibleDataError: An example does not fit the model.
        """
        for example in examples:
            self._require_fitting_texts(example)
        own = match_labels(self.task, examples)
        rows = tokenize(self.tokenizer, own, self.max_length)
        return [self._encoded(*each) for each in zip(own, rows, strict=True)]

    def _encoded(self, example: Example, tokens: Tokens) -> TokenEncoded:
        _require_one_string_each(example, tokens)
        self._require_known_ids(example, tokens)
        self._require_one_end(example, tokens)
        units, unit_of_token = UNITS[self.unit].split(example.text, tokens.pieces)
        if not units:
            raise IncompatibleDataError(
                place(example),
                f"the tokenizer leaves nothing of the text to audit: {quoted(example.text)}",
            )
        return TokenEncoded(
            example=example,
            units=units,
            truncated=tokens.truncated,
            candidates=allowed_labels(self.task, example),
            unit_of_position=unit_of_token,
            token_ids=tokens.ids,
            token_type_ids=tokens.type_ids,
        )

    def _require_fitting_texts(self, example: Example) -> None:
        if self.takes_pairs and example.text_pair is None:
            raise IncompatibleDataError(
                place(example),
                "the data's first example is a pair of texts, and this one has no second text",
                hint="Name the field that holds it with --text-pair-field.",
            )
        if not self.takes_pairs and example.text_pair is not None:
            raise IncompatibleDataError(
                place(example),
                "this example has a second text, and the data's first example has none",
                hint="Audit pairs and single texts apart.",
            )

    def _require_known_ids(self, example: Example, tokens: Tokens) -> None:
        highest = max(tokens.ids, default=0)
        if highest >= self.n_ids:
            string = tokens.strings[tokens.ids.index(highest)]
            raise IncompatibleDataError(
                place(example),
                f"the tokenizer knows the token {quoted(string)} as number {highest}, and the "
                f"model has a vocabulary of {self.n_ids}",
                hint="Model and tokenizer do not belong together.",
            )

    def _require_one_end(self, example: Example, tokens: Tokens) -> None:
        if not self.end_ids:
            return
        ends = [
            special
            for token, special in zip(tokens.ids, tokens.special, strict=True)
            if token in self.end_ids
        ]
        if not all(ends) or not ends:
            problem = "the text spells the end marker" if ends else "the tokenizer adds none"
            raise IncompatibleDataError(
                place(example), f"the model reads at the end marker of each text, and {problem}"
            )


def _require_one_string_each(example: Example, tokens: Tokens) -> None:
    """What a tokenizer.json puts around texts may be ids and strings that do not match."""
    if len(tokens.ids) != len(tokens.strings):
        raise IncompatibleDataError(
            place(example),
            f"the tokenizer makes {len(tokens.ids)} ids of it, and {len(tokens.strings)} tokens",
            hint="The model's tokenizer.json is damaged.",
        )


def _require_no_offsets(name: str, options: LoadingOptions) -> None:
    """Refuse what cannot be done without knowing where in the texts a token stands."""
    if UNITS[options.unit].needs_places:
        raise ConfigurationError(
            f"--unit {options.unit}: the tokenizer ({name}) does not say where in a text a token "
            "stands",
            hint="Audit its tokens, with --unit token.",
        )
    if options.takes_pairs:
        raise ConfigurationError(
            f"the tokenizer ({name}) does not say which of two texts a token belongs to, "
            "so only single texts can be audited with it"
        )


def _end_ids(config: Any) -> tuple[int, ...]:
    end = config.eos_token_id if config.is_encoder_decoder else None
    if end is None:
        return ()
    return (end,) if isinstance(end, int) else tuple(end)
