"""Each model of known truth, the answers that are right of it, and what the rules answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from attn_audit.api import audit
from attn_audit.models.task import TaskKind
from attn_audit.results.answers import SelfTest, TriedCase
from attn_audit.results.verdict import Answer, MayShow
from attn_audit.selftest import models
from attn_audit.selftest.models import Row, Vocabulary

SCALES = 0.1, 10.0
"""Factors on all logits: they change no decision, no ranking and no attention, and so no answer."""

YES, HINT, NO, UNKNOWN = MayShow.YES, MayShow.HINT, MayShow.NO, MayShow.UNKNOWN


@dataclass(frozen=True)
class Case:
    """A model whose truth is built in; the formula's docstring says it."""

    formula: models.Formula
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
        model = models.build(self.task, self.n_topics, self.formula, scale)
        answer = audit(model, self.texts(), threads=1).answer
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
    Case(models.faithful, (YES,)),
    Case(models.rationale, (YES, HINT)),
    Case(models.keyword, (YES,), with_players=1.0),
    Case(models.constant, (NO,)),
    Case(models.skip, (NO,)),
    Case(models.inverse, (NO,)),
    Case(models.hidden, (NO,), with_players=SOME, is_named=True),
    Case(models.carrier, (NO,), with_players=1.0),
    Case(models.summary, (NO,), with_players=1.0),
    Case(models.random, (YES, HINT)),
    Case(models.even, (HINT, NO, UNKNOWN)),
    Case(models.faithful, (YES,), TaskKind.MULTICLASS, 4),
    Case(models.hidden, (NO,), TaskKind.MULTICLASS, 4, SOME, is_named=True),
    # One picture for several labels at once: the word that speaks for one speaks against others.
    Case(models.faithful, (YES, HINT), TaskKind.MULTILABEL, 4),
    Case(models.hidden, (NO,), TaskKind.MULTILABEL, 4, SOME, is_named=True),
)


def run(on_case: Callable[[str], None] = lambda name: None) -> SelfTest:
    """Try every case.

    Args:
        on_case: Called with the name of each before it is tried.
    """
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
