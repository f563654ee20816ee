"""Models whose truth is built in get the answer that is true.

Here at a scale of the logits far from 1; that the answer is the same at every scale is what
`test_unchanged_answers` holds, and `attn-audit selftest` of fifteen more at both ends.
"""

import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

from attn_audit import CustomModel, audit

YES, HINT, NO = {"yes"}, {"yes", "hint"}, {"no"}

TRUTH = {
    "faithful@0.1": YES, "rationale@10": HINT, "keyword@10": YES, "random@0.1": HINT,
    "constant@10": NO, "skip@0.1": NO, "inverse@10": NO, "hidden@10": NO,
}  # fmt: skip

ALWAYS = ("faithful@0.1", "hidden@10", "keyword@10")
"""The others are run by `-m grid`."""

ASKED: dict[str, Any] = {
    "checks": "correlation,attended,permutation",
    "measures": "leave_one_out",
    "limit": 200,
}
"""What decides an answer."""


@pytest.fixture(scope="module")
def models(shared: Path) -> dict[str, Any]:
    """What is in the module of the cases."""
    return run_path(str(shared / "cases/truth/models.py"))


@pytest.fixture(scope="module")
def load(models: dict[str, Any]) -> Callable[[str], CustomModel]:
    found: Callable[[str], CustomModel] = models["load"]
    return found


@pytest.fixture(scope="module")
def keyword_texts(models: dict[str, Any], shared: Path) -> list[dict[str, str]]:
    """What the case's own script writes."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as written:
        patch.setitem(sys.modules, "models", SimpleNamespace(**models))
        run_path(str(shared / "cases/truth/make_keyword_texts.py"))
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    "model",
    [pytest.param(model, marks=() if model in ALWAYS else pytest.mark.grid) for model in TRUTH],
)
def test_the_answer_is_what_is_true(
    model: str,
    load: Callable[[str], CustomModel],
    shared: Path,
    keyword_texts: list[dict[str, str]],
) -> None:
    case = model.partition("@")[0]
    data = keyword_texts if case == "keyword" else shared / "data/sst_paper"
    answer = audit(load(model), data, **ASKED).answer
    assert answer is not None
    assert answer.verdict in TRUTH[model], answer.sentence
    if case == "hidden":
        assert {unit.unit for unit in answer.units[:2]} == {"film", "movie"}
    if case == "random":
        assert "attended.polarity" in answer.because
        assert "against" in answer.sentence


@pytest.mark.grid
def test_where_most_texts_lack_the_word_that_decides_it_cannot_be_told(
    load: Callable[[str], CustomModel], shared: Path
) -> None:
    answer = audit(load("keyword@0.1"), shared / "data/sst_paper", **ASKED).answer
    assert answer is not None
    assert answer.verdict == "unknown", answer.sentence
