"""The grid of layers and heads: numbers in every cell, shades around 0, blocks that fit."""

from io import StringIO
from typing import Any

import pytest
from attn_audit.formats.shading import Shading
from attn_audit.formats.terminal.grid import GROUNDS, Grid, ground, limit_of, scale
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from attn_audit.formats.terminal.look import Trimmed


def drawn(grid: Grid, width: int = 80, **options: Any) -> str:
    file = StringIO()
    Console(file=file, width=width, _environ={}, **options).print(Trimmed(grid))
    return file.getvalue()


def a_grid(n_layers: int, n_heads: int, tau: float = 0.34) -> Grid:
    means = {(layer, head): tau for layer in range(n_layers) for head in range(n_heads)}
    return Grid("Tau", means, 0.5)


def test_layers_go_down_and_heads_across_the_last_layer_at_the_bottom() -> None:
    means = {(0, 0): 0.5, (0, 1): 0.0, (1, 0): -0.05, (1, 1): None}
    assert drawn(Grid("Tau", means, 0.5)).split("\n") == [
        "  Tau",
        "  layer     0     1",
        "      0  +.50█  .00",
        "      1  -.05▁    -",
        "",
    ]


@pytest.mark.parametrize(("n_heads", "n_blocks"), [(1, 1), (12, 1), (16, 2), (32, 3)])
def test_heads_that_do_not_fit_80_columns_come_in_blocks(n_heads: int, n_blocks: int) -> None:
    lines = drawn(a_grid(4, n_heads)).split("\n")
    assert max(map(cell_len, lines)) <= 80
    assert sum("layer" in line for line in lines) == n_blocks
    assert sum(line.count("+.34") for line in lines) == 4 * n_heads


def test_layers_may_differ_in_their_heads() -> None:
    lines = drawn(Grid("Tau", {(0, 0): 0.1, (1, 0): 0.2, (1, 1): 0.3}, 0.5)).split("\n")
    assert lines[2].split() == ["0", "+.10▂"]
    assert lines[3].split() == ["1", "+.20▃", "+.30▅"]


def test_nothing_is_told_by_colour_alone() -> None:
    coloured = drawn(a_grid(2, 3, -0.4), force_terminal=True, color_system="truecolor")
    assert coloured.count("-.40") == 6
    assert coloured.count("48;2;48;154;233") == 6
    assert drawn(a_grid(2, 3, -0.4), force_terminal=True, no_color=True).count("-.40▆") == 6


def test_a_coloured_cell_keeps_the_blank_behind_its_number() -> None:
    line = drawn(a_grid(1, 1), force_terminal=True, color_system="truecolor").split("\n")[2]
    assert line.endswith("m +.34 \x1b[0m")


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_larger_number_never_has_a_lower_shade(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert GROUNDS.index(ground(low)) <= GROUNDS.index(ground(high))


@given(st.floats(0, 1))
def test_shades_are_even_around_zero(level: float) -> None:
    assert GROUNDS.index(ground(level)) + GROUNDS.index(ground(-level)) == len(GROUNDS) - 1


def test_taus_near_zero_stay_pale() -> None:
    assert limit_of([0.01, -0.02, None]) == 0.5
    assert limit_of([]) == 0.5


def test_the_scale_says_what_the_strongest_shade_stands_for() -> None:
    coloured, bars = (scale(0.7, shading) for shading in (Shading.COLOUR, Shading.BARS))
    assert coloured is not None
    assert "-0.7" in coloured.plain
    assert "+0.7; grey: unrelated" in coloured.plain
    assert bars is not None
    assert "█ 0.7" in bars.plain
    assert scale(0.7, Shading.ASCII) is None
