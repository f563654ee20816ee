from collections.abc import Callable

import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import DataError
from attn_audit.models.paper.training import TrainedModel
from attn_audit.models.paper.training.corpus import build_corpus, tokenize
from attn_audit.models.paper.training.score import corpus_logits, score_of
from attn_audit.models.task import Task, TaskKind

BINARY = Task(TaskKind.BINARY, ("no", "yes"))
MULTILABEL = Task(TaskKind.MULTILABEL, ("a", "b", "c"))
MULTICLASS = Task(TaskKind.MULTICLASS, ("a", "b", "c"))


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
