"""The few texts that a model is tried out on."""

from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data.example import MIN_CHARACTERS, Example, choose_trial


def examples(lengths: list[int]) -> list[Example]:
    return [Example(id=str(i), text="x" * length) for i, length in enumerate(lengths)]


def lengths_of(chosen: tuple[Example, ...]) -> list[int]:
    return [len(example.text) for example in chosen]


def test_two_are_short_and_one_is_clearly_longer() -> None:
    chosen = lengths_of(choose_trial(examples(list(range(100, 29, -1)))))
    assert chosen == [30, 31, 60]


def test_the_longest_comes_with_them_where_none_is_twice_as_long() -> None:
    assert lengths_of(choose_trial(examples([30, 33, 31, 40, 32]))) == [30, 31, 40]


def test_texts_that_may_be_one_word_are_left_out_where_there_are_others() -> None:
    assert lengths_of(choose_trial(examples([1, 2, 3, 30, 40, 50]))) == [30, 40, 50]
    assert lengths_of(choose_trial(examples([1, 2, 3, 4, 30]))) == [3, 4, 30]
    assert lengths_of(choose_trial(examples([1, 2]))) == [1, 2]


def test_both_texts_of_a_pair_count_and_the_first_has_to_tell() -> None:
    long = Example(id="long", text="a" * 30, text_pair="b" * 90)
    mute = Example(id="mute", text="a" * 5, text_pair="b" * 55)
    chosen = choose_trial([long, mute, *examples([30, 40, 55, 60])])
    assert lengths_of(chosen) == [30, 40, 60]


def test_no_examples_give_no_texts() -> None:
    assert choose_trial([]) == ()


@given(st.lists(st.integers(1, 200), max_size=40))
def test_as_many_as_there_are_and_none_twice_and_of_lengths_as_different_as_can_be_had(
    lengths: list[int],
) -> None:
    chosen = choose_trial(examples(lengths))
    assert len(chosen) == min(3, len(lengths))
    assert len({example.id for example in chosen}) == len(chosen)
    telling = [length for length in lengths if length >= MIN_CHARACTERS]
    if len(telling) >= 3:
        found = lengths_of(chosen)
        assert found[0] == min(telling)
        assert found[-1] >= min(2 * found[0], max(telling))
