"""One text of a data set; a few of many, at random or for a trial; pieces of many."""

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from operator import itemgetter

from attn_audit.data.labels import Labelling
from attn_audit.data.prompts import Chat
from attn_audit.data.spans import Scores, Span
from attn_audit.errors import ConfigurationError
from attn_audit.settings import AuditedTexts


@dataclass(frozen=True, slots=True)
class Example:
    """A text to audit, as the data set gave it."""

    id: str
    """Unique within the data set; a hash of content and occurrence where the data has none."""

    text: str
    """The first or only one; never blank."""

    text_pair: str | None = None
    """The second text of a pair (question, hypothesis), or None for single texts."""

    labels: tuple[str, ...] | None = None
    """Gold labels: one, or for multilabel tasks any number; None when unknown."""

    candidates: tuple[str, ...] | None = None
    """The answers that may be given, where the data restricts them."""

    where: str = ""
    """File and line (`test.jsonl:17`) for messages."""

    on: tuple[int, ...] | None = None
    """Which places of a list of labels are 1, where the data set's lists may be multi-hot; whether
    they are depends on how many labels the model has."""

    labelling: Labelling = field(default=Labelling(), compare=False, repr=False)
    """What the whole data set says of its labels."""

    rationale: tuple[Span, ...] = ()
    """What people marked as the reason for its label; empty where nobody did."""

    rationale_pair: tuple[Span, ...] = field(default=(), kw_only=True)
    """What they marked in the second text."""

    shown: Mapping[str, Scores] = field(default_factory=dict, hash=False)
    """Scores that a product shows of it, by the field that they stand in."""

    fields: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Other fields of its row that a prompt names."""

    chat: Chat | None = field(default=None, kw_only=True)
    """The messages of which the text is one; None: it is no message."""


def sample_examples(examples: Iterable[Example], limit: int, seed: int) -> list[Example]:
    """At most `limit` examples at random, in the data's order.

    Those whose hash of seed and id is smallest: a function of the set of examples alone, and a
    larger limit adds to a smaller one's sample. Only `limit` examples are in memory at a time.

    Raises:
        ConfigurationError: `limit` is below 1.
    """
    if limit < 1:
        raise ConfigurationError(f"a sample needs at least 1 example, not {limit}")

    def drawn(entry: tuple[int, Example]) -> bytes:
        return hashlib.blake2b(f"{seed}:{entry[1].id}".encode(), digest_size=16).digest()

    chosen = heapq.nsmallest(limit, enumerate(examples), key=drawn)
    return [example for _, example in sorted(chosen, key=itemgetter(0))]


def is_judged(example_id: str) -> bool:
    """Whether a text is of the half that is judged where the other half chooses, by hash of its id.

    Example:
        >>> [is_judged(name) for name in ("a", "b", "c", "d")]
        [False, False, True, True]
    """
    return hashlib.blake2b(f"half:{example_id}".encode(), digest_size=1).digest()[0] < 128


N_SEARCHED = 256
"""Examples at the beginning, among which texts are sought that tell what those of the trial do
not."""

N_SHORT = 2
"""Of the shortest; one that is longer comes with them."""

TIMES_AS_LONG = 2.0
"""How much longer: characters tell little of tokens where lengths are nearly the same."""

MIN_CHARACTERS = 24
"""Of what attention is read over: less may be one or two units, which tell little."""


def choose_trial(
    examples: Sequence[Example], audited: AuditedTexts = "first"
) -> tuple[Example, ...]:
    """A few texts: two of the shortest that tell something, and one that is clearly longer.

    The trial of a transformer takes some 30 passes: how long its texts are decides how soon the
    audit begins, and that they differ is what shows its padding.
    """

    def n_audited(example: Example) -> int:
        if audited == "both":
            return _n_characters(example)
        return len(example.text if audited == "first" else example.text_pair or "")

    telling = [e for e in examples if n_audited(e) >= MIN_CHARACTERS]
    if len(telling) <= N_SHORT:
        telling = sorted(examples, key=n_audited)[-N_SHORT - 1 :]
    ordered = sorted(telling, key=_n_characters)
    short, others = ordered[:N_SHORT], ordered[N_SHORT:]
    if not others:
        return tuple(short)
    enough = TIMES_AS_LONG * _n_characters(short[0])
    longer = next((e for e in others if _n_characters(e) >= enough), others[-1])
    return (*short, longer)


def _n_characters(example: Example) -> int:
    return len(example.text) + len(example.text_pair or "")


def shards(examples: Iterable[Example], size: int, max_characters: int) -> Iterator[list[Example]]:
    """Consecutive examples, as many as are in memory together; a very long one stands alone.

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"a shard needs at least 1 example, not {size}")
    shard: list[Example] = []
    characters = 0
    for example in examples:
        length = len(example.text) + len(example.text_pair or "")
        if shard and (len(shard) == size or characters + length > max_characters):
            yield shard
            shard, characters = [], 0
        shard.append(example)
        characters += length
    if shard:
        yield shard


def length_batches(
    lengths: Sequence[int], batch_size: int, max_tokens: int, *, max_ratio: float = inf
) -> list[list[int]]:
    """Indices of examples in batches of similar length, so that little of a batch is padding.

    From short to long, equal lengths in their own order; a batch is full when one more example
    would make it larger than `batch_size`, or larger than `max_tokens` once padded.

    Args:
        max_tokens: How many tokens it may hold, padding included; a longer example stands alone.
        max_ratio: The longest of a batch over its shortest, at most; 1: nothing may be padded.

    Returns:
        Every index exactly once, in batches of at least one.

    Raises:
        ValueError: `batch_size` is below 1.

    Example:
        >>> length_batches([9, 2, 3, 2], batch_size=2, max_tokens=16)
        [[1, 3], [2], [0]]
    """
    if batch_size < 1:
        raise ValueError(f"a batch needs at least 1 example, not {batch_size}")
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        last = batches[-1] if batches else []
        fits = len(last) < batch_size and (len(last) + 1) * lengths[index] <= max_tokens
        if last and fits and lengths[index] <= max_ratio * lengths[last[0]]:
            last.append(index)
        else:
            batches.append([index])
    return batches
