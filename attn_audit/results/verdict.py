"""What is judged: a report's answer, what to show instead, a policy, and the change between two."""

import json
from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from attn_audit.findings.registry import statistics
from attn_audit.findings.rule import Direction, Outcome
from attn_audit.results.storage import json_text
from attn_audit.statistics.summary import Interval, Value

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
    def _are_above_zero(self) -> tuple[bool, ...]:
        found = (self.own_interval, self.neutral_interval)
        return tuple(interval is not None and interval.low > 0 for interval in found)

    @property
    def is_above_zero_by_any(self) -> bool:
        """Whether one of the intervals is, wholly."""
        return any(self._are_above_zero)

    @property
    def is_above_zero(self) -> bool:
        """Whether both intervals are, wholly."""
        return all(self._are_above_zero)


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


class Level(StrEnum):
    """What a bound that does not pass does to the whole."""

    FAIL = "fail"
    WARN = "warn"
    """It is said, and changes nothing."""
    NO = "no"
    """Of a packaged rule: fails, and the answer is No."""
    HINT = "hint"
    """Of a packaged rule: passes, and the answer is no more than a hint."""
    NOTE = "note"
    """Of a packaged rule: it is said, and changes nothing."""

    @property
    def decides(self) -> bool:
        """Whether it is more than said."""
        return self in (Level.FAIL, Level.NO)


class Waiver(Value):
    """Leave to break a bound until a day."""

    metric: str
    reason: Annotated[str, Field(pattern=r"\S")]
    expires: Annotated[date, Field(strict=True)]
    """The last day on which it holds."""


class Judgement(Value):
    """One bound or requirement, held against a report."""

    metric: str
    """Dotted name of the metric, or `min_examples`, `min_coverage`, `min_accuracy`."""
    definition: str
    """What the metric is, in one sentence."""
    direction: Direction
    limit: float
    level: Level
    outcome: Outcome
    """What was found, before any waiver."""
    estimate: float | None
    """None: not measured."""
    interval: Interval | None
    """95 %; None where the number has none, and is judged by itself."""
    n: int | None
    """Examples behind the estimate."""
    reason: str
    """Why it came out so, in one sentence."""
    look_at: str
    """What to look at where it did not pass; empty where it did."""
    check: str | None = None
    """Id of the check whose number it is; None where it is of no check."""
    why: str | None = None
    """Where the bound comes from, as the policy says."""
    waiver: Waiver | None = None
    """The waiver in force; an expired one is none, and `reason` says so."""

    @property
    def is_share(self) -> bool:
        """Whether people read the number in percent; the change of one is in points."""
        known = statistics().get(self.metric)
        is_required = self.metric in ("min_coverage", "min_accuracy")
        return is_required if known is None else known.is_share

    @property
    def counts(self) -> Outcome:
        """What it does to the whole: what is only said passes, and so does a waived failure."""
        return self.outcome if self.level.decides and self.waiver is None else Outcome.PASS


class MayShow(StrEnum):
    """What a report answers."""

    YES = "yes"
    HINT = "hint"
    NO = "no"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """As people read it."""
        return {
            MayShow.YES: "Yes, within limits",
            MayShow.HINT: "Only as a hint",
            MayShow.NO: "No",
            MayShow.UNKNOWN: "Cannot be told",
        }[self]

    @property
    def outcome(self) -> Outcome:
        """What a gate makes of it that asks for nothing else."""
        found = {MayShow.NO: Outcome.FAIL, MayShow.UNKNOWN: Outcome.INCONCLUSIVE}
        return found.get(self, Outcome.PASS)


N_NAMED = 2
"""Rules that the sentence of a Yes names: the first."""


class CountedUnit(Value):
    """A unit, and in how many texts something is so of it."""

    unit: str
    n: int


class Answer(Value):
    """The packaged rules, held against a report. No policy and no waiver changes it."""

    verdict: MayShow
    sentence: str
    """Why, with the number that decided, and what it means for showing attention."""
    because: tuple[str, ...]
    """Metrics of the rules that decided."""
    units: tuple[CountedUnit, ...] = ()
    """Units that decide texts without having attention, the most frequent first."""
    layers: tuple[int, ...] = ()
    """Where the audited layer hardly matters: those at which it could be told, the best first."""
    show_instead: str | None = None
    """A measure that may be shown in the place of attention; None where none is known."""
    instead: str = ""
    """What may be shown, or that nothing may; empty where it was not asked, or attention may."""
    rules: str
    """Version of the rules and the first digits of their hash."""
    judgements: tuple[Judgement, ...]
    """Where each rule stands, and why."""

    @property
    def words(self) -> str:
        """The verdict, as people read it."""
        broken = (
            j for j in self.judgements if j.metric in self.because and j.counts is Outcome.FAIL
        )
        # A rule that is broken leaves it open only where other layers might say more.
        is_here_alone = self.verdict is MayShow.UNKNOWN and any(broken)
        here = " at this layer" if is_here_alone else ""
        return f"{self.verdict.words}{here}"

    @property
    def said(self) -> str:
        """All of it, as people read it."""
        return f"{self.words}. {self.sentence} {self.instead}".rstrip()

    @property
    def deciding_checks(self) -> tuple[str, ...]:
        """Ids of those whose numbers decided: none where a requirement did that is of no check.

        Of a Yes, which every rule has to pass, those that the sentence names.
        """
        is_yes = self.verdict is MayShow.YES
        named = self.because[:N_NAMED] if is_yes else self.because
        checks = [
            judgement.check
            for metric in named
            for judgement in self.judgements
            if judgement.metric == metric and (is_yes or judgement.outcome is not Outcome.PASS)
        ]
        of_checks = [check for check in checks if check is not None]
        return tuple(dict.fromkeys(of_checks)) if len(of_checks) == len(checks) else ()


class LabelAnswer(Value):
    """The packaged rules, held against what was found of a label, whatever is predicted."""

    label: str
    answer: Answer

    @property
    def decided(self) -> Judgement:
        """The first of the rules that decided."""
        of_first = [j for j in self.answer.judgements if j.metric == self.answer.because[0]]
        return next((j for j in of_first if j.outcome is not Outcome.PASS), of_first[0])


class Verdict(Value):
    """A whole policy, held against a report."""

    policy: str
    """Its name: the file's, or `default`."""
    policy_sha256: str
    """Of the policy's content."""
    subject: str = ""
    """What was judged: the model, and on which data."""
    answer: Answer | None = None
    """Of the report that was judged, whatever the policy says; None where changes were."""
    is_of_rules: bool = Field(default=False, exclude=True)
    """Whether the packaged rules are the policy: then the answer is the outcome."""
    judgements: tuple[Judgement, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst that counts: fail, then inconclusive, then pass."""
        if self.is_of_rules and self.answer is not None:
            return self.answer.verdict.outcome
        counted = {judgement.counts for judgement in self.judgements}
        worst = (Outcome.FAIL, Outcome.INCONCLUSIVE)
        return next((outcome for outcome in worst if outcome in counted), Outcome.PASS)

    def to_json(self) -> str:
        """The verdict as JSON text: the outcome first, then what it comes from."""
        content = self.model_dump(mode="json")
        for judgement, written in zip(self.judgements, content["judgements"], strict=True):
            written["counts"] = judgement.counts
        return json_text({"outcome": self.outcome, **content})


class Side(Value):
    """One of the two reports."""

    report: str
    """Its file, as the user wrote it."""
    model: str
    model_sha256: str | None
    data: str
    n_examples: int


class ChangedExample(Value):
    """One example, in both reports."""

    id: str
    base: float
    new: float
    text: str | None
    """Its units, as the base report's records spell them; None where these hold none, or no text is
    told."""


class Change(Value):
    """A number in both reports."""

    metric: str
    definition: str
    base: float
    """Paired: over the examples that have the number in both."""
    new: float
    difference: float
    """New minus base."""
    interval: Interval | None
    """95 %, of the difference. Paired: bootstrap or normal over the differences of the examples.
    Else `newcombe`, from the intervals of both; None where these have none."""
    effect_size: float | None
    """Cohen's d_z: mean over standard deviation of the paired differences. None where unpaired, or
    where every example changed by the same."""
    n: int | None
    """Paired: examples that have the number in both. Else the fewer of both."""
    n_undefined: int | None
    """Examples that lack the number in one report or both; None where unpaired."""
    is_paired: bool
    most_changed: tuple[ChangedExample, ...] = ()
    """The largest differences first; empty where unpaired."""

    @property
    def is_beyond_chance(self) -> bool:
        """Whether its interval lies on one side of 0."""
        interval = self.interval
        return interval is not None and (interval.low > 0 or interval.high < 0)


class Comparison(Value):
    """Two reports, the new one held beside the base."""

    base: Side
    new: Side
    n_pairs: int | None
    """Examples matched by id; None: the summaries alone were compared."""
    why_unpaired: str | None
    notes: tuple[str, ...]
    """What else differs between the reports, and which label both explain where one was named."""
    happened: str | None = None
    """Whether calibration moved or attention changed; None where margins are not in both."""
    recommended: str | None = None
    """Whether what the base shows instead of attention may be shown of the new model, too; None
    where it shows nothing."""
    changes: tuple[Change, ...]
    verdict: Verdict | None = None
    """What a policy says of the changes; None without one."""

    def to_json(self) -> str:
        """The comparison as JSON text, the same bytes for the same reports."""
        content = self.model_dump(mode="json")
        if self.verdict is not None:
            content["verdict"] = json.loads(self.verdict.to_json())
        return json_text(content)
