import gzip
from pathlib import Path

import pytest
import torch
from torch import nn

from attn_audit.data.example import Example
from attn_audit.errors import RowError, UnreadableDataError
from attn_audit.models.paper.checkpoint import MARKERS, Tokenizer, Vocabulary
from attn_audit.models.paper.network import pad
from attn_audit.models.paper.training.data import (
    SPREAD,
    build_corpus,
    build_vocabulary,
    initialise,
    read_vectors,
    tokenize,
)
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
    ids, lengths = pad([corpus.texts[i] for i in (1, 0)], CPU)
    assert ids.tolist() == [[2, 5, 4, 1, 3], [2, 4, 3, 0, 0]]
    assert lengths.tolist() == [5, 3]
    assert pad(corpus.texts[:1], CPU)[0].tolist() == [[2, 4, 3]]


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
    assert corpus.pairs[1].tolist() == [2, 3]


KNOWN = Vocabulary([*MARKERS, "film", "fine", "zebra"])
TEXT = "fine 1 2.5\nother 9 9\nfilm -3e-1 4\n"


def written(folder: Path, text: str, name: str = "vectors.txt") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("header", ["", "3 2\n"], ids=["glove", "word2vec"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"], ids=["plain", "space", "windows"])
def test_words_of_the_vocabulary_are_read(tmp_path: Path, header: str, end: str) -> None:
    vectors = read_vectors(written(tmp_path, header + TEXT.replace("\n", end)), KNOWN)
    assert vectors.ids.tolist() == [4, 5]
    torch.testing.assert_close(vectors.vectors, torch.tensor([[-0.3, 4.0], [1.0, 2.5]]))


def test_a_gzipped_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt.gz"
    file.write_bytes(gzip.compress(TEXT.encode()))
    assert read_vectors(file, KNOWN).ids.tolist() == [4, 5]


def test_a_file_without_our_words_has_no_vectors(tmp_path: Path) -> None:
    vectors = read_vectors(written(tmp_path, "other 1 2\n"), KNOWN)
    assert vectors.vectors.shape == (0, 2)


def test_found_words_are_copied_and_others_keep_their_own(tmp_path: Path) -> None:
    embedding = nn.Embedding(7, 2, padding_idx=0)
    before = embedding.weight.detach().clone()
    vectors = read_vectors(written(tmp_path, TEXT), KNOWN)
    initialise(embedding, vectors)
    torch.testing.assert_close(embedding.weight[4:6], vectors.vectors)
    torch.testing.assert_close(embedding.weight[6], before[6] * vectors.vectors.std())
    assert embedding.weight[0].tolist() == [0, 0]


def test_without_vectors_the_table_has_a_spread_of_its_own() -> None:
    embedding = nn.Embedding(7, 2)
    before = embedding.weight.detach().clone()
    initialise(embedding, None)
    torch.testing.assert_close(embedding.weight.detach(), before * SPREAD)


def test_the_first_of_two_vectors_counts(tmp_path: Path) -> None:
    vectors = read_vectors(written(tmp_path, "fine 1 2\nfine 3 4\n"), KNOWN)
    assert vectors.vectors.tolist() == [[1, 2]]


def test_a_marker_in_the_file_is_not_ours(tmp_path: Path) -> None:
    text = "<UNK> 1 2\n<0> 1 2\nfine 3 4\n"
    assert read_vectors(written(tmp_path, text), KNOWN).ids.tolist() == [5]


def test_words_with_spaces_are_passed_over(tmp_path: Path) -> None:
    text = "film 1 2\n. . . 1 2\nat name@domain.com 1 2\nfine 3 4\n"
    assert read_vectors(written(tmp_path, text), KNOWN).ids.tolist() == [4, 5]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("film 1", "1 numbers after the word instead of 2"),
        ("film 1 2 3", "3 numbers after the word instead of 2"),
        ("", "0 numbers after the word instead of 2"),
        ("film 1 x", "'x' is not a finite number"),
        ("film 1 nan", "'nan' is not a finite number"),
        ("film 1 1e50", "'1e50' is not a finite number"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    file = written(tmp_path, f"fine 1 2\n{line}\nother 3 4\n")
    with pytest.raises(RowError, match=rf"^vectors\.txt:2: .*{problem}"):
        read_vectors(file, KNOWN)


def test_lines_are_counted_with_the_header(tmp_path: Path) -> None:
    with pytest.raises(RowError, match=r"^vectors\.txt:3: "):
        read_vectors(written(tmp_path, "2 2\nfine 1 2\nfilm 1\n"), KNOWN)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no vector"),
        ("word\n", "holds no vector"),
        ("5 2\nfine 1 2\n", "announces 5 vectors and holds 1"),
    ],
)
def test_what_is_no_file_of_vectors_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(UnreadableDataError, match=problem):
        read_vectors(written(tmp_path, text), KNOWN)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDataError, match=r"nowhere\.txt"):
        read_vectors(tmp_path / "nowhere.txt", KNOWN)
