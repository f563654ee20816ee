"""What to show instead of attention: which measure ranks units as removing them does.

One half of the texts chooses the sign of each measure and fits the mix of heads, the other judges.
A measure is recommended only if the prediction becomes less probable without what it ranks first,
more so than in the order of attention (where any is seen) and in random order, under both ways of
leaving units out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attn_audit.findings import erasure
from attn_audit.findings.erasure import ATTENTION, PERMUTED, RANDOM, WAYS, Ranking
from attn_audit.findings.example import N_UNITS, Status
from attn_audit.findings.measure import HEAD_MIX, LEAVE_ONE_OUT, MEASURES, Measure
from attn_audit.findings.thresholds import SIGNIFICANT
from attn_audit.numbers import counted, number
from attn_audit.results.verdict import FEW_PASSES, Candidate, MayShow, Part, Recommendation

if TYPE_CHECKING:
    from attn_audit.results.table import Examples, Members, Values
    from attn_audit.statistics.intervals import Resamples

FEWEST_TEXTS = 40
"""Texts that can judge: fewer say nothing of others."""


@dataclass(frozen=True)
class ErasureEffects:
    """How much of each text's prediction is gone, a mean over how many units were removed."""

    own: "Values"
    """By the model's own way of leaving out; NaN where nothing is ranked."""
    neutral: "Values"

    def __sub__(self, other: "ErasureEffects") -> "ErasureEffects":
        return ErasureEffects(self.own - other.own, self.neutral - other.neutral)

    def of(self, texts: "Members") -> "ErasureEffects":
        """That of some texts."""
        return ErasureEffects(self.own[texts], self.neutral[texts])

    @property
    def is_known(self) -> "Members":
        """In which texts both are."""
        import numpy as np

        known: Members = ~np.isnan(self.own + self.neutral)
        return known


@dataclass(frozen=True)
class Orders:
    """What erasure found of a measure's orders."""

    measure: Measure
    signed: ErasureEffects
    """The units that speak most for the prediction first."""
    by_magnitude: ErasureEffects | None
    """Those of the largest scores first; None where no score is below 0."""


def recommendation_of(
    examples: "Examples", resamples: "Resamples", *, has_attention: bool = True
) -> Recommendation:
    """What the records of an audit with erasure say."""
    import numpy as np

    halves = np.array(examples.strings(erasure.HALF))
    n_units = examples.numbers(N_UNITS)[halves != ""]

    def effects(ranking: Ranking) -> ErasureEffects:
        return ErasureEffects(*(examples.numbers(ranking.fields[way]) for way in WAYS))

    found = []
    for measure in MEASURES:
        if measure.is_of_correlation:
            continue
        signed, *sizes = map(effects, erasure.rankings_of(measure))
        if bool(signed.is_known.any()):
            found.append(Orders(measure, signed, sizes[0] if sizes else None))
    median = float(np.median(n_units)) if len(n_units) else 0.0
    not_sampled = examples.counts(erasure.STATUS).get(Status.NOT_SAMPLED, 0)
    return recommend(
        effects(ATTENTION) if has_attention else None,
        effects(RANDOM),
        found,
        halves == erasure.JUDGE,
        median,
        resamples,
        permuted=effects(PERMUTED),
        n_not_sampled=not_sampled,
    )


def recommend(
    attention: ErasureEffects | None,
    random: ErasureEffects,
    found: Sequence[Orders],
    is_judging: "Members",
    n_units: float,
    resamples: "Resamples",
    *,
    permuted: ErasureEffects | None = None,
    n_not_sampled: int = 0,
) -> Recommendation:
    """Hold every measure against attention and against random order.

    Args:
        is_judging: Which texts judge; the others choose signs.
        n_units: Of a text of median length, which a measure's passes are counted for.
        permuted: Of a head mix that was fitted to permuted effects, which has to be as good as
            random order, or no head mix is recommended; None where there is none.

    Source:
        Holm (1979), "A simple sequentially rejective multiple test procedure". That all six
        comparisons must hold, and the largest p-value stands for them: Berger (1982),
        "Multiparameter hypothesis testing and acceptance sampling".
    """
    floor = random.is_known
    if attention is not None:
        floor = floor & attention.is_known
    fitting, texts = floor & ~is_judging, floor & is_judging
    n_fitting, n_judged = int(fitting.sum()), int(texts.sum())
    if n_judged < FEWEST_TEXTS:
        few = (
            f"{MayShow.UNKNOWN.words}: {counted(n_judged, 'text')} set aside to judge, and "
            f"{FEWEST_TEXTS} are the least. {_more(n_not_sampled)}"
        )
        return Recommendation(
            n_fitting=n_fitting, n_judged=n_judged, n_not_sampled=n_not_sampled,
            attention=None, random=None, attention_over_random=None, candidates=(), cheap=None,
            best=None, tied=(), show_instead=None, sentence=few, short=few,
        )  # fmt: skip
    judged: dict[str, ErasureEffects] = {}
    candidates = []
    for orders in found:
        measure, (by_magnitude, effects) = orders.measure, _chosen(orders, fitting)
        known = texts & effects.is_known
        n = int(known.sum())
        if n < FEWEST_TEXTS:
            continue
        judged[measure.name] = effects.of(texts)
        score, over_random = effects.of(known), (effects - random).of(known)
        over_attention = None if attention is None else (effects - attention).of(known)
        candidates.append(
            Candidate(
                measure=measure.name,
                by_magnitude=by_magnitude,
                is_signed=measure.is_signed,
                is_deterministic=measure.is_deterministic,
                passes=measure.passes(round(n_units)),
                n=n,
                score=_part(score, resamples),
                over_attention=None if over_attention is None else _part(over_attention, resamples),
                over_random=_part(over_random, resamples),
                p_value=_p_value(*filter(None, (over_attention, over_random)), score),
                passed=False,
            )
        )
    control = None
    if permuted is not None and bool((known := texts & permuted.is_known).any()):
        control = _part((permuted - random).of(known), resamples)
    candidates = _corrected(candidates, control)
    passed = [each for each in candidates if each.passed]
    others = [each for each in passed if each.measure != LEAVE_ONE_OUT.name]
    cheap = [each for each in others if each.passes <= FEW_PASSES]
    shown, tied = _cheapest(cheap or others or passed, judged, resamples)
    recommendation = Recommendation(
        n_fitting=n_fitting,
        n_judged=n_judged,
        n_not_sampled=n_not_sampled,
        permuted_over_random=control,
        attention=None if attention is None else _part(attention.of(texts), resamples),
        random=_part(random.of(texts), resamples),
        attention_over_random=(
            None if attention is None else _part((attention - random).of(texts), resamples)
        ),
        candidates=tuple(candidates),
        cheap=cheap[0].measure if cheap else None,
        best=(others or passed)[0].measure if passed else None,
        tied=tuple(each.measure for each in tied),
        show_instead=None if shown is None else shown.measure,
        sentence="",
        short="",
    )
    words = {orders.measure.name: orders.measure.words for orders in found}
    short, numbers = _sentences(recommendation, words)
    return recommendation.model_copy(update={"sentence": f"{short} {numbers}", "short": short})


def _more(n_not_sampled: int) -> str:
    if n_not_sampled:
        return (
            f"{counted(n_not_sampled, 'other text')} took no part: `--erasure-sample` takes more."
        )
    return "There were no others: `--limit` takes more."


def still_recommended(base: Recommendation | None, new: Recommendation | None) -> str | None:
    """Whether what is shown instead of one model's attention may be shown of the next one's.

    Returns:
        A sentence; None where the base shows nothing instead.
    """
    if base is None or base.show_instead is None:
        return None
    words = next((m.words for m in MEASURES if m.name == base.show_instead), base.show_instead)
    shown = f"What the base shows instead, {words},"
    if new is None or new.random is None:
        return f"{shown} was not judged again: audit the new model with erasure."
    found = new.candidate(base.show_instead)
    if found is None:
        return f"{shown} was not judged of the new model."
    ranks = "still ranks" if found.passed else "is no longer shown to rank"
    if found.over_attention is None:
        return (
            f"{shown} {ranks} words better than random order (removes {_range(found.over_random)} "
            "more of the prediction; no attention is seen of the new model)."
        )
    return (
        f"{shown} {ranks} words better than attention and than random order (removes more than "
        f"attention {_range(found.over_attention)}, than random order {_range(found.over_random)} "
        "of the prediction)."
    )


def _chosen(orders: Orders, fitting: "Members") -> tuple[bool, ErasureEffects]:
    """The sign that removes more on the texts set aside; without any, signed scores stay so."""
    import numpy as np

    if orders.by_magnitude is None:
        return False, orders.signed
    texts = fitting & orders.signed.is_known & orders.by_magnitude.is_known
    gap = (orders.by_magnitude - orders.signed).of(texts)
    is_larger = bool(texts.any()) and float(np.mean(gap.own + gap.neutral)) > 0
    return is_larger, orders.by_magnitude if is_larger else orders.signed


def _part(effects: ErasureEffects, resamples: "Resamples") -> Part:
    from attn_audit.statistics.intervals import mean, mean_interval

    return Part(
        own=mean(effects.own),
        own_interval=mean_interval(effects.own, resamples),
        neutral=mean(effects.neutral),
        neutral_interval=mean_interval(effects.neutral, resamples),
    )


def _p_value(*found: ErasureEffects) -> float:
    """Of any of these being no larger than 0: the largest of one-sided t-tests."""
    import numpy as np
    from scipy.stats import ttest_1samp

    return max(
        float(ttest_1samp(way, 0.0, alternative="greater").pvalue) if np.ptp(way) > 0 else 1.0
        for each in found
        for way in (each.own, each.neutral)
    )


def _corrected(candidates: Sequence[Candidate], control: Part | None) -> list[Candidate]:
    """With those that passed, the best first."""
    is_fit_sound = control is None or not control.is_above_zero
    held, stands = [], True
    for i, each in enumerate(sorted(candidates, key=lambda each: each.p_value)):
        # A 95 % interval leaves 2.5 % on each side.
        stands = stands and each.p_value <= SIGNIFICANT / 2 / (len(candidates) - i)
        is_above = each.is_better and each.score.is_above_zero
        is_sound = is_fit_sound or each.measure != HEAD_MIX.name
        held.append(each.model_copy(update={"passed": stands and is_above and is_sound}))
    return sorted(held, key=lambda each: -each.score.mean)


def _cheapest(
    pool: Sequence[Candidate], judged: Mapping[str, ErasureEffects], resamples: "Resamples"
) -> tuple[Candidate | None, list[Candidate]]:
    """The best of some candidates, or the cheapest of those that tie with it; and the others."""
    if not pool:
        return None, []
    alike = [pool[0]]
    for each in pool[1:]:
        gap = judged[pool[0].measure] - judged[each.measure]
        if not _part(gap.of(gap.is_known), resamples).is_above_zero_by_any:
            alike.append(each)
    shown = min(alike, key=lambda each: (each.passes, -each.score.mean))
    return shown, [each for each in alike if each is not shown]


def _sentences(found: Recommendation, words: Mapping[str, str]) -> tuple[str, str]:
    attention, random, is_better = found.attention, found.random, found.attention_over_random
    assert random is not None
    texts = f"{counted(found.n_judged, 'text')} set aside to judge; left out and by neutral ones"
    beside = f"at random by {_range(random)} ({texts})"
    if found.show_instead is None:
        moved = (
            f"Words taken away move the prediction {beside}."
            if attention is None
            else f"Words in attention's order move the prediction by {_range(attention)}, {beside}."
        )
        return _none(found, is_better, words) + _of_a_sample(found), moved
    shown = found.candidate(found.show_instead)
    assert shown is not None
    name = words[shown.measure]
    greedy = ""
    if shown.measure == LEAVE_ONE_OUT.name:
        greedy = " It is the greedy reference of this very number, which removes words, too."
    tied = [words[each] for each in found.tied]
    ties = f" {', '.join(tied)} {'ties' if len(tied) == 1 else 'tie'} with it." if tied else ""
    than, in_its_order = "words at random does", ""
    if attention is not None:
        than, in_its_order = "those that attention does", f"in attention's by {_range(attention)}, "
    return (
        f"Show {name} instead: taking away the words that it ranks first changes the prediction "
        f"more than taking away {than}.",
        f"Words in its order move the prediction by {_range(shown.score)}, {in_its_order}{beside}."
        f"{ties}{greedy}",
    )


def _none(found: Recommendation, is_better: Part | None, words: Mapping[str, str]) -> str:
    """That nothing is recommended, and what is known all the same."""
    if not found.candidates:
        return "No measure beside attention could be judged."
    alone = [each for each in found.candidates if each.removes_nothing]
    if alone:
        names = " and ".join(words[each.measure] for each in alone)
        ranks = "ranks" if len(alone) == 1 else "rank"
        than = "chance" if is_better is None else "attention and chance"
        return (
            f"Show none: {names} {ranks} words better than {than}, and all the same "
            "the prediction is not shown to become less probable without what comes first there."
        )
    control, mix = found.permuted_over_random, found.candidate(HEAD_MIX.name)
    if control is not None and control.is_above_zero and mix is not None and mix.is_better:
        return (
            f"Show none: {words[mix.measure]} ranks words better than attention and chance, but a "
            "mix that was fitted to permuted effects is better than chance, too."
        )
    if is_better is None:
        return "No measure is shown to rank words better than chance: show none of them."
    if is_better.is_above_zero:
        return "No measure that was tried is shown to rank words better than attention."
    if any(each.over_random.is_above_zero for each in found.candidates):
        return "No measure is shown to rank words better than both attention and chance."
    return (
        "No measure is shown to rank words better than chance: show none of them, attention "
        "included."
    )


def _of_a_sample(found: Recommendation) -> str:
    """Where most texts may not have been asked."""
    if not found.n_not_sampled:
        return ""
    return (
        f" That is said of a sample: {counted(found.n_not_sampled, 'other text')} took no part, "
        "and with more of them (`--erasure-sample`) a smaller gap may show."
    )


def _range(part: Part) -> str:
    """Both numbers, or one where they are written alike."""
    own, neutral = number(part.own), number(part.neutral)
    return own if own == neutral else f"{own} and {neutral}"
