"""What data alone says of the scores that a product shows: people beside them, and each other."""

from attn_audit.statistics.summary import Distribution, Value


class Plausible(Value):
    """Agreement with what people marked, over the texts in which they marked something."""

    auprc: Distribution
    """Average precision."""
    token_f1: Distribution
    """Of as many words as are marked, those with the largest scores."""
    iou: Distribution
    gap: Distribution | None
    """Average precision less that of random orders, text by text; None of these themselves."""


class ShownField(Value):
    """One field of scores."""

    field: str
    n: int
    """Texts that it ranks the words of."""
    n_absent: int
    """Texts that came without it."""
    n_constant: int
    """Texts of which all words have the same score, so that nothing is ranked."""
    plausible: Plausible | None
    """None where people marked nothing in any text that it ranks."""


class ShownPair(Value):
    """Two fields, over the texts of which both rank the words."""

    first: str
    second: str
    tau: Distribution
    """Kendall's tau-b between them: 1 the same order, 0 unrelated, -1 reversed."""
    same_top: Distribution
    """Of the words that have the largest score of either, the part that has it of both."""


class ShownScores(Value):
    """Fields of scores, without any model: no word of whether a model uses what they show."""

    data: str
    sha256: str | None
    """Of the data; None in memory and for standard input."""
    n_texts: int
    n_single: int
    """Of them, those of one word, in which there is nothing to rank."""
    n_marked: int
    """Texts of several words in which people marked some."""
    left_out: tuple[str, ...]
    """Rows that could not be read, kind by kind."""
    seed: int
    """Of the intervals' resamples."""
    fields: tuple[ShownField, ...]
    by_chance: Plausible | None
    """What is to be expected of random orders; None where people marked nothing."""
    pairs: tuple[ShownPair, ...]
