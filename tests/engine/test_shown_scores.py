"""Shown scores without a model, against SciPy and by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from attn_audit.config import validate
from attn_audit.engine.shown_scores import compare_shown
from attn_audit.errors import BadRowError, ConfigurationError
from attn_audit.findings import registry
from attn_audit.results.answers import ShownScores
from tests.tiny import tiny_examples


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    with registry.added():
        yield


def compared(folder: Path, rows: list[dict[str, Any]], shown: str, **more: Any) -> ShownScores:
    data = folder / "data.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    said = {"data": (str(data),), "shown": shown, "checks": ("plausibility",), **more}
    return compare_shown(validate(said, said, None))


def some_rows(n: int = 40) -> list[dict[str, Any]]:
    draw = np.random.default_rng(0)
    rows = []
    for example in tiny_examples(n, lengths=(2, 9)):
        words = example.text.split()
        first = draw.integers(0, 4, len(words))
        second = np.round(first + draw.normal(0, 1, len(words)), 1)
        end = len(words[0])
        row = {"id": example.id, "text": example.text, "rationale": [[0, end]]}
        rows.append(row | {"one": first.tolist(), "other": second.tolist()})
    return rows


def test_tau_is_the_mean_of_scipys_over_the_texts(tmp_path: Path) -> None:
    rows = some_rows()
    (pair,) = compared(tmp_path, rows, "one,other").pairs
    with np.errstate(invalid="ignore"):
        taus = np.array([kendalltau(row["one"], row["other"]).statistic for row in rows])
    known = taus[~np.isnan(taus)]
    assert (pair.first, pair.second) == ("one", "other")
    assert pair.tau.n == len(known)
    assert pair.tau.mean == pytest.approx(known.mean())
    assert pair.tau.interval is not None
    assert pair.tau.interval.low < known.mean() < pair.tau.interval.high


def test_first_words_that_several_share_count_in_part(tmp_path: Path) -> None:
    rows = [
        {"text": "a b c", "one": [3, 3, 1], "other": [3, 1, 1]},
        {"text": "a b c", "id": "2", "one": [3, 1, 1], "other": [5, 4, 2]},
        {"text": "a b c", "id": "3", "one": [1, 3, 1], "other": [5, 4, 2]},
    ]
    (pair,) = compared(tmp_path, rows, "one,other").pairs
    assert pair.same_top.mean == pytest.approx((1 / 2 + 1 + 0) / 3)


def test_average_precision_is_that_of_the_first_word_s_rank(tmp_path: Path) -> None:
    rows = [row | {"other": np.arange(len(row["one"]))[::-1].tolist()} for row in some_rows()]
    one, other = compared(tmp_path, rows, "one,other").fields
    assert other.plausible is not None
    assert other.plausible.auprc.mean == other.plausible.token_f1.mean == 1.0
    expected = []
    for row in rows:
        scores = np.array(row["one"])
        if len(set(scores.tolist())) > 1:
            expected.append(1 / (scores >= scores[0]).sum())
    assert one.plausible is not None
    assert one.plausible.auprc.n == len(expected)
    assert one.plausible.auprc.mean == pytest.approx(np.mean(expected))


def test_a_gap_is_to_the_random_orders_of_the_same_texts(tmp_path: Path) -> None:
    rows = [{"text": "a b", "one": [2, 1], "rationale": [[0, 1]]}]
    found = compared(tmp_path, rows, "one")
    (field,) = found.fields
    assert field.plausible is not None
    assert field.plausible.gap is not None
    assert field.plausible.gap.mean == pytest.approx(1 - 0.75)
    assert found.by_chance is not None
    assert found.by_chance.auprc.mean == pytest.approx(0.75)


def test_what_ranks_nothing_is_counted_by_reason(tmp_path: Path) -> None:
    rows = [
        {"text": "a b c", "one": [1, 1, 1], "other": [1, 2, 3]},
        {"text": "a b c d", "other": [1, 2, 3, 4]},
        {"text": "one", "one": [1], "other": [1]},
        {"text": "a b", "one": [[0, 1, 0.5]], "other": [1, 2]},
    ]
    found = compared(tmp_path, rows, "one,other")
    one, other = found.fields
    assert (one.n, one.n_absent, one.n_constant, found.n_single) == (1, 1, 1, 1)
    assert (other.n, other.n_absent, other.n_constant) == (3, 0, 0)
    assert found.pairs[0].tau.n == 1
    assert found.pairs[0].tau.mean == -1.0


def test_erasers_predictions_are_scores_of_words(tmp_path: Path) -> None:
    predicted = [{"docid": "d", "soft_rationale_predictions": [0.1, 0.9, 0.2]}]
    rows = [{"text": "a b c", "one": predicted, "other": [1, 9, 2]}]
    assert compared(tmp_path, rows, "one,other").pairs[0].tau.mean == 1.0


def test_scores_for_other_units_than_words_are_refused_with_line_id_and_field(
    tmp_path: Path,
) -> None:
    rows = [*some_rows(2), {"id": "third", "text": "a b c", "one": [1, 2], "other": [1, 2, 3]}]
    with pytest.raises(BadRowError) as refused:
        compared(tmp_path, rows, "one,other")
    problem = "data.jsonl:3: 'one' of example 'third' holds 2 scores, and the text has 3 words"
    assert problem in refused.value.message
    left = compared(tmp_path, rows, "one,other", on_bad_row="skip")
    assert left.n_texts == 2
    assert left.left_out == ("1 row with shown scores that do not fit the text: data.jsonl:3",)


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        ("one", "--shown one: there is nothing to hold these scores against"),
        ("one,lime", "--shown lime: no row of the data has scores there"),
    ],
)
def test_what_would_compare_nothing_is_refused(tmp_path: Path, shown: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        compared(tmp_path, [{"text": "a b", "one": [1, 2]}], shown)
