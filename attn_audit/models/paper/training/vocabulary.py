"""Which tokens a model knows."""

from collections import Counter
from collections.abc import Iterable, Sequence

from attn_audit.models.paper.architecture import MARKERS, Vocabulary


def build_vocabulary(
    texts: Iterable[Sequence[str]], min_count: int, max_size: int | None
) -> Vocabulary:
    """The tokens that occur often enough, the most frequent first, ties by first occurrence.

    Args:
        texts: The training texts as tokens.
        min_count: How often a token must occur.
        max_size: How many tokens at most, markers not counted; None for all.

    Returns:
        The four markers and then the tokens; a token that spells a marker stays unknown.

    Example:
        >>> build_vocabulary([["a", "fine", "film"], ["a", "film"]], 2, None).tokens[4:]
        ('a', 'film')
    """
    counts = Counter(token for text in texts for token in text)
    frequent = [
        token
        for token, count in counts.most_common()  # stable: ties stay in order of occurrence
        if count >= min_count and token not in MARKERS
    ]
    return Vocabulary([*MARKERS, *frequent[:max_size]])
