import math
from collections.abc import Callable

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import DataError
from attn_audit.models.paper.training.corpus import build_corpus, tokenize
from attn_audit.models.paper.training.loop import TrainedModel
from attn_audit.models.paper.training.scoring import (
    EpochResult,
    corpus_logits,
    loss_of,
    score_of,
    should_stop,
)
from attn_audit.models.task import Binary, Candidates, Multiclass, Multilabel

LABELS = ("a", "b", "c")


def gold_of(*rows: str) -> torch.Tensor:
    return torch.tensor([[name in row for name in LABELS] for row in rows])


def test_both_labels_of_a_binary_task_count_the_same_in_total() -> None:
    gold = torch.tensor([[True, False]] * 3 + [[False, True]])
    loss = loss_of(Binary(("no", "yes")), gold)
    undecided = torch.zeros(4, 1)
    assert loss(undecided[:3], gold[:3]).item() == pytest.approx(3 * math.log(2))
    assert loss(undecided[3:], gold[3:]).item() == pytest.approx(3 * math.log(2))


def test_several_labels_are_averaged_and_examples_summed() -> None:
    gold = gold_of("a", "abc")
    loss = loss_of(Multilabel(LABELS), gold)
    assert loss(torch.zeros(2, 3), gold).item() == pytest.approx(2 * math.log(2))


def test_competing_labels_share_the_probability() -> None:
    gold = gold_of("b", "c")
    loss = loss_of(Multiclass(LABELS), gold)
    assert loss(torch.zeros(2, 3), gold).item() == pytest.approx(2 * math.log(3))


def test_what_is_no_candidate_costs_nothing() -> None:
    gold = gold_of("b")
    loss = loss_of(Candidates(LABELS), gold)
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    assert loss(logits, gold).item() == pytest.approx(math.log(2))


BINARY = Binary(("no", "yes"))
MULTILABEL = Multilabel(("a", "b", "c"))
MULTICLASS = Multiclass(("a", "b", "c"))


def test_a_binary_score_is_how_often_yes_ranks_above_no() -> None:
    gold = torch.tensor([[True, False], [True, False], [False, True], [False, True]])
    assert score_of(torch.tensor([[0.1], [0.4], [0.3], [0.9]]), gold, BINARY) == 0.75


def test_a_multilabel_score_leaves_labels_out_that_have_no_curve() -> None:
    gold = torch.tensor([[True, False, True], [False, True, True]])
    logits = torch.tensor([[0.9, 0.9, 0.0], [0.1, 0.1, 0.0]])
    assert score_of(logits, gold, MULTILABEL) == 0.5


def test_a_multiclass_score_is_accuracy() -> None:
    logits = torch.tensor([[0.1, 0.4, 0.3], [0.9, 0.1, -torch.inf]])
    gold = torch.tensor([[False, True, False], [False, True, False]])
    assert score_of(logits, gold, MULTICLASS) == 0.5


def test_one_class_alone_has_no_score() -> None:
    with pytest.raises(DataError, match="ROC AUC is undefined"):
        score_of(torch.zeros(2, 1), torch.tensor([[True, False]] * 2), BINARY)


def test_logits_come_in_the_order_of_the_examples(
    make_examples: Callable[..., list[Example]], train_on: Callable[..., TrainedModel]
) -> None:
    examples = make_examples(30)
    model = train_on(examples, examples, epochs=1)
    texts = [tokenize(model.settings.tokenizer, example.text) for example in examples]
    corpus = build_corpus(examples, texts, None, model.vocabulary, model.task, torch.device("cpu"))
    with torch.no_grad():
        alone = [corpus.logits(model.network, torch.tensor([i])) for i in range(len(examples))]
    torch.testing.assert_close(corpus_logits(model.network, corpus), torch.cat(alone))


def epochs(*scores_and_losses: tuple[float, float]) -> list[EpochResult]:
    return [
        EpochResult(i, 1.0, loss, score, "accuracy", is_best=False)
        for i, (score, loss) in enumerate(scores_and_losses, start=1)
    ]


def test_goes_on_before_the_first_epoch() -> None:
    assert not should_stop([], patience=1)


def test_stops_after_so_many_epochs_without_progress() -> None:
    history = epochs((0.5, 1.0), (0.6, 0.9), (0.6, 0.9), (0.5, 1.2), (0.55, 1.3))
    assert [should_stop(history[:n], patience=3) for n in range(1, 6)] == [False] * 4 + [True]


def test_a_falling_loss_is_progress() -> None:
    history = epochs((0.5, 1.0), (0.4, 0.9), (0.4, 0.8), (0.4, 0.7))
    assert not should_stop(history, patience=1)


def test_a_rising_score_is_progress() -> None:
    history = epochs((0.5, 1.0), (0.6, 1.1), (0.7, 1.2))
    assert not should_stop(history, patience=1)


def test_nothing_is_better_than_perfect() -> None:
    assert should_stop(epochs((1.0, 0.1)), patience=9)
