"""What may be shown in the place of attention: every measure held against it, on other texts."""

from attn_audit.statistics.estimate import Interval
from attn_audit.statistics.summary import Value

FEW_PASSES = 3
"""That a measure may take of each text to be cheap enough to be shown with every prediction."""


class Part(Value):
    """A mean over texts, under both ways of leaving out."""

    own: float
    """As the model's units are left out best: masked, or deleted."""
    own_interval: Interval | None
    neutral: float
    """Each replaced by a neutral unit."""
    neutral_interval: Interval | None

    @property
    def mean(self) -> float:
        """Of both."""
        return (self.own + self.neutral) / 2

    @property
    def is_above_zero_by_any(self) -> bool:
        """Whether one of the intervals is, wholly."""
        ends = (self.own_interval, self.neutral_interval)
        return any(interval is not None and interval.low > 0 for interval in ends)

    @property
    def is_above_zero(self) -> bool:
        """Whether both intervals are, wholly."""
        ends = (self.own_interval, self.neutral_interval)
        return all(interval is not None and interval.low > 0 for interval in ends)


class Candidate(Value):
    """One measure that might be shown."""

    measure: str
    by_magnitude: bool
    """Whether units are ranked by the size of scores, as the fitting half chose."""
    is_signed: bool
    """Whether its scores say which units speak against the prediction."""
    is_deterministic: bool | None
    """Whether it draws nothing; None of scores that came with the data."""
    passes: int
    """That it takes of a text of median length, as a rule: a run may have measured more."""
    n: int
    """Texts that judge it: those in which it, attention and random order all rank the units."""
    score: Part
    """How much of the prediction is gone where units are removed in its order."""
    over_attention: Part | None
    """By how much that is more than in the order of attention, text by text; None where no
    attention is seen."""
    over_random: Part
    p_value: float
    """The largest of its comparisons, one-sided: with attention, with random order, with 0."""
    passed: bool
    """Whether it ranks better than both, and removes anything, after Holm's correction over the
    candidates."""

    @property
    def is_better(self) -> bool:
        """Whether it ranks better than attention (where any is seen) and than random order."""
        gaps = filter(None, (self.over_attention, self.over_random))
        return all(gap.is_above_zero for gap in gaps)

    @property
    def removes_nothing(self) -> bool:
        """Whether it does, and the prediction is not shown to lose anything all the same."""
        return self.is_better and not self.score.is_above_zero


class Recommendation(Value):
    """Which of them may be shown, and what that rests on."""

    n_fitting: int
    """Texts that chose signs and fitted the mix, and judged nothing."""
    n_judged: int
    n_not_sampled: int = 0
    """Texts that neither chose nor judged, since the sample left them out."""
    attention: Part | None
    """None where no attention is seen, and where too few texts can judge."""
    random: Part | None
    attention_over_random: Part | None
    permuted_over_random: Part | None = None
    """By how much a head mix that was fitted to permuted effects is above random order: it must not
    be. None where no mix was fitted."""
    candidates: tuple[Candidate, ...]
    """The best first."""
    cheap: str | None
    """The best that takes at most three passes."""
    best: str | None
    """The best at any cost; leaving one out, which removes as the number does, if no other is."""
    tied: tuple[str, ...]
    """Those that are no worse than `show_instead`, as far as these texts can tell."""
    show_instead: str | None
    sentence: str
    """With the numbers."""
    short: str
    """Without them."""

    def candidate(self, measure: str) -> Candidate | None:
        """That of a measure."""
        return next((each for each in self.candidates if each.measure == measure), None)
