"""Which examples are computed again in full: a random tenth, always the same for the same files."""

import hashlib
import math
from collections.abc import Sequence

SHARE = 0.1


def chosen(ids: Sequence[str], records_sha256: str, seed: int) -> frozenset[str]:
    """A tenth of the examples, and at least one.

    The draw depends on the records' own hash: whoever edits a record draws another tenth, and
    cannot place the edit outside of it beforehand.

    Args:
        ids: Of all examples.
        records_sha256: Of the records file.
        seed: Another seed, another tenth.
    """
    n = math.ceil(SHARE * len(ids))
    prefix = f"verify\0{records_sha256}\0{seed}\0"
    return frozenset(sorted(ids, key=lambda one: _hash(prefix + one))[:n])


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
