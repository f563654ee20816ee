"""The tokens of a vocabulary by name: their text, so that each can be seen and told from others."""

import codecs
import json
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

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
