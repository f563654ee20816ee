"""The self-test's models are what it says of them, and a wrong answer does not pass."""

from functools import cache

import pytest
import torch

from attn_audit import selftest as models
from attn_audit.models.task import TaskKind
from attn_audit.results.verdict import Answer, CountedUnit, MayShow
from attn_audit.selftest import CASES, LENGTHS, N_TEXTS, SCALES, Case, Vocabulary

QUICK = [case for case in CASES if case.name in ("faithful", "hidden")]


@cache
def answer_of(case: Case, scale: float) -> Answer:
    return case.answer(scale)


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", QUICK, ids=named)
def test_an_answer_is_right_at_the_ends_of_the_scale(case: Case) -> None:
    for scale in SCALES:
        assert case.is_right(answer_of(case, scale))


def test_a_wrong_answer_is_not_right() -> None:
    answer = next(case for case in CASES if case.name == "constant").answer(1.0)
    assert answer.verdict is MayShow.NO
    assert not Case(models.constant, (MayShow.YES, MayShow.HINT)).is_right(answer)


def test_an_answer_has_to_name_the_words_that_decide() -> None:
    case = next(case for case in QUICK if case.is_named)
    answer = answer_of(case, SCALES[0])
    assert case.is_right(answer)
    assert not case.is_right(answer.model_copy(update={"units": answer.units[:1]}))
    others = tuple(CountedUnit(unit=word, n=9) for word in case.vocabulary.words[:2])
    assert not case.is_right(answer.model_copy(update={"units": others}))


def test_scales_span_what_an_answer_must_not_hang_on() -> None:
    assert (min(SCALES), max(SCALES)) == (0.1, 10.0)


@pytest.mark.parametrize("n_topics", [2, 4])
def test_texts_are_the_same_each_time_and_of_known_words(n_topics: int) -> None:
    vocabulary = Vocabulary.of(n_topics)
    texts = vocabulary.texts(with_players=0.5)
    assert texts == Vocabulary.of(n_topics).texts(with_players=0.5)
    assert len(texts) == N_TEXTS
    for row in texts:
        words = str(row["text"]).split()
        assert LENGTHS[0] <= len(words) <= LENGTHS[1]
        assert set(words) <= set(vocabulary.words)


@pytest.mark.parametrize("with_players", [0.0, 1.0])
def test_a_player_stands_in_the_share_of_the_texts_that_was_asked_for(with_players: float) -> None:
    vocabulary = Vocabulary.of(2)
    for row in vocabulary.texts(with_players=with_players):
        players = [word for word in str(row["text"]).split() if word in vocabulary.players]
        assert len(players) == with_players


def test_nothing_is_of_the_shared_cases() -> None:
    assert len(CASES) == len({case.name for case in CASES})
    assert not {"film", "movie"} & set(Vocabulary.of(2).words)


def test_hidden_words_have_no_attention_and_decide() -> None:
    vocabulary = Vocabulary.of(2)
    model = models.build(TaskKind.BINARY, 2, models.hidden, 1.0)
    plain = vocabulary.words[0]
    without, low, high = (
        model.module(model.encode([[plain, *rest]])).item()
        for rest in ([], [vocabulary.players[0]], [vocabulary.players[1]])
    )
    assert low == pytest.approx(without - models.VALUE, abs=1e-5)
    assert high == pytest.approx(without + models.VALUE, abs=1e-5)


def test_a_scale_multiplies_the_logits() -> None:
    ids = torch.tensor([[2, 3, 4]])
    small, large = (
        models.build(TaskKind.MULTILABEL, 4, models.faithful, scale).module(ids)
        for scale in (1.0, 3.0)
    )
    assert torch.allclose(3 * small, large)
