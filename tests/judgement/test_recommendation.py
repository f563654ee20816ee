import dataclasses
from typing import Any

import numpy as np
import pytest

from attn_audit.findings.field import Field, Shape
from attn_audit.findings.measure import HEAD_MIX, LEAVE_ONE_OUT, Measure
from attn_audit.judgement.recommendation import (
    FEWEST_TEXTS,
    ErasureEffects,
    Orders,
    recommend,
    still_recommended,
)
from attn_audit.results.verdict import Recommendation
from attn_audit.statistics.intervals import Resamples

N = 120


def measure(name: str, passes: int = 2, *, is_signed: bool = False) -> Measure:
    field = Field[tuple[float, ...] | None](name, name, shape=Shape.UNITS)
    return Measure(
        field, name, "", "", 0.0, passes=lambda n_units: passes, is_signed=is_signed
    )  # fmt: skip


def erased(mean: float, seed: int, *, neutral: float | None = None, n: int = N) -> ErasureEffects:
    generator = np.random.default_rng(seed)
    own = mean + 0.1 * generator.standard_normal(n)
    return ErasureEffects(own, own + ((mean if neutral is None else neutral) - mean))


def recommended(
    *found: Orders, attention: float = 0.3, random: float = 0.2, n: int = N, **more: Any
) -> Recommendation:
    is_judging = np.arange(n) % 2 == 0
    beside = erased(attention, 100, n=n), erased(random, 101, n=n)
    return recommend(*beside, found, is_judging, 10.0, Resamples(0), **more)


def test_what_ranks_better_than_attention_and_than_random_order_is_shown_instead() -> None:
    found = recommended(Orders(measure("good"), erased(0.5, 1), None))
    assert found.show_instead == found.cheap == found.best == "good"
    assert "Show good instead" in found.sentence
    candidate = found.candidate("good")
    assert candidate is not None
    assert candidate.passed
    assert candidate.over_attention is not None
    assert candidate.over_attention.own == pytest.approx(0.2, abs=0.05)
    assert (found.n_judged, found.n_fitting) == (60, 60)


def test_both_ways_of_leaving_out_must_agree() -> None:
    one_way = Orders(measure("one_way"), erased(0.6, 1, neutral=0.3), None)
    found = recommended(one_way)
    assert found.show_instead is None
    assert "No measure that was tried is shown to rank words better than attention" in found.short


def without_attention(*found: Orders) -> Recommendation:
    return recommend(None, erased(0.2, 101), found, np.arange(N) % 2 == 0, 10.0, Resamples(0))


def test_without_attention_random_order_is_all_that_there_is_to_beat() -> None:
    good = Orders(measure("good"), erased(0.5, 1), None)
    found = without_attention(good, Orders(measure("bad"), erased(0.2, 2), None))
    assert found.show_instead == "good"
    assert found.attention is found.attention_over_random is None
    assert "Show good instead: taking away the words that it ranks first" in found.short
    assert "more than taking away words at random does" in found.short
    assert "attention" not in found.sentence
    candidates = {each.measure: each for each in found.candidates}
    assert candidates["good"].over_attention is None
    assert candidates["good"].over_random == recommended(good).candidates[0].over_random
    assert not candidates["bad"].passed
    said = still_recommended(recommended(good), found)
    assert said is not None
    assert "still ranks words better than random order" in said


def test_without_attention_nothing_may_be_better_than_chance() -> None:
    found = without_attention(Orders(measure("bad"), erased(0.2, 2), None))
    assert found.show_instead is None
    assert found.short == "No measure is shown to rank words better than chance: show none of them."
    assert "Words taken away move the prediction at random by" in found.sentence


def test_it_must_be_better_than_random_order_too() -> None:
    found = recommended(Orders(measure("weak"), erased(0.3, 1), None), attention=0.1, random=0.3)
    assert found.show_instead is None
    assert "show none" in found.short


def test_of_measures_that_tie_the_cheaper_is_shown() -> None:
    best = erased(0.5, 1)
    alike = ErasureEffects(
        best.own - 0.001 + 0.1 * np.random.default_rng(2).standard_normal(N), best.own
    )
    found = recommended(
        Orders(measure("dear", passes=3), best, None), Orders(measure("cheap", 1), alike, None)
    )
    assert found.show_instead == "cheap"
    assert found.tied == ("dear",)
    assert "dear ties with it" in found.sentence


def test_many_passes_are_the_best_at_any_cost_alone() -> None:
    found = recommended(
        Orders(measure("dear", passes=50), erased(0.7, 1), None),
        Orders(measure("cheap", passes=2), erased(0.5, 2), None),
    )
    assert (found.show_instead, found.cheap, found.best) == ("cheap", "cheap", "dear")


def test_leaving_one_out_is_shown_only_where_no_other_measure_may_be() -> None:
    reference = Orders(LEAVE_ONE_OUT, erased(0.8, 1), None)
    alone = recommended(reference)
    assert alone.show_instead == "leave_one_out"
    assert "greedy reference" in alone.sentence
    both = recommended(reference, Orders(measure("dear", passes=50), erased(0.5, 2), None))
    assert both.show_instead == both.best == "dear"


def test_one_half_chooses_the_sign_and_the_other_judges_it() -> None:
    judging = np.arange(N) % 2 == 0
    signed, size = erased(0.3, 1), erased(0.3, 2)
    # Sizes rank better on the texts that choose, and worse on those that judge.
    size = ErasureEffects(
        *(values + np.where(judging, -0.2, 0.3) for values in (size.own, size.neutral))
    )
    found = recommended(Orders(measure("both", is_signed=True), signed, size))
    candidate = found.candidate("both")
    assert candidate is not None
    assert candidate.by_magnitude
    assert candidate.score.own == pytest.approx(0.1, abs=0.05)


def test_undefined_orders_judge_nothing_and_are_counted_by_their_number() -> None:
    some = erased(0.5, 1)
    own = some.own.copy()
    own[:20] = np.nan
    found = recommended(Orders(measure("some"), dataclasses.replace(some, own=own), None))
    candidate = found.candidate("some")
    assert candidate is not None
    assert candidate.n == 50


def test_too_few_texts_say_nothing() -> None:
    n = 2 * FEWEST_TEXTS - 2
    good = Orders(measure("good"), erased(0.9, 1, n=n), None)
    few = recommended(good, n=n)
    assert few.show_instead is None
    said = "Cannot be told: 39 texts set aside to judge, and 40 are the least. "
    assert few.sentence == f"{said}There were no others: `--limit` takes more."
    capped = "340 other texts took no part: `--erasure-sample` takes more."
    assert recommended(good, n=n, n_not_sampled=340).sentence == f"{said}{capped}"
    assert few.candidates == ()
    n += 2
    assert recommended(Orders(measure("good"), erased(0.9, 1, n=n), None), n=n).show_instead


def test_orders_that_are_as_good_as_attention_are_rarely_recommended() -> None:
    wrong = 0
    for seed in range(40):
        generator = np.random.default_rng(seed)
        base = generator.normal(0.2, 0.1, N)
        alike = [base + generator.normal(0, 0.1, N) for _ in range(10)]
        attention, random, *others = (ErasureEffects(values, values) for values in alike)
        found = [Orders(measure(f"m{i}"), each, None) for i, each in enumerate(others)]
        judging = np.arange(N) % 2 == 0
        given = recommend(attention, random, found, judging, 10.0, Resamples(seed))
        wrong += given.show_instead is not None
    assert wrong <= 3


def test_holm_asks_more_of_one_among_many() -> None:
    generator = np.random.default_rng(3)
    attention, random = (ErasureEffects(np.zeros(N), np.zeros(N)) for _ in range(2))
    values = generator.standard_normal(N)
    judging = np.arange(N) % 2 == 0
    judged = values[judging]
    # Two and a half standard errors above: enough for one candidate, not for one of ten.
    values = (values - judged.mean()) / judged.std(ddof=1) + 2.5 / np.sqrt(judging.sum())
    good = Orders(measure("good"), ErasureEffects(values, values), None)
    noise = [generator.standard_normal(N) for _ in range(9)]
    bad = [Orders(measure(f"n{i}"), ErasureEffects(v, v), None) for i, v in enumerate(noise)]
    alone = recommend(attention, random, [good], judging, 10.0, Resamples(0))
    assert alone.show_instead == "good"
    among = recommend(attention, random, [good, *bad], judging, 10.0, Resamples(0))
    assert among.show_instead is None


def test_the_next_release_is_asked_again_what_the_base_shows_instead() -> None:
    good = recommended(Orders(measure("good"), erased(0.5, 1), None))
    worse = recommended(Orders(measure("good"), erased(0.2, 1), None))
    other = recommended(Orders(measure("other"), erased(0.5, 1), None))
    assert "still ranks words better" in (still_recommended(good, good) or "")
    assert "is no longer shown to rank" in (still_recommended(good, worse) or "")
    assert "not judged of the new model" in (still_recommended(good, other) or "")
    assert "was not judged again" in (still_recommended(good, None) or "")
    assert still_recommended(worse, good) is None
    assert still_recommended(None, good) is None


def test_what_is_above_chance_but_not_above_attention_is_not_said_to_be_no_better_than_chance() -> (
    None
):
    noisy = np.random.default_rng(5).normal(0.15, 1.0, N)
    judging = np.arange(N) % 2 == 0
    attention, random = ErasureEffects(noisy, noisy), erased(0.1, 101)
    found = recommend(
        attention, random, [Orders(measure("some"), erased(0.2, 1), None)], judging, 10.0,
        Resamples(0),
    )  # fmt: skip
    assert found.show_instead is None
    assert found.short == "No measure is shown to rank words better than both attention and chance."


def test_without_any_measure_nothing_is_said_of_measures() -> None:
    found = recommended()
    assert (found.show_instead, found.candidates) == (None, ())
    assert found.short == "No measure beside attention could be judged."


def test_what_is_worse_by_one_way_of_leaving_out_is_no_tie() -> None:
    best = erased(0.5, 1)
    worse = ErasureEffects(best.own - 0.1, best.neutral)
    found = recommended(
        Orders(measure("dear", passes=3), best, None), Orders(measure("cheap", 1), worse, None)
    )
    assert (found.show_instead, found.tied) == ("dear", ())


def test_what_moves_the_prediction_the_other_way_is_not_recommended_though_it_is_better() -> None:
    other_way = Orders(measure("good"), erased(0.3, 1, neutral=-0.1), None)
    attention, random = erased(0.1, 100, neutral=-0.3), erased(0.0, 101, neutral=-0.3)
    judging = np.arange(N) % 2 == 0
    found = recommend(attention, random, [other_way], judging, 10.0, Resamples(0))
    (candidate,) = found.candidates
    assert candidate.removes_nothing
    assert not candidate.passed
    assert found.show_instead is found.cheap is found.best is None
    assert found.short == (
        "Show none: good ranks words better than attention and chance, and all the same the "
        "prediction is not shown to become less probable without what comes first there."
    )


def test_what_may_hardly_remove_anything_is_not_recommended_by_its_own_interval() -> None:
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(N)
    # Gaps are nearly the same in every text, and what is removed is anything.
    less = noise - 1 + 0.1 * generator.random(N)
    attention, random = (ErasureEffects(less, less) for _ in "ab")
    found = recommend(
        attention, random, [Orders(measure("good"), ErasureEffects(noise, noise), None)],
        np.arange(N) % 2 == 0, 10.0, Resamples(0),
    )  # fmt: skip
    gap = found.candidates[0].over_attention
    assert gap is not None
    assert gap.is_above_zero
    assert found.show_instead is None


def test_none_is_said_of_a_sample_where_other_texts_took_no_part() -> None:
    weak = Orders(measure("weak"), erased(0.3, 1), None)
    whole, part = recommended(weak), recommended(weak, n_not_sampled=1621)
    assert "sample" not in whole.short
    assert part.n_not_sampled == 1621
    assert part.short == (
        f"{whole.short} That is said of a sample: 1,621 other texts took no part, and with more "
        "of them (`--erasure-sample`) a smaller gap may show."
    )


def test_a_mix_fitted_to_permuted_effects_falls_to_random_order_or_no_mix_is_recommended() -> None:
    mix = Orders(HEAD_MIX, erased(0.5, 1), None)
    sound = recommended(mix, permuted=erased(0.2, 2))
    control = sound.permuted_over_random
    assert control is not None
    assert not control.is_above_zero
    assert sound.show_instead == "head_mix"
    odd = recommended(mix, permuted=erased(0.4, 2))
    assert odd.permuted_over_random is not None
    assert odd.permuted_over_random.own == pytest.approx(0.2, abs=0.05)
    assert odd.show_instead is None
    assert odd.short == (
        "Show none: the head mix ranks words better than attention and chance, but a mix that was "
        "fitted to permuted effects is better than chance, too."
    )
    others = recommended(Orders(measure("good"), erased(0.5, 1), None), permuted=erased(0.4, 2))
    assert others.show_instead == "good"


def test_the_control_is_of_the_texts_that_judge() -> None:
    judging = np.arange(N) % 2 == 0
    high = erased(0.2, 2)
    of_fitting = ErasureEffects(high.own + ~judging, high.neutral + ~judging)
    found = recommended(Orders(HEAD_MIX, erased(0.5, 1), None), permuted=of_fitting)
    assert found.permuted_over_random is not None
    assert found.permuted_over_random.own == pytest.approx(0.0, abs=0.05)
    unknown = ErasureEffects(np.full(N, np.nan), np.full(N, np.nan))
    assert recommended(permuted=unknown).permuted_over_random is None
