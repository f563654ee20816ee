"""Pictures in characters have the right shape in whatever characters there are."""

from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from attn_audit.document import Place, Places, ShadedText, Weights
from attn_audit.formats.palette import AGAINST_GROUNDS, GROUNDS, SIGNED_GROUNDS
from attn_audit.formats.terminal.charts import (
    axis,
    columns,
    ground,
    place,
    places,
    shaded,
    shaded_words,
    shades,
    step_of,
    strip,
)
from attn_audit.formats.terminal.style import ASCII, UNICODE, Ink, Look, Shading
from attn_audit.numbers import signed
from attn_audit.statistics.summary import Distribution, Histogram

HISTOGRAM = Histogram(edges=(0, 0.25, 0.5, 0.75, 1), counts=(0, 1, 1000, 500))
UNITS = ("a", "terrific", "movie")
WEIGHTS = (0.0, 1.0, 0.25)


def look(shading: Shading = Shading.BARS, width: int = 80) -> Look:
    is_ascii = shading is Shading.ASCII
    return Look(width, "ascii" if is_ascii else "utf-8", ASCII if is_ascii else UNICODE, shading)


def spread(*quantiles: float) -> Distribution:
    named = dict(zip(("q05", "q25", "median", "q75", "q95"), quantiles, strict=True))
    whole = {"n": 9, "mean": 0.5, "sd": 0.1, "interval": None, "minimum": 0.0, "maximum": 1.0}
    return Distribution.model_validate(whole | named)


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
    found = [place(v, (0.0, 1.0, 10.0, 100.0), 30) for v in (-5.0, 1.0, 5.5, 100.0, 1e9)]
    assert found == [0, 10, 15, 30, 30]


def test_the_axis_names_its_ends_and_what_has_room_between() -> None:
    line, names = axis((-1.0, 0.0, 1.0), 20, (-1.0, 0.0, 1.0), UNICODE)
    assert line == "┬─────────┬─────────┬"
    assert names.split() == ["-1", "0", "1"]
    assert len(names) <= len(line)
    _, narrow = axis((0.0, 1.0), 5, (0.0, 0.25, 0.5, 0.75, 1.0), UNICODE)
    assert narrow.split() == ["0", "1"]


def test_a_strip_of_equal_values_is_its_median() -> None:
    assert strip(spread(0.5, 0.5, 0.5, 0.5, 0.5), (0.0, 1.0), 11, UNICODE) == "     ┿     "


def test_a_strip_stays_within_its_width() -> None:
    assert strip(spread(-3.0, 0.0, 0.2, 1.0, 7.0), (0.0, 1.0), 10, ASCII) == "==O======="


def test_a_strip_without_examples_is_empty() -> None:
    nothing = spread(0.0, 0.0, 0.0, 0.0, 0.0).model_copy(update={"n": 0, "median": None})
    assert strip(nothing, (0.0, 1.0), 10, UNICODE) == ""


def lines(units: Any, weights: Any, look_: Look) -> list[str]:
    return [line.plain for line in shaded_words(units, weights, look_)]


def test_bars_stand_under_their_words() -> None:
    assert lines(UNITS, WEIGHTS, look()) == ["a terrific movie", "  ████████ ▂▂▂▂▂"]


def test_ascii_bars_are_ascii() -> None:
    found = lines(("naïve", "x"), (1.0, 0.4), look(Shading.ASCII))
    assert found == [r"na\xefve x", "######## ."]


def test_colour_changes_nothing_but_the_style() -> None:
    (text,) = shaded_words(UNITS, WEIGHTS, look(Shading.COLOUR))
    assert text.plain == "a terrific movie"
    assert [GROUNDS[5] in str(span.style) for span in text.spans] == [True, False]


def test_every_step_is_used_and_the_largest_weight_gets_the_last() -> None:
    levels = (0, 4, 5, 30, 50, 70, 90, 100)
    assert [step_of(level / 100) for level in levels] == [0, 0, 1, 2, 3, 4, 5, 5]


def test_lines_fit_the_width() -> None:
    found = lines(["word"] * 20 + ["w" * 50], [1.0] * 21, look(width=18))
    assert max(map(len, found)) <= 18


def test_no_weight_at_all_is_plain() -> None:
    assert lines(("a", "b"), (0.0, 0.0), look()) == ["a b", ""]
    assert lines((), (), look(Shading.COLOUR)) == [""]


def test_units_are_neither_markup_nor_escapes() -> None:
    found = lines(("[bold]", "\x1b[2J"), (1.0, 1.0), look(Shading.COLOUR))
    assert found == [r"[bold] \x1b[2J"]


def test_long_texts_are_cut_and_say_so() -> None:
    block = ShadedText(("w",) * 200, (Weights("attention", (1 / 200,) * 200),))
    text = "\n".join(line.plain for line in shaded(block, look()))
    assert "... and 80 more units with 40% of the weight" in text


@pytest.mark.parametrize(
    ("options", "shading"),
    [
        ({"color_system": "truecolor"}, Shading.COLOUR),
        ({"color_system": "256"}, Shading.COLOUR),
        ({"color_system": "standard"}, Shading.BARS),
        ({"color_system": "truecolor", "no_color": True}, Shading.BARS),
        ({"color_system": None}, Shading.BARS),
    ],
)
def test_shading_follows_the_console(options: dict[str, Any], shading: Shading) -> None:
    console = Console(file=StringIO(), force_terminal=True, _environ={}, **options)
    assert Look.of(console).shading is shading


def a_grid(means: dict[tuple[int, int], float], limit: float = 0.5) -> Places:
    found = tuple(
        Place(layer, head, mean, None, f"{mean:.2f}", signed(mean))
        for (layer, head), mean in means.items()
    )
    return Places("sites", "Sites", "", (("Tau", "tau", found),), limit)


def drawn(figure: Places, look_: Look) -> list[Text]:
    return list(places(figure, look_))


def test_layers_go_down_and_heads_across_the_last_layer_at_the_bottom() -> None:
    found = drawn(a_grid({(0, 0): 0.5, (0, 1): 0.0, (1, 0): -0.05}), look())
    assert [line.plain.rstrip() for line in found[:4]] == [
        "Tau",
        "  layer     0     1",
        "      0  +.50█  .00",
        "      1  -.05▁",
    ]


@pytest.mark.parametrize(("n_heads", "n_blocks"), [(1, 1), (12, 1), (16, 2), (32, 3)])
def test_heads_that_do_not_fit_80_columns_come_in_blocks(n_heads: int, n_blocks: int) -> None:
    means = {(layer, head): 0.34 for layer in range(4) for head in range(n_heads)}
    found = [line.plain for line in drawn(a_grid(means), look())]
    assert max(map(cell_len, found)) <= 80
    assert sum("layer" in line for line in found) == n_blocks
    assert sum(line.count("+.34") for line in found) == 4 * n_heads


def test_nothing_is_told_by_colour_alone() -> None:
    means = {(layer, head): -0.4 for layer in range(2) for head in range(3)}
    coloured = drawn(a_grid(means), look(Shading.COLOUR))
    assert sum(line.plain.count("-.40") for line in coloured) == 6
    styles = [str(span.style) for line in coloured for span in line.spans]
    assert sum("#309ae9" in style for style in styles) >= 6
    bars = drawn(a_grid(means), look(Shading.BARS))
    assert sum(line.plain.count("-.40▆") for line in bars) == 6


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_larger_number_never_has_a_lower_shade(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert SIGNED_GROUNDS.index(ground(low)) <= SIGNED_GROUNDS.index(ground(high))


@given(st.floats(0, 1))
def test_shades_are_even_around_zero(level: float) -> None:
    above, below = (SIGNED_GROUNDS.index(ground(sign * level)) for sign in (1, -1))
    assert above + below == len(SIGNED_GROUNDS) - 1


def test_the_scale_says_what_the_strongest_shade_stands_for() -> None:
    figure = a_grid({(0, 0): 0.6}, limit=0.7)
    assert "+0.7; grey: unrelated" in drawn(figure, look(Shading.COLOUR))[-1].plain
    assert "█ 0.7" in drawn(figure, look(Shading.BARS))[-1].plain
    assert drawn(figure, look(Shading.ASCII))[-1].plain.endswith("+.60 ")


def test_what_speaks_against_differs_by_more_than_colour() -> None:
    (text,) = shaded_words(("good", "bad"), (1.0, -1.0), look(Shading.COLOUR))
    styles = [str(span.style) for span in text.spans]
    assert ["underline" in style for style in styles] == [False, True]
    assert AGAINST_GROUNDS[5] in styles[1]
    assert lines(("good", "bad", "a"), (1.0, -1.0, 0.01), look()) == ["good bad a", "████ -██"]
    assert lines(("good", "bad"), (1.0, -0.06), look(Shading.ASCII))[1] == "#### -.."


def test_effects_have_one_scale_for_all_texts() -> None:
    """A small one is not painted as a large one, and more than the whole as the whole."""
    small, large = (Weights("", values, full=1.0) for values in ((0.001, 0.0), (0.9, -3.0)))
    assert lines(("a", "b"), small.levels, look()) == ["a b", ""]
    assert [step_of(abs(level)) for level in large.levels] == [5, 5]
    assert Weights("", (0.001, 0.0)).levels == (1.0, 0.0)


def test_a_legend_says_what_a_sign_means() -> None:
    said = " ".join(line.plain for line in shades(look(), is_signed=True))
    assert "begin with -" in said
    assert "on one scale for all texts" in said
    assert len(list(shades(look()))) == 1
