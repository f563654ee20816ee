"""The page about the packaged rules lists those that there are."""

import re
from pathlib import Path

from attn_audit.judgement.policy import load_policy

PAGE = (Path(__file__).parents[2] / "docs/rules.md").read_text(encoding="utf-8")


def test_every_rule_is_listed_with_its_limit_and_level() -> None:
    listed = re.findall(r"^\| `([a-z._]+)` \| at (least|most) ([\d.]+) \| (\w+) \|", PAGE, re.M)
    sides = {"min": "least", "max": "most"}
    assert listed == [
        (bound.metric, sides[bound.direction], f"{bound.limit:g}", bound.level.value)
        for bound in load_policy().bounds
    ]
