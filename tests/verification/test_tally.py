from attn_audit.results.model_description import HeadMix
from attn_audit.verification.tally import claims_of, compare_mixes

MIX = HeadMix(n_texts=50, passes=1650, weights=((1.0, -2.0), (0.5, 0.0)))


def holds(stored: HeadMix | None, found: HeadMix | None) -> bool:
    return all(claim.holds for claim in claims_of(compare_mixes(stored, found, "float32")))


def test_the_same_fit_holds_up_to_rounding() -> None:
    assert holds(MIX, MIX)
    assert holds(MIX, MIX.model_copy(update={"weights": ((1.0, -2.001), (0.5, 0.0))}))
    assert compare_mixes(None, None, "float32") == []


def test_another_fit_does_not() -> None:
    assert not holds(MIX, MIX.model_copy(update={"weights": ((1.0, -2.0), (0.51, 0.0))}))
    assert not holds(MIX, MIX.model_copy(update={"n_texts": 49}))
    assert not holds(MIX, MIX.model_copy(update={"weights": ((1.0, -2.0),)}))


def test_a_fit_that_is_missing_is_noticed() -> None:
    assert not holds(MIX, None)
    assert not holds(None, MIX)
