"""Telling examples: weights can be told apart with colour, without, and in ASCII."""

from collections.abc import Callable
from io import StringIO

import pytest
from attn_audit.formats.shading import GROUNDS, Shading, shaded_words, step_of
from rich.console import Console

from attn_audit.formats import words
from attn_audit.results.report import Report, TellingExample

Shown = Callable[..., str]

UNITS = ("a", "terrific", "movie")
WEIGHTS = (0.0, 0.8, 0.2)


def test_bars_stand_under_their_words() -> None:
    text = shaded_words(UNITS, WEIGHTS, 80, Shading.BARS)
    assert text.plain.split("\n") == ["a terrific movie", "  ████████ ▂▂▂▂▂"]


def test_ascii_bars_are_ascii() -> None:
    text = shaded_words(("naïve", "x"), (1.0, 0.4), 80, Shading.ASCII, "ascii").plain
    assert text.split("\n") == [r"na\xefve x", "######## ."]


def test_colour_changes_nothing_but_the_style() -> None:
    text = shaded_words(UNITS, WEIGHTS, 80)
    assert text.plain == "a terrific movie"
    assert [GROUNDS[5] in str(span.style) for span in text.spans] == [True, False]


def test_every_step_is_used_and_the_largest_weight_gets_the_last() -> None:
    assert [step_of(level / 100) for level in (0, 4, 5, 30, 50, 70, 90, 100)] == [
        0, 0, 1, 2, 3, 4, 5, 5,
    ]  # fmt: skip


def test_lines_fit_the_width() -> None:
    text = shaded_words(["word"] * 20 + ["w" * 50], [1.0] * 21, 18, Shading.BARS).plain
    assert max(map(len, text.split("\n"))) <= 18


def test_no_weight_at_all_is_plain() -> None:
    assert shaded_words(("a", "b"), (0.0, 0.0), 80, Shading.BARS).plain == "a b"
    assert shaded_words((), (), 80).plain == ""


def test_units_are_neither_markup_nor_escapes() -> None:
    text = shaded_words(("[bold]", "\x1b[2J"), (1.0, 1.0), 80).plain
    assert text == r"[bold] \x1b[2J"


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
def test_shading_follows_the_console(options: dict[str, str], shading: Shading) -> None:
    console = Console(file=StringIO(), force_terminal=True, _environ={}, **options)  # type: ignore[arg-type]
    assert Shading.of(console) is shading


def test_examples_show_attention_beside_what_else_could_be(report: Report, shown: Shown) -> None:
    text = shown(words.render_telling_examples, report)
    assert text.count("the model's attention") == 3
    assert text.count("adversarial attention") == 2
    assert "gradient importance" in text
    assert "sst-a: predicted positive (probability 0.995), label positive" in text
    assert "adversary: divergence 0.66, 97.1% of the possible; output moved by 0.050" in text
    assert "tau: 0.25 with gradients, 0.13 with leave-one-out, 0.51 between these two" in text


def test_texts_stand_side_by_side_where_there_is_room(report: Report, shown: Shown) -> None:
    def has_both(width: int) -> bool:
        lines = shown(words.render_telling_examples, report, width).split("\n")
        return any("model's attention" in line and "adversarial att" in line for line in lines)

    assert has_both(100)
    assert not has_both(80)


def test_nothing_telling_prints_nothing(nothing_measured: Report, shown: Shown) -> None:
    assert shown(words.render_telling_examples, nothing_measured) == ""


def test_what_was_not_measured_is_left_out(report: Report, shown: Shown) -> None:
    kept = ("id", "label", "prediction", "probability", "units", "attention")
    record = {name: report.telling_examples[0].record[name] for name in kept}
    bare = (TellingExample(reason="agreeing", record=record),)
    text = shown(
        words.render_telling_examples, report.model_copy(update={"telling_examples": bare})
    )
    assert "adversar" not in text
    assert "tau" not in text


def test_long_texts_are_cut_and_say_so(report: Report, shown: Shown) -> None:
    record = {
        **report.telling_examples[0].record,
        "units": ["w"] * 200,
        "attention": [1 / 200] * 200,
        "adversarial_attention": None,
        "gradient": None,
    }
    long = (TellingExample(reason="adversarial", record=record),)
    text = shown(
        words.render_telling_examples, report.model_copy(update={"telling_examples": long})
    )
    assert "... and 80 more units with 40% of the weight" in text


def test_telling_examples_fall_back_to_ascii(report: Report, shown: Shown) -> None:
    assert shown(words.render_telling_examples, report, 80, "ascii").isascii()


def test_tokens_that_may_be_parts_of_words_are_said_to_be_tokens(
    transformer: Report, report: Report, shown: Shown
) -> None:
    words_of = transformer.settings.model_copy(update={"unit": "word"})
    by_word = transformer.model_copy(update={"settings": words_of})
    assert "Units: tokens in the text's own spelling" in shown(
        words.render_telling_examples, transformer
    )
    for other in (by_word, report):
        assert "Units:" not in shown(words.render_telling_examples, other)
