"""Rationales and shown scores, as rows have them."""

import pytest

from attn_audit.data.reading import data_in_memory, read_examples
from attn_audit.data.skipped_rows import SkippedRows
from attn_audit.data.source import DataSource, FieldNames, WrongValueError
from attn_audit.data.spans import read_rationale, read_scores
from attn_audit.errors import Fault, RowError
from tests.data.conftest import ReadLines, Write

TEXT = "a fine  film"
UNITS = [(0, 1), (2, 6), (8, 12)]


def test_a_unit_sums_up_the_spans_that_it_has_characters_of() -> None:
    scores = read_scores([[0, 3, 0.5], [5, 9, -0.25], [1, 2, 9.0], [11.0, 12.0, 1]], TEXT)
    assert scores.of_units(UNITS) == (0.5, 0.25, 0.75)


def test_numbers_are_those_of_the_units() -> None:
    assert read_scores([1, -0.5, 0], TEXT).of_units(UNITS) == (1.0, -0.5, 0.0)
    assert read_scores("[1, -0.5, 0]", TEXT) == read_scores([1, -0.5, 0], TEXT)


def test_numbers_for_words_are_those_of_their_tokens() -> None:
    scores = read_scores([1, -0.5, 0], TEXT)
    assert scores.fit(4)
    assert scores.of_units([(0, 1), (2, 4), (4, 6), (8, 12)]) == (1.0, -0.5, -0.5, 0.0)
    assert not read_scores([1, -0.5], TEXT).fit(4)


def test_predictions_of_eraser_are_scores_of_words_or_spans() -> None:
    hard = {"docid": "d", "hard_rationale_predictions": [{"start_token": 1, "end_token": 2}]}
    assert read_scores([hard], TEXT).of_units(UNITS) == (0.0, 1.0, 0.0)
    soft = hard | {"soft_rationale_predictions": [0.25, 0.5, 0.125]}
    assert read_scores([soft], TEXT).of_units(UNITS) == (0.25, 0.5, 0.125)


def test_evidences_of_eraser_are_counted_in_words() -> None:
    evidence = {"docid": "d", "start_token": 1, "end_token": 3, "text": "fine film"}
    assert read_rationale([[evidence]], TEXT) == ((2, 12),)
    assert read_rationale([evidence], TEXT) == ((2, 12),)
    assert read_scores([[evidence]], TEXT).of_units(UNITS) == (0.0, 1.0, 1.0)


def test_nothing_marked_is_an_empty_list() -> None:
    assert read_rationale([], TEXT) == ()
    assert read_scores([], TEXT).of_units(UNITS) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("since it is fine", r"must be a list of spans \[start, end\], not 'since"),
        ([[0, 13]], r"holds \[0, 13\], which is outside of the text \(12 characters\)"),
        ([[-1, 3]], r"holds \[-1, 3\], which is outside"),
        ([[3, 3]], r"holds \[3, 3\], which ends before it begins"),
        ([[0, 1.5]], r"holds \[0, 1.5\], whose ends are no whole numbers"),
        ([[True, 3]], "whose ends are no whole numbers"),
        ([[0, 1, 2]], r"holds \[0, 1, 2\], which is no \[start, end\]"),
        ([{"start_token": 2, "end_token": 4}], r"outside of the text \(3 words\)"),
    ],
)
def test_what_is_no_rationale_says_what_it_is(value: object, problem: str) -> None:
    with pytest.raises(WrongValueError, match=problem):
        read_rationale(value, TEXT)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0.5, r"must be a list of numbers, or of spans \[start, end, score\], not 0.5"),
        ([0.5, float("nan"), 1], "holds nan, which is no finite number"),
        ([0.5, None, 1], "holds None, which is no finite number"),
        ([True, 0.5, 1], "holds True, which is no finite number"),
        ([0.5, [0, 1, 0.5]], r"holds \[0, 1, 0.5\], which is no finite number"),
        ([[0, 1, float("inf")]], "holds inf, which is no finite number"),
        ([[0, 13, 0.5]], r"holds \[0, 13\], which is outside of the text \(12 characters\)"),
        ([[0, 1]], r"holds \[0, 1\], which is no \[start, end, score\]"),
        ([{"soft_rationale_predictions": [1]}], "holds 1 score .*, and the text has 3 words"),
        ([{"soft_rationale_predictions": 0.5}], "soft_rationale_predictions that are no list: 0.5"),
        ([{"soft_rationale_predictions": [1, 2, None]}], "holds None, which is no finite number"),
        ([{"soft_rationale_predictions": []}] * 2, "predictions of 2 documents, and the text is"),
    ],
)
def test_what_are_no_scores_says_what_they_are(value: object, problem: str) -> None:
    with pytest.raises(WrongValueError, match=problem):
        read_scores(value, TEXT)


ROWS = (
    '{"text": "a fine film", "rationale": [[2, 6]], "lime": [0.1, 0.9, 0.2]}',
    '{"text": "dull", "rationale": null}',
)


def test_they_are_read_where_they_are_asked_for(read_lines: ReadLines) -> None:
    first, second = read_lines(*ROWS, fields=FieldNames(rationale="rationale", shown=("lime",)))
    assert (first.rationale, second.rationale) == (((2, 6),), ())
    assert first.shown == {"lime": read_scores([0.1, 0.9, 0.2], "a fine film")}
    assert second.shown == {}


def test_whatever_stands_there_is_left_alone_where_they_are_not(read_lines: ReadLines) -> None:
    (example,) = read_lines('{"text": "a fine film", "rationale": "it is fine", "lime": "high"}')
    assert (example.rationale, example.shown) == ((), {})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_hold_them_as_lists(write: Write, suffix: str) -> None:
    if suffix == "csv":
        path = write("test.csv", 'text,why,lime\na fine film,"[[2, 6]]","[[0, 6, 0.5]]"\ndull,,\n')
    else:
        import pyarrow as pa
        from pyarrow.parquet import write_table

        path = write("test.parquet", b"")
        columns = {
            "text": ["a fine film", "dull"],
            "why": [[[2, 6]], None],
            "lime": [[[0.0, 6.0, 0.5]], None],
        }
        write_table(pa.table(columns), path)
    names = FieldNames(rationale="why", shown=("lime",))
    first, second = read_examples(DataSource(str(path), fields=names))
    assert first.rationale == ((2, 6),)
    assert first.shown["lime"].of_units([(0, 1), (2, 6), (7, 11)]) == (0.5, 0.5, 0.0)
    assert (second.rationale, second.shown) == ((), {})


def test_a_row_in_which_they_do_not_fit_is_named(read_lines: ReadLines) -> None:
    names = FieldNames(rationale="rationale", shown=("lime",))
    with pytest.raises(RowError, match=r"^test.jsonl:2: 'rationale' holds \[0, 9\]") as caught:
        read_lines(ROWS[0], '{"text": "dull", "rationale": [[0, 9]]}', fields=names)
    assert caught.value.fault is Fault.WRONG_RATIONALE
    with pytest.raises(RowError, match=r"^test.jsonl:1: 'lime' holds nan") as caught:
        read_lines('{"text": "dull", "lime": [NaN]}', fields=names)
    assert caught.value.fault is Fault.WRONG_SCORES


def test_examples_in_memory_are_held_to_the_same() -> None:
    from attn_audit.data.example import Example

    data = data_in_memory([Example("a", "dull", rationale=((0, 9),))], FieldNames(), {})
    left_out = SkippedRows()
    assert not list(data.examples(left_out))
    assert list(left_out.found) == [Fault.WRONG_RATIONALE]
