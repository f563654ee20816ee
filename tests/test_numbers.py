"""Numbers say as much as is known, and nothing wrong by rounding."""

import pytest

from attn_audit.numbers import digits, mean, mean_percent, number, percent, points, share
from attn_audit.statistics.summary import Distribution, Interval, Share


def distribution(mean: float | None, low: float = 0.0, high: float = 0.0) -> Distribution:
    interval = Interval(low=low, high=high, method="bootstrap") if high else None
    return Distribution(
        n=0 if mean is None else 5,
        mean=mean,
        sd=None,
        interval=interval,
        minimum=None,
        maximum=None,
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (1e-9, "<0.1%"),
        (0.99951, ">99.9%"),
        (0.9994, "99.9%"),
        (0.5, "50%"),
    ],
)
def test_a_percentage_is_0_or_100_only_where_it_is_exactly(value: float, written: str) -> None:
    assert percent(value) == written


def test_a_number_is_never_negative_zero() -> None:
    assert number(-0.001) == "0.00"


def test_a_mean_without_interval_stands_alone() -> None:
    assert mean(distribution(0.25)) == "0.25"


def test_values_that_are_all_the_same_have_no_interval() -> None:
    assert mean_percent(distribution(1.0, 1.0, 1.0)) == "100%"


def test_what_does_not_exist_is_a_dash() -> None:
    assert mean(distribution(None)) == "-"
    assert mean_percent(distribution(None)) == "-"
    assert points(distribution(None)) == "-"
    assert share(Share(count=0, n=0, share=None, interval=None)) == "-"


@pytest.mark.parametrize(("width", "decimals"), [(0.02, 2), (0.01, 3), (0.001, 4), (0.0, 2)])
def test_narrow_intervals_get_more_decimals(width: float, decimals: int) -> None:
    assert digits(distribution(0.5, 0.5, 0.5 + width)) == decimals


def test_numbers_written_alike_follow_the_narrowest() -> None:
    assert digits(None, distribution(0.5, 0.4, 0.6), distribution(0.5, 0.499, 0.501)) == 3


def test_a_change_of_accuracy_keeps_its_sign() -> None:
    assert points(distribution(0.004, -0.002, 0.01)) == "+0.4 [-0.2, +1.0]"
