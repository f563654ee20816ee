"""What may be shown in the place of attention: every measure held against it, on other texts."""

from attn_audit.statistics.estimate import Interval
from attn_audit.statistics.summary import Value


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
    passes: int
    """Outputs that it takes of a text of median length."""
    n: int
    """Texts that judge it: those in which it, attention and random order all rank the units."""
    score: Part
    """How much of the prediction is gone where units are removed in its order."""
    over_attention: Part | None
    """By how much that is more than in the order of attention, text by text; None where no
    attention is seen."""
    over_random: Part
    p_value: float
    """The largest of its four comparisons, one-sided."""
    passed: bool
    """Whether it ranks better than both, after Holm's correction over the candidates."""


class Recommendation(Value):
    """Which of them may be shown, and what that rests on."""

    n_fitting: int
    """Texts that chose signs, and judged nothing."""
    n_judged: int
    attention: Part | None
    """None where no attention is seen, and where too few texts can judge."""
    random: Part | None
    attention_over_random: Part | None
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
