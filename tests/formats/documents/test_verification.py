"""What a verification looks like in the terminal."""

import re
from io import StringIO

import pytest
from rich.console import Console

from attn_audit.formats.documents.answers import verification_document as document
from attn_audit.formats.terminal import show
from attn_audit.results.answers import Claim, Failure, Verification


def claim(n_failed: int = 0, **fields: object) -> Claim:
    failures = tuple(
        Failure(example=f"\x1b[31me{i}", what="adversarial.max_jsd", stored="0.5", found="0.4")
        for i in range(min(n_failed, 10))
    )
    values = {
        "subject": "witnesses",
        "name": "divergence",
        "n": 1818,
        "largest": 0.1 if n_failed else 2.4e-8,
        "tolerance": 1e-4,
        "reason": "divergences in nats",
    }
    return Claim.model_validate({**values, "n_failed": n_failed, "failures": failures, **fields})


def shown(*claims: Claim, width: int = 80, **fields: object) -> str:
    found = Verification.model_validate(
        {
            "report": "report.json",
            "model": "model.pt",
            "data": "data",
            "n_examples": 1821,
            "n_witnesses": 1818,
            "n_not_kept": 0,
            "n_sampled": 183,
            "seed": 0,
            "notes": (),
            "claims": claims,
            "holds": all(one.holds for one in claims),
            "seconds": 1.0,
            **fields,
        }
    )
    text = StringIO()
    show(document(found), Console(file=text, width=width, no_color=True))
    return text.getvalue()


def test_a_claim_that_holds() -> None:
    text = shown(claim())
    assert re.search("divergence +1,818 +2e-8 +1e-4 +✓ holds", text)
    assert "Everything holds: 1,818 values were checked" in text
    assert "What does not hold" not in text


def test_what_does_not_hold_is_named_and_counted() -> None:
    text = shown(claim(), claim(n_failed=25, name="output distance"))
    assert "25 do not" in text
    assert "output distance: 25 of 1,818" in text
    assert "... and 15 more" in text
    assert "1 of 2 kinds, the first of them adversarial.max_jsd of example" in " ".join(
        text.split()
    )


def test_values_that_must_be_equal_have_no_deviation() -> None:
    text = shown(claim(tolerance=None, largest=None, reason="must be the same"))
    assert re.search("1,818 +- +equal +✓ holds", text)
    assert "must be the same" not in text


def test_ids_cannot_move_the_cursor() -> None:
    text = shown(claim(n_failed=1))
    assert "\x1b" not in text
    assert r"\x1b[31me0" in text


def test_what_was_not_kept_is_said() -> None:
    text = shown(claim(), n_not_kept=3, notes=("no hash",))
    assert "3 examples with too many rows" in text
    assert "no hash" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_too_long(width: int) -> None:
    for line in shown(claim(n_failed=3), width=width).splitlines():
        assert len(line) <= min(width, 100)
