"""The page about what to show instead says the numbers that the program decides by."""

from pathlib import Path

import pytest

from attn_audit.findings.erasure import N_RANDOM
from attn_audit.findings.thresholds import SIGNIFICANT
from attn_audit.judgement.recommendation import FEWEST_TEXTS
from attn_audit.measures.head_mix import N_PERMUTED, N_SUBSETS
from attn_audit.results.verdict import FEW_PASSES
from attn_audit.statistics.rankings import MAX_UNITS_OF_TABLE
from attn_audit.statistics.ridge import PENALTY

PAGE = " ".join((Path(__file__).parents[2] / "docs/instead.md").read_text(encoding="utf-8").split())
WORDS = {2: "two", 3: "three", 4: "four"}


@pytest.mark.parametrize(
    "said",
    [
        f"{N_RANDOM} random orders",
        f"where a text has at most {MAX_UNITS_OF_TABLE} units",
        f"Fewer than {FEWEST_TEXTS} texts judge nothing",
        f"correction over the measures, at {100 * SIGNIFICANT / 2:g} %",
        f"{N_SUBSETS} random halves",
        f"That takes {N_SUBSETS + 1} passes",
        f"{N_PERMUTED} mixes are fitted",
        f"within {WORDS[FEW_PASSES]} passes a text",
        f"a penalty of {PENALTY:g} times the mean square",
    ],
)
def test_it_says_what_is_decided_by(said: str) -> None:
    assert said in PAGE
