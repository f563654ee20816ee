"""A tokenizer: its files, what it makes of texts and how many tokens fit; names of tokens."""

import codecs
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.util import find_spec
from itertools import compress
from typing import Any, Literal

from torch import nn

from attn_audit.data.example import Example
from attn_audit.errors import (
    CheckpointError,
    ConfigurationError,
    UnreadableCheckpointError,
    UnsupportedModelError,
)
from attn_audit.models.huggingface.configuration import read_json
from attn_audit.models.huggingface.hub import Checkpoint, loading, not_panicking, quiet, silenced
from attn_audit.models.units import Piece, spans_by_words
from attn_audit.quoting import listed, quoted
from attn_audit.settings import AuditedTexts

TRIAL = "A text, and all that stands around it."

TOKENIZER_CONFIG = "tokenizer_config.json"
SAVED = "tokenizer.json"
"""What every fast tokenizer is saved as; few begin with it."""
FILES = (
    *("tokenizer*", "vocab*", "*.model", "*.spm", "*.tiktoken", "*.tokenizer"),
    *("bpe.codes", "byte_maps.json"),
)
"""One of these is there wherever there is a tokenizer."""

PIECES = ("*.model", "*.spm")
"""Of SentencePiece, or of tiktoken under the same name."""
TIKTOKEN = re.compile(rb"[A-Za-z0-9+/=]+ \d+\r?\n")
"""The first line of tiktoken's."""
READERS = {"sentencepiece": "sentencepiece", "protobuf": "google.protobuf"}
"""What `transformers` reads SentencePiece's with, as it is installed and as it is imported. Where
one is missing it tries tiktoken, and says that this is missing."""

ELSEWHERE = (
    "or load the tokenizer with transformers where it is installed, and save it: save_pretrained "
    f"writes {SAVED} for most."
)


def has_tokenizer(checkpoint: Checkpoint) -> bool:
    """Whether there is any file of one."""
    return any(checkpoint.holds(pattern) for pattern in FILES)


def load_tokenizer(checkpoint: Checkpoint) -> Any:
    """Load a tokenizer, and try it out.

    Raises:
        UnreadableCheckpointError: There is none, a file of it is missing, or it is damaged.
        UnsupportedModelError: It takes a package that is not installed.
    """
    from transformers import AutoTokenizer

    if has_tokenizer(checkpoint):
        try:
            with loading(checkpoint.location, "its tokenizer"), silenced():
                tokenizer = AutoTokenizer.from_pretrained(checkpoint.name, **checkpoint.arguments)
                tokenizer(TRIAL)  # what does not fit together shows itself here, and not later
        except CheckpointError as error:
            raise _explained(checkpoint, error) from error
        # Without its vocabulary the library makes a tokenizer that knows no word, and says nothing.
        files = tokenizer.vocab_files_names.values()
        if not files or any(checkpoint.holds(name) for name in files):
            return tokenizer
    raise UnreadableCheckpointError(
        checkpoint.location,
        f"it holds no tokenizer ({SAVED})",
        hint="Save the tokenizer that it was trained with beside it: save_pretrained.",
    )


def _explained(checkpoint: Checkpoint, error: CheckpointError) -> CheckpointError:
    """The real reason, where the library gave another one."""
    if isinstance(error, UnsupportedModelError):  # a package, which it names
        return UnsupportedModelError(error.message, hint=f"Install it, {ELSEWHERE}")
    lacking = _missing_files(checkpoint)
    if lacking:
        return UnreadableCheckpointError(checkpoint.location, lacking)
    files = (file for pattern in PIECES for file in sorted(checkpoint.folder.glob(pattern)))
    pieces = next(files, None)
    if pieces is None or checkpoint.holds(SAVED):
        return error
    with pieces.open("rb") as content:
        is_tiktoken = TIKTOKEN.match(content.readline(1000)) is not None
    readers = {"tiktoken": "tiktoken"} if is_tiktoken else READERS
    missing = [name for name, module in readers.items() if not _is_installed(module)]
    if missing:
        return UnsupportedModelError(
            f"cannot load the tokenizer of {checkpoint.location}: its {pieces.name} cannot be read "
            f"without {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed",
            hint=f"Run pip install {' '.join(missing)}, {ELSEWHERE}",
        )
    if "tiktoken" in error.message and not is_tiktoken:
        problem = f"its tokenizer: its {pieces.name} is damaged"
        return UnreadableCheckpointError(checkpoint.location, problem)
    return error


def _missing_files(checkpoint: Checkpoint) -> str | None:
    """What a tokenizer of its class reads and does not find."""
    import transformers

    if not checkpoint.holds(TOKENIZER_CONFIG) or checkpoint.holds(SAVED):
        return None
    name = read_json(checkpoint, TOKENIZER_CONFIG).get("tokenizer_class")
    kind = getattr(transformers, name, None) if isinstance(name, str) else None
    if isinstance(name, str) and kind is None and not checkpoint.runs_code:
        return f"its tokenizer is a {quoted(name)}, which transformers does not know"
    wanted = getattr(kind, "vocab_files_names", {}).values()
    lacking = [file for file in wanted if file != SAVED and not checkpoint.holds(file)]
    return f"its tokenizer, a {name}, lacks {listed(lacking)}" if lacking else None


def _is_installed(module: str) -> bool:
    """A package that is not there has no parts either."""
    return find_spec(module.partition(".")[0]) is not None and find_spec(module) is not None


TEXTS: Mapping[AuditedTexts, tuple[int, ...]] = {"first": (0,), "second": (1,), "both": (0, 1)}
"""The sequences that are audited, as tokenizers count them."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """One example's tokens, special tokens included."""

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    strings: Sequence[str]
    """The vocabulary's entries."""
    special: tuple[bool, ...]
    """True where the tokenizer added a token that no text holds."""
    sequences: tuple[int | None, ...]
    """Which text each token is of, 0 or 1; None: of none."""
    spans: Sequence[tuple[int, int]] | None
    """Character offsets; None where the tokenizer knows none."""
    truncated: bool
    is_merged: bool = False
    """Whether an audited token also holds letters of what stands around the text."""
    following: tuple[int, ...] = ()
    """The tokens that the row says follow it."""

    def pieces(self, text: int) -> list[Piece | None]:
        """A text's tokens, each where it stands if that is known; None for all others."""
        spans = self.spans or [(0, 0)] * len(self.ids)
        every = zip(self.sequences, spans, self.strings, strict=True)
        return [Piece(span, string) if of == text else None for of, span, string in every]


def tokenize(
    tokenizer: Any,
    examples: Sequence[Example],
    max_length: int | None,
    cut: Literal["longest_first", "only_first"] = "longest_first",
) -> list[Tokens]:
    """Split texts as the model was trained to have them split.

    Args:
        examples: All with a second text, or none.
        max_length: Truncate to so many tokens; None: never.
        cut: Which text of a pair is.
    """
    if not examples:
        return []
    location = str(getattr(tokenizer, "name_or_path", "") or "in memory")
    with quiet(), not_panicking(location, "its tokenizer"):
        if tokenizer.is_fast:
            return _with_offsets(tokenizer, examples, max_length, cut)
        return [_without_offsets(tokenizer, example, max_length) for example in examples]


def located(tokenizer: Any, text: str, tokens: Tokens) -> Tokens | None:
    """The tokens of a tokenizer without offsets, each at its word.

    Returns:
        None where words give other tokens by themselves than in the text.
    """

    def split(part: str) -> Sequence[str]:
        ids = tokenizer(part, add_special_tokens=False)["input_ids"]
        return tuple(tokenizer.convert_ids_to_tokens(ids))

    is_of_text = [of is not None for of in tokens.sequences]
    audited = list(compress(tokens.strings, is_of_text))
    with quiet():
        spans = spans_by_words(text, audited, split)
    if spans is None:
        return None
    of_audited = iter(spans)
    return replace(tokens, spans=[next(of_audited) if each else (0, 0) for each in is_of_text])


def _with_offsets(
    tokenizer: Any, examples: Sequence[Example], max_length: int | None, cut: str
) -> list[Tokens]:
    pairs = [example.text_pair for example in examples if example.text_pair is not None]
    batch = tokenizer(
        [example.text for example in examples],
        pairs or None,
        truncation=cut if max_length is not None else False,
        max_length=max_length,
    )
    return [tokens_of(encoding) for encoding in batch.encodings]


def tokens_of(encoding: Any, n: int | None = None) -> Tokens:
    """What a fast tokenizer made of a text: its first tokens, or all."""
    special = tuple(bool(mark) for mark in encoding.special_tokens_mask[:n])
    return Tokens(
        ids=tuple(encoding.ids[:n]),
        type_ids=tuple(encoding.type_ids[:n]),
        strings=encoding.tokens[:n],
        special=special,
        sequences=tuple(
            None if mark else sequence
            for sequence, mark in zip(encoding.sequence_ids[:n], special, strict=True)
        ),
        spans=encoding.offsets[:n],
        truncated=bool(encoding.overflowing),
    )


def _without_offsets(tokenizer: Any, example: Example, max_length: int | None) -> Tokens:
    split = partial(
        tokenizer, example.text, return_special_tokens_mask=True, return_token_type_ids=True
    )
    row = split()
    truncated = max_length is not None and len(row["input_ids"]) > max_length
    if truncated:
        row = split(truncation=True, max_length=max_length)
    special = tuple(bool(mark) for mark in row["special_tokens_mask"])
    return Tokens(
        ids=tuple(row["input_ids"]),
        type_ids=tuple(row["token_type_ids"]),
        strings=tokenizer.convert_ids_to_tokens(row["input_ids"]),
        special=special,
        sequences=tuple(None if mark else 0 for mark in special),
        spans=None,
        truncated=truncated,
    )


SANE = 10**9
"""Tokenizers that know no limit say 10^30."""


def max_length_of(
    module: nn.Module, tokenizer: Any, asked: int | None, takes_pairs: bool
) -> int | None:
    """Tokens after which a text is truncated, special tokens included; None where nothing limits.

    Args:
        asked: What the user wants; None for the most that tokenizer and model allow.

    Raises:
        ConfigurationError: More than the model has positions for, or no room for any text.
    """
    positions = _n_positions(module)
    if asked is None:
        limits = [positions, tokenizer.model_max_length]
        return min(
            (int(n) for n in limits if isinstance(n, (int, float)) and 0 < n < SANE), default=None
        )
    if positions is not None and asked > positions:
        raise ConfigurationError(
            f"--max-length {asked}: the model has positions for {positions} tokens"
        )
    n_special = tokenizer.num_special_tokens_to_add(pair=takes_pairs)
    n_texts = 2 if takes_pairs else 1
    if asked < n_special + n_texts:
        raise ConfigurationError(
            f"--max-length {asked} leaves no room for a text: the tokenizer adds {n_special} "
            f"special tokens, so at least {n_special + n_texts} are needed"
        )
    return asked


def _n_positions(module: nn.Module) -> int | None:
    """What the configuration says, less the rows that a position table keeps for padding."""
    config: Any = module.config
    limit = getattr(config, "max_position_embeddings", None)
    if limit is None:
        limit = getattr(config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    for name, table in module.named_modules():
        if isinstance(table, nn.Embedding) and "position" in name and table.padding_idx is not None:
            return min(limit, table.num_embeddings - table.padding_idx - 1)
    return limit


BLANK = "␣"
"""A blank in a token's name."""

_ESCAPES = {" ": BLANK, "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_OF_PIECES = "▁"
"""A blank in the tokens of SentencePiece."""

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""What SentencePiece calls a byte that is no letter of its own, and a name calls one too."""


def token_names(tokenizer: Any, n_tokens: int) -> tuple[str, ...]:
    r"""A name for each id of a model: unlike any other's, and all of it visible.

    A blank is `␣`, a line break `\n`, and bytes that are no whole character are `<0xE2>`. Tokens
    of the same text have their number behind it; so has an id that no token has, and a token that
    has no text.

    Args:
        n_tokens: Ids that the model has: there may be more than the tokenizer has tokens.
    """
    added = {i: token.content for i, token in tokenizer.added_tokens_decoder.items()}
    strings = dict(enumerate(tokenizer.convert_ids_to_tokens(range(len(tokenizer)))))
    is_of_bytes = _is_of_bytes(tokenizer)
    texts = [
        _visible(added[i]) if i in added else _text(strings.get(i) or "", is_of_bytes=is_of_bytes)
        for i in range(n_tokens)
    ]
    counted = Counter(texts)
    taken = {text for text, n in counted.items() if n == 1 and text}
    names = []
    for i, text in enumerate(texts):
        name = text if text in taken else f"{text}<{i}>"
        while name in taken and name != text:
            name += f"<{i}>"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _is_of_bytes(tokenizer: Any) -> bool:
    """Whether each character of a token stands for a byte, as in GPT-2's."""
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    return any("ByteLevel" in json.dumps(parts[name]) for name in ("pre_tokenizer", "decoder"))


def _text(token: str, *, is_of_bytes: bool) -> str:
    if is_of_bytes and set(token) <= _bytes_by_letter().keys():
        return _visible(bytes(_bytes_by_letter()[c] for c in token).decode("utf-8", _NAMED))
    return _visible(token if _BYTE.fullmatch(token) else token.replace(_OF_PIECES, " "))


def _visible(text: str) -> str:
    return "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escaped(c)) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


@cache
def _bytes_by_letter() -> Mapping[str, int]:
    """The byte that each letter of a token stands for.

    Source: Radford et al. (2019), the code of GPT-2: bytes that can be seen stand for themselves,
    the others are counted from 256 on.
    """
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in seen]
    return {chr(b): b for b in seen} | {chr(0x100 + i): b for i, b in enumerate(others)}


def _named_bytes(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    part = error.object[error.start : error.end]
    return "".join(f"<0x{byte:02X}>" for byte in part), error.end


_NAMED = "attn_audit.named_bytes"
codecs.register_error(_NAMED, _named_bytes)
