"""Made-up words, and texts of them: nothing of it is from any data, all is drawn."""

import random
from dataclasses import dataclass
from itertools import product

N_WORDS = 240

N_TEXTS = 160
"""Somewhat more than the least that the rules believe."""

LENGTHS = 8, 16

FITTING = 0.55
"""Share of a text's words that are drawn from those of its topics."""

PADDING, UNKNOWN = 0, 1
"""Ids that are no word's."""

Row = dict[str, object]


@dataclass(frozen=True)
class Vocabulary:
    """Words that each speak for one topic, some more and some less, and two that can play a part.

    Words and sizes are drawn from the number of topics, and the same each time.
    """

    words: tuple[str, ...]
    """The two that play a part are the last."""
    topics: tuple[int, ...]
    """Of each of the others, the topic that it speaks for."""
    sizes: tuple[float, ...]
    """By how much."""

    @staticmethod
    def of(n_topics: int) -> "Vocabulary":
        """One of so many topics."""
        draw = random.Random(n_topics)
        syllables = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiou")]
        words = draw.sample(["".join(pair) for pair in product(syllables, repeat=2)], N_WORDS + 2)
        topics = tuple(i % n_topics for i in range(N_WORDS))
        sizes = tuple(0.1 + 1.4 * draw.random() ** 3 for _ in topics)  # most say little
        return Vocabulary(tuple(words), topics, sizes)

    @property
    def players(self) -> tuple[str, ...]:
        """Two words that speak for no topic, but that a model may give a part of their own."""
        return self.words[N_WORDS:]

    @property
    def ids(self) -> dict[str, int]:
        """What a model looks words up by."""
        return {word: i for i, word in enumerate(self.words, UNKNOWN + 1)}

    def texts(self, *, with_players: float, has_several: bool = False) -> list[Row]:
        """Labelled texts.

        Args:
            with_players: Share of the texts that one of the two words stands in.
            has_several: Whether a text may be of two topics.
        """
        draw, n_topics = random.Random(N_TEXTS), max(self.topics) + 1
        rows: list[Row] = []
        for i in range(N_TEXTS):
            own = sorted(
                {i % n_topics, draw.randrange(n_topics)} if has_several else {i % n_topics}
            )
            fitting = [word for word, of in zip(self.words, self.topics, strict=False) if of in own]
            words = [
                draw.choice(fitting if draw.random() < FITTING else self.words[:N_WORDS])
                for _ in range(draw.randint(*LENGTHS))
            ]
            if draw.random() < with_players:
                words[draw.randrange(len(words))] = draw.choice(self.players)
            labels = [str(topic) for topic in own]
            label = {"labels": labels} if has_several else {"label": labels[0]}
            rows.append({"id": f"text-{i:03}", "text": " ".join(words), **label})
        return rows
