"""Examples as token sequences with their units, and those as a module's inputs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from attn_audit.data.example import Example
from attn_audit.errors import (
    ConfigurationError,
    Fault,
    IncompatibleDataError,
    UnsupportedModelError,
)
from attn_audit.models.contract import Unit
from attn_audit.models.huggingface.output import (
    FOLLOWING,
    IDS,
    MASK,
    PLACES,
    TYPES,
    Output,
    pairs_of,
)
from attn_audit.models.huggingface.prompting import Asker
from attn_audit.models.huggingface.tokenizer import (
    TEXTS,
    Tokens,
    located,
    max_length_of,
    tokenize,
)
from attn_audit.models.interception.classifier import (
    NOT_AUDITED,
    EncodedSequence,
    ModelInputs,
    NeutralToken,
)
from attn_audit.models.options import ModelOptions
from attn_audit.models.task import Task, allowed_labels, match_labels, place
from attn_audit.models.units import UNITS, Units
from attn_audit.numbers import count
from attn_audit.quoting import quoted


@dataclass(frozen=True, slots=True)
class EncodedTokens(EncodedSequence):
    """An example as token ids, special tokens included."""

    token_ids: tuple[int, ...]
    token_type_ids: tuple[int, ...]
    is_merged: bool = False
    """As of its tokens."""
    following: tuple[int, ...] = ()
    """At each position the token that is asked for there, NOT_AUDITED where none is."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A tokenizer, and what the examples must fit."""

    tokenizer: Any
    task: Task
    options: ModelOptions
    max_length: int | None
    n_ids: int
    """The model's vocabulary."""
    end_ids: tuple[int, ...]
    """Of encoder-decoders: the end marker, which every text has once and at which they read."""
    asker: Asker | None
    """Puts every text into a prompt; None: it stands alone."""
    behind: tuple[int, ...]
    """Tokens that the output needs behind every text."""

    @staticmethod
    def of(
        module: nn.Module,
        tokenizer: Any,
        output: Output,
        options: ModelOptions,
        asker: Asker | None,
    ) -> "Encoder":
        """Of a model and its tokenizer.

        Raises:
            ConfigurationError: The options ask for what these cannot do.
        """
        takes_pairs = options.takes_pairs or options.hypotheses is not None
        if not tokenizer.is_fast and takes_pairs:
            raise ConfigurationError(
                f"the tokenizer ({type(tokenizer).__name__}) does not say which of two texts a "
                "token belongs to, so only single texts can be audited with it"
            )
        limit = max_length_of(module, tokenizer, options.max_length, takes_pairs)
        return Encoder(
            tokenizer=tokenizer,
            task=output.task,
            options=options,
            max_length=min(filter(None, (limit, output.max_length)), default=None),
            n_ids=vocabulary_size(module, tokenizer),
            end_ids=_end_ids(module.config),
            asker=asker,
            behind=output.behind,
        )

    def encode(self, examples: Sequence[Example]) -> list[EncodedTokens]:
        """Token sequences, units and candidates, with labels in the model's own names.

        Raises:
            IncompatibleDataError: An example does not fit the model.
        """
        for example in examples:
            self._require_fitting_texts(example)
        own = match_labels(self.task, examples)
        if self.options.hypotheses is not None:
            pairs = pairs_of(self.tokenizer, own, self.options.hypotheses, self.max_length)
            every = zip(own, *pairs, strict=True)
            return [_joined([self._encoded(e, tokens) for tokens in rows]) for e, *rows in every]
        if self.asker is None:
            rows = tokenize(self.tokenizer, own, self.max_length)
        else:
            rows = self.asker.tokenize(own)
            for example, tokens in zip(own, rows, strict=True):
                self._require_room(example, tokens)
        return [self._encoded(*each) for each in zip(own, rows, strict=True)]

    def special_around(self) -> tuple[int, int] | None:
        """How many special tokens the tokenizer puts before and behind a text.

        Returns:
            None where that cannot be told: it does not say which tokens are its own.
        """
        (found,) = tokenize(self.tokenizer, [Example("", "a")], None)
        before, behind = (
            next((i for i, special in enumerate(row) if not special), len(row))
            for row in (found.special, found.special[::-1])
        )
        n_special = self.tokenizer.num_special_tokens_to_add(pair=False)
        is_told = self.tokenizer.is_fast and before + behind == n_special
        return (before, behind) if is_told else None

    def _encoded(self, example: Example, tokens: Tokens) -> EncodedTokens:
        if len(tokens.ids) != len(tokens.strings):  # as a damaged tokenizer.json has them
            raise IncompatibleDataError(
                place(example),
                f"the tokenizer makes {len(tokens.ids)} ids of it, "
                f"and {len(tokens.strings)} tokens",
                hint="The model's tokenizer.json is damaged.",
            )
        self._require_known_ids(example, tokens)
        self._require_one_end(example, tokens)
        if tokens.spans is None and UNITS[self.options.unit].needs_places:
            tokens = self._located(example, tokens)
        units, unit_of_token = self._units(example, tokens)
        behind = tokens.following[:-1] or self.behind
        none = (NOT_AUDITED,) * (len(tokens.ids) - 1)
        return EncodedTokens(
            example=example,
            units=units,
            truncated=tokens.truncated,
            candidates=allowed_labels(self.task, example),
            unit_of_position=(*unit_of_token, *(NOT_AUDITED for _ in behind)),
            token_ids=(*tokens.ids, *behind),
            token_type_ids=(*tokens.type_ids, *tokens.type_ids[-1:] * len(behind)),
            is_merged=tokens.is_merged,
            following=(*none, *tokens.following) if tokens.following else (),
        )

    def _units(self, example: Example, tokens: Tokens) -> Units:
        """Of every audited text; those of the second come behind those of the first."""
        units: tuple[Unit, ...] = ()
        unit_of_token = [NOT_AUDITED] * len(tokens.ids)
        for number in TEXTS[self.options.audited_texts]:
            text = (example.text, example.text_pair or "")[number]
            found, of_tokens = UNITS[self.options.unit].split(text, tokens.pieces(number))
            if not found:
                raise IncompatibleDataError(
                    place(example),
                    f"the tokenizer leaves nothing of the text to audit: {quoted(text)}",
                )
            for i, unit in enumerate(of_tokens):
                if unit != NOT_AUDITED:
                    unit_of_token[i] = len(units) + unit
            units += tuple(unit._replace(is_second=number == 1) for unit in found)
        return units, tuple(unit_of_token)

    def _require_room(self, example: Example, tokens: Tokens) -> None:
        """A prompt that is cut asks nothing."""
        n = len(tokens.ids) + len(tokens.following[:-1] or self.behind)
        if self.max_length is not None and n > self.max_length:
            answers = " and its answers" * (n > len(tokens.ids))
            hint = "Shorten the text or the prompt, which is never cut: it would ask nothing."
            if self.behind:
                hint += (
                    " Options of several tokens must fit too, into the sliding window where the "
                    "model has one: name some of one token, or say --answer-score first."
                )
            raise IncompatibleDataError(
                place(example),
                f"the prompt with this text{answers} has {count(n)} tokens, and the model "
                f"takes {count(self.max_length)}",
                hint=hint,
                fault=Fault.TOO_LONG,
            )

    def _located(self, example: Example, tokens: Tokens) -> Tokens:
        found = located(self.tokenizer, example.text, tokens)
        if found is None:
            raise IncompatibleDataError(
                place(example),
                f"--unit {self.options.unit}: the tokenizer ({type(self.tokenizer).__name__}) does "
                "not say where in a text a token stands, and words that are tokenized alone give "
                "other tokens than the whole text",
                hint="Audit tokens, with --unit token.",
            )
        return found

    def _require_fitting_texts(self, example: Example) -> None:
        if self.options.takes_pairs and example.text_pair is None:
            raise IncompatibleDataError(
                place(example),
                "the data's first example is a pair of texts, and this one has no second text",
                hint="Name the field that holds it with --text-pair-field.",
            )
        if not self.options.takes_pairs and example.text_pair is not None:
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


def _joined(parts: Sequence[EncodedTokens]) -> EncodedTokens:
    """The same text in several pairs, one behind the other; each position has its pair's number."""
    first, *others = parts
    if not others:
        return first
    assert all(part.units == first.units for part in others), "cut to as many tokens in all"
    return replace(
        first,
        truncated=any(part.truncated for part in parts),
        unit_of_position=tuple(chain.from_iterable(part.unit_of_position for part in parts)),
        token_ids=tuple(chain.from_iterable(part.token_ids for part in parts)),
        token_type_ids=tuple(chain.from_iterable(part.token_type_ids for part in parts)),
        following=tuple(i for i, part in enumerate(parts) for _ in part.token_ids),
    )


def _end_ids(config: Any) -> tuple[int, ...]:
    end = config.eos_token_id if config.is_encoder_decoder else None
    if end is None:
        return ()
    return (end,) if isinstance(end, int) else tuple(end)


Side = Literal["right", "left"]
"""Where padding goes."""


@dataclass(frozen=True, slots=True)
class Padding:
    """What a model and its tokenizer say about padding."""

    own_id: int | None
    """The id that the model's configuration names, if it names one that the model has."""
    tokenizer_id: int | None
    type_id: int
    n_ids: int
    """The model's vocabulary."""

    @staticmethod
    def of(module: nn.Module, tokenizer: Any) -> "Padding":
        """From a model's configuration and its tokenizer."""
        config: Any = module.config
        n_ids = vocabulary_size(module, tokenizer)
        own = config.get_text_config().pad_token_id
        return Padding(
            own_id=own if own is not None and 0 <= own < n_ids else None,
            tokenizer_id=tokenizer.pad_token_id,
            type_id=tokenizer.pad_token_type_id,
            n_ids=n_ids,
        )

    def id_for(self, token_ids: Int[Tensor, " token"]) -> int:
        """The padding id of a batch: the model's own, else one that no text holds.

        Decoders read at the last token that is no padding, wherever the texts hold that id.

        Raises:
            UnsupportedModelError: The texts hold every id.
        """
        if self.own_id is not None:
            return self.own_id
        counts = torch.bincount(token_ids, minlength=self.n_ids)
        preferred = self.tokenizer_id
        if preferred is not None and 0 <= preferred < self.n_ids and counts[preferred] == 0:
            return preferred
        free = (counts == 0).nonzero()
        if not len(free):
            raise UnsupportedModelError(
                "the model has no padding token, and the texts use all of its vocabulary",
                hint="Name a pad_token_id in the model's config.json.",
            )
        return int(free[0])


def real_positions(lengths: Int[Tensor, " batch"], side: Side) -> Bool[Tensor, "batch position"]:
    """True where a sequence of each length stands in a batch as wide as the longest."""
    width = int(lengths.max())
    positions = torch.arange(width, device=lengths.device)
    ends = lengths.unsqueeze(1)
    return positions < ends if side == "right" else positions >= width - ends


@contextmanager
def padded_with(module: nn.Module, padding_id: int | None) -> Iterator[None]:
    """Let the model take an id for padding; its configuration is as it was afterwards."""
    if padding_id is None:
        yield
        return
    whole: Any = module.config
    configs = [whole, whole.get_text_config()]
    named = [config.pad_token_id for config in configs]
    try:
        for config in configs:
            config.pad_token_id = padding_id
        yield
    finally:
        for config, before in zip(configs, named, strict=True):
            config.pad_token_id = before


def embedding_table(module: nn.Module) -> Tensor | None:
    """The weights that token ids are looked up in; None where there is no one such table."""
    model: Any = module
    try:
        weights = getattr(model.get_input_embeddings(), "weight", None)
    except NotImplementedError:  # several tables, as of characters' hashes
        return None
    return weights if isinstance(weights, Tensor) and weights.dim() == 2 else None


def vocabulary_size(module: nn.Module, tokenizer: Any) -> int:
    """How many token ids the module takes."""
    table = embedding_table(module)
    return int(tokenizer.vocab_size) if table is None else len(table)


def neutral_token(module: nn.Module, tokenizer: Any) -> NeutralToken | None:
    """The mask token, else the unknown one; None where there is neither, or it says something.

    Decoders' unknown token is often the marker at which a text ends.
    """
    named = {
        role: token
        for role, token in tokenizer.special_tokens_map.items()
        if isinstance(token, str)
    }
    n_ids = vocabulary_size(module, tokenizer)
    for role, words in (("mask_token", "the mask token"), ("unk_token", "the unknown token")):
        spelling = named.pop(role, None)
        if spelling is None or spelling in named.values():
            continue
        token_id = tokenizer.convert_tokens_to_ids(spelling)
        if token_id is not None and 0 <= token_id < n_ids:
            return NeutralToken(f"{words} {spelling}", token_id)
    return None


def join(
    rows: Sequence[EncodedTokens], arguments: Iterable[str], padding: Padding, side: Side
) -> ModelInputs:
    """Encoded examples as one batch, of the arguments that the module takes."""
    lengths, names = torch.tensor([len(row.token_ids) for row in rows]), tuple(arguments)
    return _padded(
        {
            IDS: _flat(row.token_ids for row in rows),
            TYPES: _flat(row.token_type_ids for row in rows),
            **({FOLLOWING: _flat(row.following for row in rows)} if FOLLOWING in names else {}),
        },
        _flat(row.unit_of_position for row in rows),
        real_positions(lengths, side),
        names,
        padding,
    )


def kept_positions(
    inputs: ModelInputs, kept: Bool[Tensor, "batch position"], padding: Padding, side: Side
) -> ModelInputs:
    """Some positions of each row, one behind the other; all else that they had stays theirs.

    What is to follow one that does not stay follows the one before it.
    """
    names = [name for name in (IDS, TYPES, PLACES, FOLLOWING) if name in inputs.keywords]
    values = {name: inputs.keywords[name] for name in names}
    if FOLLOWING in values:
        numbers = torch.arange(kept.shape[1], device=kept.device).where(kept, 0)
        stays, asked = numbers.cummax(dim=1).values, values[FOLLOWING]
        nothing = torch.full_like(asked, NOT_AUDITED)
        values[FOLLOWING] = nothing.scatter_reduce(1, stays, asked, "amax")
    return _padded(
        {name: value[kept] for name, value in values.items()},
        inputs.units[kept],
        real_positions(kept.sum(1), side),
        inputs.keywords,
        padding,
    )


def _padded(
    values: dict[str, Int[Tensor, " token"]],
    units: Int[Tensor, " token"],
    real: Bool[Tensor, "batch position"],
    arguments: Iterable[str],
    padding: Padding,
) -> ModelInputs:
    """Put all sequences' values, which lie behind each other, where the sequences stand."""

    def spread(values: Tensor, fill: int) -> Tensor:
        return torch.full_like(real, fill, dtype=values.dtype).masked_scatter(real, values)

    fills = {IDS: padding.id_for(values[IDS]), TYPES: padding.type_id, PLACES: 0}
    fills[FOLLOWING] = NOT_AUDITED
    given = {name: spread(value, fills[name]) for name, value in values.items()}
    given[MASK] = real.long()
    keywords = {name: given[name] for name in arguments}
    return ModelInputs((), keywords, spread(units, NOT_AUDITED), real)


def _flat(rows: Iterable[Sequence[int]]) -> Int[Tensor, " token"]:
    return torch.tensor(list(chain.from_iterable(rows)))
