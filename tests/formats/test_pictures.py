"""Pictures of distributions have the right shape in whatever characters there are."""

import pytest
from attn_audit.formats.pictures import ASCII, UNICODE, Ink, axis, columns, place, strip

from attn_audit.results.summary import Distribution, Histogram


def spread(*quantiles: float) -> Distribution:
    named = dict(zip(("0.05", "0.25", "0.5", "0.75", "0.95"), quantiles, strict=True))
    return Distribution(n=9, mean=0.5, sd=0.1, interval=None, minimum=0, quantiles=named, maximum=1)


HISTOGRAM = Histogram(edges=(0, 0.25, 0.5, 0.75, 1), counts=(0, 1, 1000, 500))


@pytest.mark.parametrize("ink", [UNICODE, ASCII])
def test_a_single_example_is_still_seen(ink: Ink) -> None:
    bottom = columns(HISTOGRAM, 3, 4, ink, 1000.0)[-1]
    assert bottom[0] == " "
    assert bottom[1] == ink.levels[1]


def test_the_fullest_bin_reaches_the_top() -> None:
    assert columns(HISTOGRAM, 3, 4, UNICODE, 1000.0) == ["  █ ", "  █▄", " ▁██"]


def test_bins_are_equally_wide_and_never_narrower_than_a_column() -> None:
    assert columns(HISTOGRAM, 1, 11, UNICODE, 1000.0) == ["  ▁▁██▄▄"]
    assert columns(HISTOGRAM, 1, 2, UNICODE, 1000.0) == [" ▁█▄"]


def test_an_empty_histogram_is_blank() -> None:
    assert columns(Histogram(edges=(0, 1), counts=(0,)), 1, 3, UNICODE, 0.0) == ["   "]


def test_places_follow_bins_of_unequal_size() -> None:
    assert [place(v, (0.0, 1.0, 10.0, 100.0), 30) for v in (-5.0, 1.0, 5.5, 100.0, 1e9)] == [
        0,
        10,
        15,
        30,
        30,
    ]


def test_the_axis_names_its_ends() -> None:
    line, names = axis((-1.0, 0.0, 1.0), 20, (-1.0, 0.0, 1.0), UNICODE)
    assert line == "┬─────────┬─────────┬"
    assert names.split() == ["-1", "0", "1"]
    assert len(names) <= len(line)


def test_a_strip_of_equal_values_is_its_median() -> None:
    assert strip(spread(0.5, 0.5, 0.5, 0.5, 0.5), 0.0, 1.0, 11, UNICODE) == "     ┿     "


def test_a_strip_stays_within_its_width() -> None:
    drawn = strip(spread(-3.0, 0.0, 0.2, 1.0, 7.0), 0.0, 1.0, 10, ASCII)
    assert drawn == "==O======="


def test_a_strip_without_examples_is_empty() -> None:
    nothing = spread(0.0, 0.0, 0.0, 0.0, 0.0).model_copy(update={"n": 0, "quantiles": {}})
    assert strip(nothing, 0.0, 1.0, 10, UNICODE) == ""
