"""Small pictures: every mark inside the frame, every number in words as well."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from attn_audit.formats.html.pictures import LEFT, WIDTH, Point, histogram, points
from attn_audit.results.summary import Interval
from tests.formats.conftest import distribution

SHARES = st.floats(0, 1)


@given(st.lists(st.tuples(SHARES, SHARES, SHARES).map(sorted), min_size=1, max_size=4))
def test_points_and_their_intervals_stay_inside(numbers: list[list[float]]) -> None:
    rows = [
        Point("name", value, Interval(low=low, high=high, method="wilson"), "gradient")
        for low, value, high in numbers
    ]
    picture = ElementTree.fromstring(points(rows, (0.0, 1.0), ("0", "1"), "said"))
    circles = [float(e.get("cx", "")) for e in picture.iter("circle")]
    spans = [e for e in picture.iter("line") if e.get("class") == "span gradient"]
    assert len(circles) == len(spans) == len(numbers)
    for at, span in zip(circles, spans, strict=True):
        assert LEFT <= float(span.get("x1", "")) <= at <= float(span.get("x2", "")) <= WIDTH


@given(st.lists(SHARES, min_size=1, max_size=30))
def test_columns_fill_the_height_and_no_more(values: list[float]) -> None:
    picture = ElementTree.fromstring(histogram(distribution(values), ("0", "1"), "<number>"))
    columns = list(picture.iter("rect"))
    bottoms = {round(float(e.get("y", "")) + float(e.get("height", "")), 1) for e in columns}
    assert max(float(e.get("height", "")) for e in columns) == 56
    assert all(abs(bottom - 56) <= 0.1 for bottom in bottoms)
    assert str(picture.get("aria-label")).startswith("Examples by <number>; mean ")


def test_without_examples_there_is_no_picture() -> None:
    assert histogram(distribution([]), ("0", "1"), "number") == ""
