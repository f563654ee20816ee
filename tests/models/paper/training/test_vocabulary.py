from attn_audit.models.paper.architecture import MARKERS
from attn_audit.models.paper.training.vocabulary import build_vocabulary

TEXTS = [["b", "a", "c"], ["a", "b", "d"], ["a", "e"]]


def test_rare_tokens_are_left_out() -> None:
    assert build_vocabulary(TEXTS, 2, None).tokens == (*MARKERS, "a", "b")


def test_the_most_frequent_are_kept_and_ties_go_to_the_first() -> None:
    assert build_vocabulary(TEXTS, 1, 3).tokens == (*MARKERS, "a", "b", "c")


def test_markers_in_the_text_do_not_enter() -> None:
    assert build_vocabulary([["<UNK>", "<0>", "a"]], 1, None).tokens == (*MARKERS, "a")
