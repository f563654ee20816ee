"""The report on a terminal: readable at 80 columns, in plain ASCII, and whatever labels hold."""

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from attn_audit.document import Table
from attn_audit.findings import permutation
from attn_audit.findings.check import folded, group_table
from attn_audit.formats.documents.report import document
from attn_audit.formats.documents.verdict import answered
from attn_audit.formats.terminal import show
from attn_audit.formats.terminal.style import wrapped
from attn_audit.results.report import Report
from attn_audit.statistics.summary import Group
from tests.judged import with_metric

Shown = Callable[..., str]

EXPECTED = Path(__file__).parents[1] / "expected"

EVERY = [
    "report",
    "unlabelled",
    "multilabel",
    "nothing_measured",
    "only_correlation",
    "transformer",
    "by_layer",
]


@pytest.fixture(params=EVERY)
def any_report(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_reads_as_the_stored_report(report: Report, shown: Shown) -> None:
    """After a change that is meant: write `text` to the file and read it."""
    model, tool, records = report.model, report.tool, report.records_file
    assert records is not None
    made = report.model_copy(
        update={
            "run": None,
            "records_file": records.model_copy(update={"path": "report.records.parquet"}),
            "model": model.model_copy(update={"source": "model.pt"}),
            "tool": tool.model_copy(update={"version": "1", "libraries": {}}),
            # rounding, of whatever machine
            "self_checks": tuple(c.model_copy(update={"error": 2e-8}) for c in report.self_checks),
        }
    )
    text = re.sub(r"(sha256 |version 1 \()[0-9a-f]{12}", r"\1#", shown(document(made)))
    assert text == (EXPECTED / "report.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_is_longer_than_the_terminal_or_ends_in_blanks(
    any_report: Report, shown: Shown, width: int
) -> None:
    lines = shown(document(any_report), width).split("\n")
    assert max(map(cell_len, lines)) <= min(width, 100)
    assert not [line for line in lines if line != line.rstrip()]


@pytest.mark.parametrize("width", [20, 40, 60])
def test_narrow_terminals_do_not_crash(any_report: Report, shown: Shown, width: int) -> None:
    assert "Correlation" in shown(document(any_report), width)


def test_falls_back_to_ascii(any_report: Report, shown: Shown) -> None:
    text = shown(document(any_report), 80, "ascii")
    assert text.isascii()
    assert "Does the model work?" in text


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp437"])
def test_old_encodings_do_not_crash(report: Report, shown: Shown, encoding: str) -> None:
    assert "Attention audit" in shown(document(report), 80, encoding)


def test_without_a_terminal_there_are_no_escapes(report: Report, shown: Shown) -> None:
    assert "\x1b" not in shown(document(report))


def test_only_checks_that_were_run_have_sections(only_correlation: Report, shown: Shown) -> None:
    text = shown(document(only_correlation))
    assert "Does attention rank the words" in text
    assert "Does the prediction change" not in text
    assert "Could attention look" not in text
    assert "every check says something of every example." in " ".join(text.split())


def test_many_classes_are_capped_at_the_largest(multilabel: Report, shown: Shown) -> None:
    text = shown(document(multilabel))
    n_hidden = len(multilabel[permutation.DISTANCE].by_prediction) - 8
    assert n_hidden > 0
    assert text.count(f"+ {n_hidden} smaller") == 6
    assert len(re.findall(r"\n    label\d+ +\d", text)) == 6 * 8
    assert "an example counts under each label that it is given" in text


def test_what_a_prediction_of_several_labels_means_stands_where_parts_have_it(
    multilabel: Report,
) -> None:
    whole = Table(("kept",), (("shuffled",), ("cut off",)))
    parted = group_table("moved", multilabel[permutation.DISTANCE], (0.0, 1.0))
    assert len(folded(multilabel, whole).blocks) == 1
    assert len(folded(multilabel, whole, parted).blocks) == 3


def hostile(report: Report, name: str) -> Report:
    """A report with this name wherever a user's text can stand."""
    spread = report[permutation.DISTANCE].by_prediction[0].distribution
    by_prediction = (Group(name=name, distribution=spread),)
    report = with_metric(report, permutation.DISTANCE, by_prediction=by_prediction)
    return report.model_copy(
        update={
            "model": report.model.model_copy(update={"labels": (name, "x"), "source": name}),
            "data": report.data.model_copy(update={"name": name, "split": name}),
        }
    )


@pytest.mark.parametrize("name", ["[bold]", "[/]", "[link=x]", ":smile:", "[1, 2]"])
def test_markup_in_names_is_text(report: Report, shown: Shown, name: str) -> None:
    text = shown(document(hostile(report, name)), 100)
    assert text.count(name) >= 5


def test_escapes_in_names_are_spelled_out(report: Report, shown: Shown) -> None:
    text = shown(document(hostile(report, "\x1b[2Jgone\u202e")), 100)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert r"\x1b[2Jgone\u202e" in text


def test_long_names_fold(report: Report, shown: Shown) -> None:
    text = shown(document(hostile(report, "a_very_long_label" * 10)))
    assert max(map(cell_len, text.split("\n"))) <= 80


def on_a_screen(report: Report, height: int, **options: Any) -> str:
    file = StringIO()
    console = Console(
        file=file, force_terminal=True, width=80, height=height, _environ={}, **options
    )
    show(document(report), console)
    return file.getvalue()


QUESTION = "May its attention weights be shown as the reason for its predictions?"


def first_lines(report: Report) -> str:
    """The question, the verdict on a line of its own, and what is said of it."""
    assert report.answer is not None
    found = answered(report.answer)
    return " ".join((QUESTION, found.words.text, *(p.labelled for p in found.sentences)))


def test_the_question_and_the_answer_are_the_first_lines(any_report: Report, shown: Shown) -> None:
    text = shown(document(any_report))
    assert " ".join(text.split()).startswith(first_lines(any_report))
    assert any_report.answer is not None
    assert text.splitlines()[1] == answered(any_report.answer).words.text


def test_the_answer_is_repeated_last_where_it_scrolled_out_of_sight(report: Report) -> None:
    answer = first_lines(report)
    plain = (re.sub(r"\x1b\[[\d;]*m", "", on_a_screen(report, n)) for n in (40, 500))
    small, large = (" ".join(text.split()) for text in plain)
    assert (small.count(answer), large.count(answer)) == (2, 1)
    assert small.startswith(answer)
    assert small.endswith(answer)
    assert small.rindex("Does the model work?") < small.rindex(answer)


def test_the_glance_is_repeated_where_it_scrolled_out_of_sight(report: Report) -> None:
    assert on_a_screen(report, 40).count("Does the model work?") == 2
    assert on_a_screen(report, 500).count("Does the model work?") == 1


def test_a_terminal_gets_colour_unless_it_is_unwanted(report: Report) -> None:
    assert "\x1b[36m" in on_a_screen(report, 400, color_system="standard")
    assert "\x1b[36m" not in on_a_screen(report, 400, no_color=True)


def test_an_estimate_is_never_parted_from_its_interval() -> None:
    text = "attention agrees at 0.20 [0.19, 0.21] and 75.2% [73.2%, 77.1%] are right"
    for width in range(22, 80):
        lines = list(wrapped(text, width))
        assert any("0.20 [0.19, 0.21]" in line for line in lines)
        assert any("75.2% [73.2%, 77.1%]" in line for line in lines)
        assert " ".join(lines) == text


def test_a_word_longer_than_the_line_is_cut() -> None:
    assert list(wrapped("aaaaaaa b", 3)) == ["aaa", "aaa", "a b"]
