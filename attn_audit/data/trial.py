"""The few texts that a model is tried out on before it is audited."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from attn_audit.data.example import Example

N_PEEKED = 32
"""Examples at the beginning of the data, among which the texts of the trial are chosen."""

N_SEARCHED = 256
"""Examples at the beginning, among which texts are sought that tell what those of the trial do
not."""

N_SHORT = 2
"""Of the shortest; one that is longer comes with them."""

TIMES_AS_LONG = 2.0
"""How much longer: characters tell little of tokens where lengths are nearly the same."""

MIN_CHARACTERS = 24
"""Of what attention is read over: less may be one or two units, which tell little."""


class Peekable:
    """Examples of which the first can be looked at before they are read."""

    def __init__(self, examples: Iterable[Example]) -> None:
        self._rest = self._counted(examples)
        self._seen = deque[Example]()
        self._n_read, self._is_at_end = 0, False

    @property
    def number(self) -> int | None:
        """How many there are; None before the last was read."""
        return self._n_read if self._is_at_end else None

    def _counted(self, examples: Iterable[Example]) -> Iterator[Example]:
        for example in examples:
            self._n_read += 1
            yield example
        self._is_at_end = True

    def first(self, n: int) -> tuple[Example, ...]:
        """The next ones, at most so many; they are still to be read."""
        self._seen += islice(self._rest, max(0, n - len(self._seen)))
        return tuple(islice(self._seen, n))

    def __iter__(self) -> Iterator[Example]:
        """All that were not read yet, once."""
        while self._seen:
            yield self._seen.popleft()
        yield from self._rest


def choose_trial(examples: Sequence[Example]) -> tuple[Example, ...]:
    """A few texts: two of the shortest that tell something, and one that is clearly longer.

    The trial of a transformer takes some 30 passes: how long its texts are decides how soon the
    audit begins, and that they differ is what shows its padding.

    Args:
        examples: The first of the data.

    Returns:
        Fewer where there are fewer.
    """
    telling = [e for e in examples if len(e.text) >= MIN_CHARACTERS]
    if len(telling) <= N_SHORT:
        telling = sorted(examples, key=lambda e: len(e.text))[-N_SHORT - 1 :]
    ordered = sorted(telling, key=_n_characters)
    short, others = ordered[:N_SHORT], ordered[N_SHORT:]
    if not others:
        return tuple(short)
    enough = TIMES_AS_LONG * _n_characters(short[0])
    longer = next((e for e in others if _n_characters(e) >= enough), others[-1])
    return (*short, longer)


def _n_characters(example: Example) -> int:
    return len(example.text) + len(example.text_pair or "")
