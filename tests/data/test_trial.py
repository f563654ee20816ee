"""The few texts that a model is tried out on."""

from hypothesis import given
from hypothesis import strategies as st

from attn_audit.data.example import Example
from attn_audit.data.trial import MIN_CHARACTERS, N_TRIAL, choose_trial


def examples(lengths: list[int]) -> list[Example]:
    return [Example(id=str(i), text="x" * length) for i, length in enumerate(lengths)]


def lengths_of(chosen: tuple[Example, ...]) -> list[int]:
    return [len(example.text) for example in chosen]


def test_they_are_short_and_of_different_lengths() -> None:
    chosen = lengths_of(choose_trial(examples(list(range(30, 62)))))
    assert chosen == [30, 32, 34]


def test_texts_that_may_be_one_word_are_left_out_where_there_are_others() -> None:
    assert lengths_of(choose_trial(examples([1, 2, 3, 30, 40, 50]))) == [30, 40, 50]
    assert lengths_of(choose_trial(examples([1, 2, 3, 4, 30]))) == [3, 4, 30]
    assert lengths_of(choose_trial(examples([1, 2]))) == [1, 2]


def test_both_texts_of_a_pair_count_and_the_first_has_to_tell() -> None:
    long = Example(id="long", text="a" * 30, text_pair="b" * 60)
    mute = Example(id="mute", text="a" * 5, text_pair="b" * 30)
    chosen = choose_trial([long, mute, *examples([30, 40, 50, 55, 58])])
    assert lengths_of(chosen) == [30, 40, 50]
    assert long not in chosen


def test_no_examples_give_no_texts() -> None:
    assert choose_trial([]) == ()


@given(st.lists(st.integers(1, 200), max_size=40))
def test_as_many_as_there_are_and_none_twice_and_the_shortest_that_tells_among_them(
    lengths: list[int],
) -> None:
    chosen = choose_trial(examples(lengths))
    assert len(chosen) == min(N_TRIAL, len(lengths))
    assert len({example.id for example in chosen}) == len(chosen)
    telling = [length for length in lengths if length >= MIN_CHARACTERS]
    if len(telling) >= N_TRIAL:
        assert lengths_of(chosen)[0] == min(telling)
        assert lengths_of(chosen)[-1] <= sorted(telling)[max(2, len(telling) // 6 - 1)]
