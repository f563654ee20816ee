"""Ids of examples: the data set's own, or a hash of the content where it has none."""

import hashlib
import json

from attn_audit.data.hash_map import HashMap
from attn_audit.data.quoting import quoted
from attn_audit.data.rows import Row


class Identities:
    """Every id given out so far, kept as 64-bit hashes."""

    def __init__(self) -> None:
        self._first_row = HashMap()
        self._occurrences = HashMap()

    def claim(self, given: str, row: Row) -> str:
        """The data set's own id, once.

        Raises:
            RowError: An earlier row has it.
        """
        key = _hash(given)
        first = self._first_row.get(key)
        if first is not None:
            problem = f"id {quoted(given)} is also that of {row.place(first)}"
            raise row.error(problem, hint="Ids must be unique; rows without one get a hash.")
        self._first_row.set(key, row.number)
        return given

    def derive(self, text: str, text_pair: str | None, row: Row) -> str:
        """The hash of the content, and which occurrence it is from the second on (`-1`, `-2`).

        Raises:
            RowError: An earlier row has this very id as its own.
        """
        content = content_id(text, text_pair)
        key = _hash(content)
        earlier = self._occurrences.get(key) or 0
        self._occurrences.set(key, earlier + 1)
        return self.claim(f"{content}-{earlier}" if earlier else content, row)


def content_id(text: str, text_pair: str | None) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of an example's content.

    Example:
        >>> content_id("a fine film", None)
        '6b0e87495d4c3943'
    """
    content = json.dumps([text, text_pair])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
