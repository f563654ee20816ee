"""A bound in words: nothing is hidden by rounding."""

import pytest
from attn_audit.formats.sentences.bounds import found, name, wanted

from attn_audit.results.summary import Interval
from attn_audit.results.verdict import Judgement
from tests.formats.judging import judgement


@pytest.mark.parametrize(
    ("judged", "asked", "measured"),
    [
        (judgement(), "at least 0.5", "0.38 [0.35, 0.40]"),
        (judgement(direction="max", limit=0.15), "at most 0.15", "0.38 [0.35, 0.40]"),
        (judgement(estimate=0.75, interval=None), "at least 0.5", "0.75"),
        (judgement(estimate=None, interval=None), "at least 0.5", "not measured"),
    ],
)
def test_bound_and_finding_in_words(judged: Judgement, asked: str, measured: str) -> None:
    assert (wanted(judged), found(judged)) == (asked, measured)


@pytest.mark.parametrize(
    ("low", "high"), [(0.331, 0.354), (0.1504, 0.53), (0.1, 0.1499), (0.149, 0.151)]
)
def test_as_many_digits_as_show_the_side_of_the_limit(low: float, high: float) -> None:
    one = judgement(
        direction="max",
        limit=0.15,
        estimate=(low + high) / 2,
        interval=Interval(low=low, high=high, method="bootstrap"),
    )
    written = found(one)
    low_written, high_written = written[written.index("[") + 1 : -1].split(", ")
    assert (float(low_written) > 0.15) == (low > 0.15)
    assert (float(high_written) > 0.15) == (high > 0.15)


def test_almost_all_is_not_written_as_all() -> None:
    covered = judgement(
        metric="min_coverage", check="correlation", estimate=0.9984, interval=None, limit=0.95
    )
    assert found(covered) == "0.998"
    assert name(covered) == "min_coverage (correlation)"


def test_counts_are_whole() -> None:
    few = judgement(metric="min_examples", direction="min", limit=1000, estimate=99, interval=None)
    assert (found(few), wanted(few)) == ("99", "at least 1,000")


def test_what_was_not_measured_says_so() -> None:
    assert found(judgement(estimate=None, interval=None)) == "not measured"
