"""Models whose truth is built in, by formula, and whether the packaged rules see it.

Their words and texts are made up: nothing of them is from any data, all is drawn.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attn_audit.api import audit
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.task import TaskKind
from attn_audit.results.answers import SelfTest, TriedCase
from attn_audit.results.verdict import Answer, MayShow

N_WORDS = 240

N_TEXTS = 160
"""Somewhat more than the least that the rules believe."""

LENGTHS = 8, 16

FITTING = 0.55
"""Share of a text's words that are drawn from those of its topics."""

PADDING, UNKNOWN_WORD = 0, 1
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
        draw = Random(n_topics)
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
        return {word: i for i, word in enumerate(self.words, UNKNOWN_WORD + 1)}

    def texts(self, *, with_players: float, has_several: bool = False) -> list[Row]:
        """Labelled texts.

        Args:
            with_players: Share of the texts that one of the two words stands in.
            has_several: Whether a text may be of two topics.
        """
        draw, n_topics = Random(N_TEXTS), max(self.topics) + 1
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


VALUE = 8.0
"""What words of size 1 make a logit."""

FOCUS = 4.0
"""How much the attention of a text keeps to its strongest words."""

ON = 2.0
"""What a logit needs to be on, where labels do not compete."""

NO_ATTENTION = -60.0


@dataclass(frozen=True)
class WordFeatures:
    """What a model knows of the words of a batch."""

    value: Float[Tensor, "batch unit label"]
    """For which labels each speaks; looked up in the embedding, as `one` is."""
    one: Float[Tensor, "batch unit 1"]
    is_word: Bool[Tensor, "batch unit 1"]
    size: Float[Tensor, "batch unit 1"]
    """By how much it speaks."""
    noise: Float[Tensor, "batch unit 1"]
    """A random number of the word."""
    part: Float[Tensor, "batch unit label"]
    """1 (or -1) for the label that is a player's, else 0."""

    @property
    def is_player(self) -> Bool[Tensor, "batch unit 1"]:
        """Whether it is one of the two words that play a part."""
        return (self.part != 0).any(dim=-1, keepdim=True)

    @property
    def mean(self) -> Float[Tensor, "batch 1 label"]:
        """Of the values of all words of a text but the players."""
        counted = self.is_word & ~self.is_player
        n = counted.sum(dim=1, keepdim=True).clamp(min=1)
        return (self.value * counted).sum(dim=1, keepdim=True) / n

    def attend(self, scores: Tensor, values: Tensor) -> Float[Tensor, "batch label"]:
        """Values, weighed by attention."""
        weights = scores.masked_fill(~self.is_word, -1e9).squeeze(-1).softmax(dim=-1)
        return (weights.unsqueeze(-1) * values * self.is_word).sum(dim=1)

    def past(self) -> Float[Tensor, "batch label"]:
        """What the players say without being attended to."""
        return (self.part * self.one * self.is_word).sum(dim=1).clamp(-1, 1)


Formula = Callable[[WordFeatures], Float[Tensor, "batch label"]]


class FormulaModel(nn.Module):
    """Logits by a formula of the words."""

    def __init__(
        self, task: TaskKind, vocabulary: Vocabulary, n_topics: int, formula: Formula, scale: float
    ):
        super().__init__()
        n_logits = 1 if task is TaskKind.BINARY else n_topics
        self.formula, self.scale, self.n_logits = formula, scale, n_logits
        self.threshold = ON if task is TaskKind.MULTILABEL else 0.0
        n_ids = UNKNOWN_WORD + 1 + len(vocabulary.words)
        value, part = torch.zeros(n_ids, n_logits), torch.zeros(n_ids, n_logits)
        spoken = zip(vocabulary.topics, vocabulary.sizes, strict=True)
        for i, (topic, size) in enumerate(spoken, UNKNOWN_WORD + 1):
            value[i] = size * _direction(topic, n_logits)
        for topic in range(len(vocabulary.players)):
            part[UNKNOWN_WORD + 1 + N_WORDS + topic] = _direction(topic, n_logits)
        table = torch.cat([value, torch.ones(n_ids, 1)], dim=1)
        self.embedding = nn.Embedding(n_ids, n_logits + 1, padding_idx=PADDING, _weight=table)
        self.register_buffer("size", value.abs().amax(dim=1, keepdim=True))
        noise = torch.randn(n_ids, 1, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise)
        self.register_buffer("part", part)

    def forward(self, ids: Int[Tensor, "batch unit"]) -> Float[Tensor, "batch label"]:
        """Logits."""
        value, one = self.embedding(ids).split([self.n_logits, 1], dim=-1)
        tables = (self.get_buffer(name)[ids] for name in ("size", "noise", "part"))
        looked_up = WordFeatures(value, one, (ids != PADDING)[..., None], *tables)
        return self.scale * (self.formula(looked_up) - self.threshold)


def _direction(topic: int, n_logits: int) -> Float[Tensor, " label"]:
    """The label of a topic; one sigmoid has the first on its negative side."""
    if n_logits == 1:
        return torch.tensor([2.0 * topic - 1])
    return nn.functional.one_hot(torch.tensor(topic), n_logits).float()


def build(task: TaskKind, n_topics: int, formula: Formula, scale: float) -> CustomModel:
    """A module as a user would bring it."""
    vocabulary = Vocabulary.of(n_topics)
    ids = vocabulary.ids

    def encode(texts: Sequence[Sequence[str]]) -> Int[Tensor, "batch unit"]:
        rows = [torch.tensor([ids.get(word, UNKNOWN_WORD) for word in text]) for text in texts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)

    labels = [str(topic) for topic in range(n_topics)]
    module = FormulaModel(task, vocabulary, n_topics, formula, scale)
    return CustomModel(module, encode, labels, task)


def faithful(x: WordFeatures) -> Tensor:
    """Attention is the only way to the output, and lies on the words that matter."""
    return x.attend(FOCUS * x.size, VALUE * x.value)


def rationale(x: WordFeatures) -> Tensor:
    """The strongest third of the words, evenly; the others are not used."""
    stronger = x.size < x.size.masked_fill(~x.is_word, -1).transpose(1, 2)
    is_chosen = stronger.sum(-1, keepdim=True) < (x.is_word.sum(1, keepdim=True) / 3).ceil()
    return x.attend(3 * FOCUS * is_chosen, VALUE * x.value)


def keyword(x: WordFeatures) -> Tensor:
    """One word decides, and has nearly all attention."""
    return x.attend(2 * FOCUS * x.is_player + 0.1 * x.noise, VALUE * x.part * x.one)


def constant(x: WordFeatures) -> Tensor:
    """All words have the same value: attention cannot matter."""
    return x.attend(FOCUS * x.size, 4 * VALUE * x.mean.expand_as(x.value))


def skip(x: WordFeatures) -> Tensor:
    """Attention ranks words rightly, and the prediction comes past it."""
    return x.attend(FOCUS * x.size, 0.05 * x.value) + 4 * VALUE * x.mean.squeeze(1)


def inverse(x: WordFeatures) -> Tensor:
    """The more a word matters, the less attention it gets, and its value makes up for it."""
    return x.attend(-FOCUS * x.size, VALUE * x.value * torch.exp(2 * FOCUS * x.size))


def hidden(x: WordFeatures) -> Tensor:
    """Two words get no attention and decide past it; of the others attention tells the truth."""
    seen = x.attend(FOCUS * x.size + NO_ATTENTION * x.is_player, VALUE * x.value)
    return seen + VALUE * x.past()


def carrier(x: WordFeatures) -> Tensor:
    """Attention lies on a word that means nothing and carries what the others say."""
    return x.attend(2 * FOCUS * x.is_player, VALUE * torch.where(x.is_player, x.mean, x.value))


def summary(x: WordFeatures) -> Tensor:
    """Attention lies on a word that says thrice what the others say together, and alone nothing."""
    means = 3 * x.mean.expand_as(x.value)
    return x.attend(2 * FOCUS * x.is_player, VALUE * torch.where(x.is_player, means, x.value))


def random(x: WordFeatures) -> Tensor:
    """Attention is the only way to the output, and a random number of each word."""
    return x.attend(1.5 * x.noise, VALUE * x.value)


def even(x: WordFeatures) -> Tensor:
    """Attention is as good as the same on all words."""
    return x.attend(0.05 * x.size, VALUE * x.value)


SCALES = 0.1, 10.0
"""Factors on all logits: they change no decision, no ranking and no attention, and so no answer."""

READ_BY_RULES = "correlation,permutation,attended"
"""The checks that the packaged rules read; were one missing, no answer would be right."""

YES, HINT, NO, UNKNOWN = MayShow.YES, MayShow.HINT, MayShow.NO, MayShow.UNKNOWN


@dataclass(frozen=True)
class Case:
    """A model whose truth is built in; the formula's docstring says it."""

    formula: Formula
    right: tuple[MayShow, ...]
    task: TaskKind = TaskKind.BINARY
    n_topics: int = 2
    with_players: float = 0.0
    """Share of the texts with one of the two words that may play a part."""
    is_named: bool = False
    """Whether the answer has to name these two."""

    @property
    def name(self) -> str:
        """As the table has it: `hidden, multiclass`."""
        kind = "" if self.task is TaskKind.BINARY else f", {self.task}"
        return f"{self.formula.__name__}{kind}"

    @property
    def vocabulary(self) -> Vocabulary:
        """Its words."""
        return Vocabulary.of(self.n_topics)

    def texts(self) -> list[Row]:
        """What it is audited on."""
        several = self.task is TaskKind.MULTILABEL
        return self.vocabulary.texts(with_players=self.with_players, has_several=several)

    def answer(self, scale: float) -> Answer:
        """What the packaged rules say, of a module of a user's own."""
        model = build(self.task, self.n_topics, self.formula, scale)
        answer = audit(model, self.texts(), checks=READ_BY_RULES, threads=1).answer
        assert answer is not None, "every audit has one"
        return answer

    def is_right(self, answer: Answer) -> bool:
        """Whether the answer is one of those, and names the words that decide."""
        named = {unit.unit for unit in answer.units}
        return answer.verdict in self.right and (
            not self.is_named or named >= set(self.vocabulary.players)
        )


SOME = 0.35

CASES = (
    Case(faithful, (YES,)),
    Case(rationale, (YES, HINT)),
    Case(keyword, (YES,), with_players=1.0),
    Case(constant, (NO,)),
    Case(skip, (NO,)),
    Case(inverse, (NO,)),
    Case(hidden, (NO,), with_players=SOME, is_named=True),
    Case(carrier, (NO,), with_players=1.0),
    Case(summary, (NO,), with_players=1.0),
    Case(random, (YES, HINT)),
    Case(even, (HINT, NO, UNKNOWN)),
    Case(faithful, (YES,), TaskKind.MULTICLASS, 4),
    Case(hidden, (NO,), TaskKind.MULTICLASS, 4, SOME, is_named=True),
    # One picture for several labels at once: the word that speaks for one speaks against others.
    Case(faithful, (YES, HINT), TaskKind.MULTILABEL, 4),
    Case(hidden, (NO,), TaskKind.MULTILABEL, 4, SOME, is_named=True),
)


def run(on_case: Callable[[str], None] = lambda name: None) -> SelfTest:
    """Try every case."""
    began, tried = time.perf_counter(), []
    rules = ""
    for case in CASES:
        on_case(case.name)
        answers = [case.answer(scale) for scale in SCALES]
        rules = answers[0].rules
        tried.append(
            TriedCase(
                name=case.name,
                truth=case.formula.__doc__ or "",
                right=case.right,
                must_name=case.vocabulary.players if case.is_named else (),
                scales=SCALES,
                found=tuple(answer.verdict for answer in answers),
                sentence=answers[0].sentence,
                is_right=all(map(case.is_right, answers)),
            )
        )
    return SelfTest(rules=rules, cases=tuple(tried), seconds=time.perf_counter() - began)
