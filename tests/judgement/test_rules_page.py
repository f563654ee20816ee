"""The page about the packaged rules: which there are, and numbers that were found with them."""

import re
from pathlib import Path
from typing import Any

import pytest

from attn_audit.findings.attended import UNATTENDED
from attn_audit.judgement.policy import load_policy
from tests.simulations.error_rates import any_of, deciding, wrongly_violated
from tests.simulations.tables import decided_by, read

PAGE = (Path(__file__).parents[2] / "docs/rules.md").read_text(encoding="utf-8")
RULES, DECIDED_BY = load_policy(), decided_by()


def test_every_rule_is_listed_with_its_limit_and_level() -> None:
    listed = re.findall(r"^\| `([a-z._]+)` \| at (least|most) ([\d.]+) \| (\w+) \|", PAGE, re.M)
    sides = {"min": "least", "max": "most"}
    assert listed == [
        (bound.metric, sides[bound.direction], f"{bound.limit:g}", bound.level.value)
        for bound in RULES.bounds
    ]


def test_what_simulations_found_was_found_with_these_rules() -> None:
    """Where this fails: run what the page names again, and write down what comes out."""
    assert DECIDED_BY["rules"] in PAGE
    assert f"an interval {DECIDED_BY['wider']:g} times as wide" in PAGE


def test_how_many_texts_unattended_words_decide_is_as_in_its_table() -> None:
    rows: Any = read()["rows"]
    shares = {
        row["of"]["case"]: row["found"][UNATTENDED.name][0]
        for row in rows
        if row["table"] == "truth"
    }
    page = " ".join(PAGE.split())
    assert f"unattended words decide {100 * shares['random']:.1f} % of the texts" in page
    assert f"decide {100 * shares['hidden']:.0f} %, 200 texts" in page


def test_the_rules_err_as_often_as_it_says() -> None:
    pattern = r"in ([\d.]+) to ([\d.]+) % of the audits.*?it is ([\d.]+) % with 100 texts"
    said = re.search(pattern, PAGE, re.DOTALL)
    assert said is not None
    low, high, together = (float(percent) / 100 for percent in said.groups())
    shares = [bound for bound in deciding() if bound.metric != "correlation.attention_margin"]
    found = [wrongly_violated(bound, 100) for bound in shares]
    assert low <= round(min(found), 3)
    assert round(max(found), 3) <= high
    # The rule of tau errs in about 1 %, too: to simulate that would take long.
    assert any_of([*found, 0.01]) == pytest.approx(together, abs=0.002)
