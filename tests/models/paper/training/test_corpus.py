import pytest
import torch

from attn_audit.data.example import Example
from attn_audit.errors import RowError
from attn_audit.models.paper.architecture import MARKERS, Tokenizer, Vocabulary
from attn_audit.models.paper.training.corpus import build_corpus, build_vocabulary, tokenize
from attn_audit.models.task import Candidates, Multilabel

TEXTS = [["b", "a", "c"], ["a", "b", "d"], ["a", "e"]]


def test_rare_tokens_are_left_out() -> None:
    assert build_vocabulary(TEXTS, 2, None).tokens == (*MARKERS, "a", "b")


def test_the_most_frequent_are_kept_and_ties_go_to_the_first() -> None:
    assert build_vocabulary(TEXTS, 1, 3).tokens == (*MARKERS, "a", "b", "c")


def test_markers_in_the_text_do_not_enter() -> None:
    assert build_vocabulary([["<UNK>", "<0>", "a"]], 1, None).tokens == (*MARKERS, "a")


CPU = torch.device("cpu")
VOCABULARY = Vocabulary([*MARKERS, "a", "b"])
TASK = Candidates(("x", "y", "z"))
EXAMPLES = [
    Example("1", "a", "b", ("y",), ("x", "y")),
    Example("2", "b a c", "", ("z",)),
]


def test_texts_are_padded_to_the_longest_of_the_batch() -> None:
    texts = [tokenize(Tokenizer.WORDS, example.text) for example in EXAMPLES]
    corpus = build_corpus(EXAMPLES, texts, None, VOCABULARY, TASK, CPU)
    ids, lengths = corpus.texts.padded(torch.tensor([1, 0]))
    assert ids.tolist() == [[2, 5, 4, 1, 3], [2, 4, 3, 0, 0]]
    assert lengths.tolist() == [5, 3]
    assert corpus.texts.padded(torch.tensor([0]))[0].tolist() == [[2, 4, 3]]


def test_labels_and_candidates_are_marked() -> None:
    texts = [("a",), ("b",)]
    corpus = build_corpus(EXAMPLES, texts, texts, VOCABULARY, TASK, CPU)
    assert corpus.gold.tolist() == [[False, True, False], [False, False, True]]
    assert corpus.allowed is not None
    assert corpus.allowed.tolist() == [[True, True, False], [True, True, True]]


def test_candidates_do_not_count_where_outputs_do_not_compete() -> None:
    task = Multilabel(TASK.labels)
    assert build_corpus(EXAMPLES, [("a",)] * 2, None, VOCABULARY, task, CPU).allowed is None


def test_examples_without_any_label_are_marked_with_none() -> None:
    task = Multilabel(TASK.labels)
    corpus = build_corpus([Example("1", "a", None, ())], [("a",)], None, VOCABULARY, task, CPU)
    assert corpus.gold.tolist() == [[False, False, False]]


def test_a_text_without_tokens_is_named() -> None:
    with pytest.raises(RowError, match="example '2': the text has no token"):
        build_corpus(EXAMPLES, [("a",), ()], None, VOCABULARY, TASK, CPU)


def test_a_second_text_may_be_empty() -> None:
    corpus = build_corpus(EXAMPLES, [("a",)] * 2, [("a",), ()], VOCABULARY, TASK, CPU)
    assert corpus.pairs is not None
    assert corpus.pairs.padded(torch.tensor([1]))[0].tolist() == [[2, 3]]
