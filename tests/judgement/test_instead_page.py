"""The page about what to show instead says the numbers that the program decides by."""

from pathlib import Path

import pytest

from tests.simulations.tables import decided_by

PAGE = " ".join((Path(__file__).parents[2] / "docs/instead.md").read_text(encoding="utf-8").split())
WORDS = {2: "two", 3: "three", 4: "four"}


BY = decided_by()


@pytest.mark.parametrize(
    "said",
    [
        f"{BY['random orders']} random orders",
        f"where a text has at most {BY['units of all orders']} units",
        f"Fewer than {BY['fewest texts']} texts judge nothing",
        f"correction over the measures, at {100 * BY['significant'] / 2:g} %",
        f"{BY['subsets']} random halves",
        f"That takes {BY['subsets'] + 1} passes",
        f"{BY['permuted mixes']} mixes are fitted",
        f"within {WORDS[BY['few passes']]} passes a text",
        f"a penalty of {BY['penalty']:g} times the mean square",
    ],
)
def test_it_says_what_is_decided_by(said: str) -> None:
    assert said in PAGE
