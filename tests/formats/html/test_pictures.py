"""Small pictures: every mark inside the frame, every number in words as well."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from attn_audit.document import Hue, Points, SignedEstimate, Sketch, Spread
from attn_audit.formats.html import CELL_WIDTH, LEFT, RIGHT, WIDTH, picture
from attn_audit.statistics.summary import Distribution, Histogram, Interval

SHARES = st.floats(0, 1)


def interval(low: float, high: float) -> Interval:
    return Interval(low=low, high=high, method="wilson")


@given(st.lists(st.tuples(SHARES, SHARES, SHARES).map(sorted), min_size=1, max_size=4))
def test_points_and_their_intervals_stay_inside(numbers: list[list[float]]) -> None:
    rows = tuple(("name", value, interval(low, high), Hue.GRADIENT) for low, value, high in numbers)
    drawn = ElementTree.fromstring(picture(Points(rows, (0.0, 1.0), ("0", "1"), "said")))
    circles = [float(e.get("cx", "")) for e in drawn.iter("circle")]
    spans = [e for e in drawn.iter("line") if e.get("class") == "span gradient"]
    assert len(circles) == len(spans) == len(numbers)
    for at, span in zip(circles, spans, strict=True):
        assert LEFT <= float(span.get("x1", "")) <= at <= float(span.get("x2", "")) <= WIDTH


def test_the_ends_of_an_axis_are_written_at_the_ends_of_its_line() -> None:
    rows = (("name", 1.0, None, Hue.GRADIENT),)
    drawn = ElementTree.fromstring(picture(Points(rows, (0.0, 1.0), ("0%", "100%"), "said")))
    (track,) = (e for e in drawn.iter("line") if e.get("class") == "track")
    first, last = (e for e in drawn.iter("text") if e.get("class") == "end")
    ends = (track.get("x1", ""), track.get("x2", ""))
    assert tuple(map(float, ends)) == (LEFT, RIGHT)
    assert (first.get("x"), last.get("x")) == (str(LEFT), str(RIGHT))
    assert (first.get("text-anchor"), last.get("text-anchor")) == (None, "end")


def test_an_axis_begins_behind_the_longest_name() -> None:
    name = "integrated gradients (size)"
    rows = ((name, 1.0, None, Hue.GRADIENT), ("random", 0.5, None, Hue.GRADIENT))
    drawn = ElementTree.fromstring(picture(Points(rows, (0.0, 1.0), ("0", "1"), "said")))
    tracks = [e for e in drawn.iter("line") if e.get("class") == "track"]
    assert {float(track.get("x1", "")) for track in tracks} == {6 * len(name)}


def distribution(*values: float) -> Distribution:
    """Of numbers from 0 to 1."""
    counts = tuple(sum(int(v * 9.99) == i for v in values) for i in range(10))
    quantiles = dict(
        zip(("q05", "q25", "median", "q75", "q95"), sorted((*values, *values[:1] * 5))[:5],
            strict=True)
    ) if values else {}  # fmt: skip
    mean = sum(values) / len(values) if values else None
    histogram = Histogram(edges=tuple(i / 10 for i in range(11)), counts=counts)
    found = Distribution(
        n=len(values), mean=mean, sd=None, interval=None, minimum=None, maximum=None
    )
    return found.model_copy(update={"histogram": histogram, **quantiles})


@given(st.lists(SHARES, min_size=1, max_size=30))
def test_columns_fill_the_height_and_no_more(values: list[float]) -> None:
    shape = Sketch(distribution(*values), ("0", "1"), "<number>")
    drawn = ElementTree.fromstring(picture(shape))
    columns = list(drawn.iter("rect"))
    bottoms = {round(float(e.get("y", "")) + float(e.get("height", "")), 1) for e in columns}
    assert max(float(e.get("height", "")) for e in columns) == 56
    assert all(abs(bottom - 56) <= 0.1 for bottom in bottoms)
    assert str(drawn.get("aria-label")).startswith("Examples by <number>; mean ")


@given(st.lists(SHARES, min_size=1, max_size=9))
def test_a_spread_stays_in_its_cell_and_is_said(values: list[float]) -> None:
    drawn = ElementTree.fromstring(picture(Spread(distribution(*values), (0.0, 1.0))))
    for line in drawn.iter("line"):
        assert 0 <= float(line.get("x1", "")) <= float(line.get("x2", "")) <= CELL_WIDTH
    assert str(drawn.get("aria-label")).startswith("middle half ")


@given(st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted))
def test_a_change_stays_in_its_cell(ends: list[float]) -> None:
    low, high = ends
    reach = max(abs(low), abs(high), 1e-12)
    drawn = ElementTree.fromstring(
        picture(SignedEstimate((low + high) / 2, interval(low, high), reach))
    )
    places = [float(line.get(x, "")) for line in drawn.iter("line") for x in ("x1", "x2")]
    assert 0 <= min(places) <= max(places) <= CELL_WIDTH


def test_without_examples_there_is_no_picture() -> None:
    assert picture(Sketch(distribution(), ("0", "1"), "number")) == ""
    assert picture(Spread(distribution(), (0.0, 1.0))) == ""
