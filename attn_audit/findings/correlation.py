"""The correlation check: tau always beside its yardstick."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attn_audit.document import Cell, Figure, Histograms, Hue, Panel, Points, Table
from attn_audit.findings.check import (
    BY_PREDICTION,
    MAX_CLASSES,
    NOT_MEASURED,
    NOTHING_IN_SHORT,
    CheckFindings,
    Numbers,
    Record,
    TellingCriterion,
    classes_of,
    parts_of,
)
from attn_audit.findings.correlation_pairs import (
    ATTENTION_MARGIN,
    CHANCE,
    FIELDS,
    GAPS,
    METRICS,
    OF_LARGEST,
    OF_PERMUTED_BASELINE,
    OF_TWINS,
    OF_YARDSTICK,
    TWINS,
    YARDSTICK,
    PairMetrics,
    metrics_of,
    with_attention,
)
from attn_audit.findings.measure import MEASURES, usual_measures
from attn_audit.findings.metric import MeanMetric
from attn_audit.findings.rule import Outcome, held, is_covered, left_open
from attn_audit.findings.thresholds import ALIKE, SIGNIFICANT, SMALL_GAP
from attn_audit.numbers import count, counted, digits, mean, number, percent, share, with_interval
from attn_audit.statistics.summary import CountedShare, Distribution, GroupedDistribution

if TYPE_CHECKING:
    from attn_audit.results.model_description import ModelDescription
    from attn_audit.results.report import Report
    from attn_audit.results.table import Values

CAVEAT = "Agreement with these measures is not by itself faithfulness to the model."

TICKS = tuple(i / 2 for i in range(-2, 3))

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


@dataclass(frozen=True)
class PairResult:
    """What a report has of two rankings that are compared."""

    of: str
    """Attention's partner; of the yardstick, its name."""
    tau: GroupedDistribution
    metrics: PairMetrics
    hue: Hue
    gap: Distribution | None = None
    """By how much attention falls short of the yardstick."""

    @property
    def of_largest(self) -> MeanMetric | None:
        """The largest tau that ties allow; None of a measure from outside."""
        return next((of for p, of in OF_LARGEST.items() if p.tau is self.metrics.tau.values), None)

    @property
    def short(self) -> str:
        """Its name beside attention's."""
        return "yardstick" if self.hue is Hue.YARDSTICK else f"with {self.of}"

    @property
    def row(self) -> str:
        """Its name in tables."""
        return "the yardstick" if self.hue is Hue.YARDSTICK else f"attention with {self.of}"


def attentions(report: "Report") -> list[PairResult]:
    """Attention with each measure that was asked for."""
    found = []
    for measure in MEASURES:
        of, gap = metrics_of(with_attention(measure)), GAPS.get(measure)
        if (tau := report.get(of.tau)) is not None:
            falls_short = None if gap is None else report.get(gap)
            found.append(PairResult(measure.words, tau, of, measure.hue, falls_short))
    return found


def pairs(report: "Report") -> list[PairResult]:
    """The same, and last the yardstick: one measure with the other."""
    tau = report.get(OF_YARDSTICK.tau)
    last = [] if tau is None else [PairResult("the yardstick", tau, OF_YARDSTICK, Hue.YARDSTICK)]
    return [*attentions(report), *last]


def _tables(report: "Report") -> tuple[Table, ...]:
    if not any(pair.tau.n for pair in pairs(report)):
        return ()
    return _ties(report), _significance(report), _class_table(report), _by_group(report)


def _points(report: "Report") -> Points | None:
    rows = tuple(
        (pair.short, pair.tau.mean, pair.tau.interval, pair.hue)
        for pair in pairs(report)
        if pair.tau.mean is not None
    )
    if not rows:
        return None
    low = 0.0 if all(value >= 0 for _, value, _, _ in rows) else -1.0
    ends = ("0: unrelated" if low == 0 else "-1: reversed", "same order: 1")
    return Points(rows, (low, 1.0), ends, "Mean tau of each pair of rankings")


def _verdict(report: "Report") -> str:
    """Whether attention agrees with the measures as these do with each other."""
    yardstick = report.get(OF_YARDSTICK.tau)
    gaps = {pair.of: pair.gap for pair in attentions(report) if pair.gap is not None}
    if yardstick is None or not gaps:
        return "Open: without both measures there is no yardstick to hold attention against."
    if yardstick.mean is None:
        return NOT_MEASURED
    tau = with_interval(yardstick.mean, yardstick.interval)
    match held("min", ALIKE, yardstick):
        case Outcome.PASS:
            return _less(report, gaps)
        case Outcome.FAIL:
            return f"Open: the two measures themselves hardly agree on this model (tau {tau})."
        case Outcome.INCONCLUSIVE:
            said = f"the measures agree with each other at tau {tau}, and {ALIKE:g} is asked for"
            return left_open("correlation", report, yardstick.n, said)


def _less(report: "Report", gaps: dict[str, Distribution]) -> str:
    """By where the interval of each gap lies: within what is small, beyond it, or on both sides."""
    covered = is_covered("correlation", report)
    outcomes = {name: held("max", SMALL_GAP, gap, is_covered=covered) for name, gap in gaps.items()}
    found = set(outcomes.values())
    if found == {PASS}:
        return "Yes: it agrees with them about as much as they agree with each other."
    if found == {FAIL}:
        return "No: it agrees with them clearly less than they agree with each other."
    names = {kind: [name for name, of in outcomes.items() if of is kind] for kind in Outcome}
    if found == {PASS, FAIL}:
        return f"In part: about as much with {names[PASS][0]}, clearly less with {names[FAIL][0]}."
    known = [(name, gaps[name], gaps[name].mean) for name in names[INCONCLUSIVE]]
    numbers = [
        f"less by {'-' if gap is None else with_interval(gap, of.interval)} with {name}"
        for name, of, gap in known
    ]
    n = min(gaps[name].n for name in names[INCONCLUSIVE])
    said = left_open("correlation", report, n, *numbers)
    if found == {INCONCLUSIVE}:
        return said
    (decided,) = (name for name, of in outcomes.items() if of is not INCONCLUSIVE)
    how = "about as much" if outcomes[decided] is PASS else "clearly less"
    return f"In part: {how} with {decided}. {said}"


def _in_short(report: "Report") -> tuple[str, ...]:
    decimals = digits(*(pair.tau for pair in pairs(report)))
    known = [
        f"attention with {pair.of}: tau {mean(pair.tau, decimals)}"
        for pair in attentions(report)
        if pair.tau.n
    ]
    if not known:
        return (NOTHING_IN_SHORT,)
    yardstick = report.get(OF_YARDSTICK.tau)
    if yardstick is not None and yardstick.n:
        both = f"{_both('these two', known)} with each other, the yardstick"
        known.append(f"{both}: tau {mean(yardstick, decimals)}")
    of_margin = report.get(OF_TWINS[ATTENTION_MARGIN])
    if of_margin is not None and of_margin.n:
        effects = f"with effects on the margin: tau {mean(of_margin, decimals)}"
        known.append(f"{effects}; a rule asks only that it is not below 0")
    return tuple(known)


def _both(words: str, of_attention: Sequence[object]) -> str:
    """The measures of the yardstick, by name where attention is compared with more than these."""
    return words if len(of_attention) == 2 else "gradients and leave-one-out"


def _line(record: Record) -> str | None:
    named = [(with_attention(m).tau.name, f"with {m.words}") for m in MEASURES]
    known = [(tau, name) for field, name in named if (tau := record.get(field)) is not None]
    if (yardstick := record.get(YARDSTICK.tau.name)) is not None:
        known = [*known, (yardstick, f"between {_both('these two', known)}")]
    return f"tau: {', '.join(f'{number(tau)} {name}' for tau, name in known)}" if known else None


def _answer(report: "Report") -> tuple[str, ...]:
    known = [pair for pair in attentions(report) if pair.tau.n]
    if not known:
        return ("No example has a tau: see the degenerate examples.", *removal(report))
    decimals = digits(*(pair.tau for pair in known))
    agreed = " and ".join(f"{mean(pair.tau, decimals)} with {pair.of}" for pair in known)
    first = (
        f"Attention ranks an example's units with a mean tau of {agreed} "
        f"(1: the same order, 0: unrelated, -1: reversed; {_how_many(known)})."
    )
    return (first, *_yardstick(report), CAVEAT, *removal(report))


def _how_many(known: list[PairResult]) -> str:
    sizes = {pair.tau.n for pair in known}
    if len(sizes) == 1:
        return counted(sizes.pop(), "example")
    return " and ".join(f"{counted(pair.tau.n, 'example')} for {pair.of}" for pair in known)


def _yardstick(report: "Report") -> tuple[str, ...]:
    yardstick = report.get(OF_YARDSTICK.tau)
    if yardstick is None or yardstick.mean is None:
        return ("There is no yardstick: it takes both measures, gradients and leave-one-out.",)
    both = _both("the two measures", attentions(report))
    sentence = f"The yardstick: {both} agree with each other at tau {mean(yardstick)}."
    return (f"{sentence}{_weakness(yardstick)}", *_gaps(report))


def _weakness(yardstick: Distribution) -> str:
    match held("min", ALIKE, yardstick):
        case Outcome.PASS:
            return ""
        case Outcome.FAIL:
            return (
                f" That is low, less than {ALIKE:g}: where the measures themselves disagree, a low "
                "tau says little about attention."
            )
        case Outcome.INCONCLUSIVE:
            return f" Whether that is enough to judge attention by, {ALIKE:g}, is open."


def _gaps(report: "Report") -> tuple[str, ...]:
    phrases = [
        _gap(pair, pair.gap) for pair in attentions(report) if pair.gap is not None and pair.gap.n
    ]
    return (f"Example by example, attention agrees {'; '.join(phrases)}.",) if phrases else ()


def _gap(pair: PairResult, gap: Distribution) -> str:
    assert gap.mean is not None
    other = "leave-one-out does" if pair.hue is Hue.GRADIENT else "gradients do"
    if gap.interval is None or gap.interval.low <= 0 <= gap.interval.high:
        return f"with {pair.of} not measurably less or more than {other} (less by {mean(gap)})"
    direction, decimals = "less" if gap.mean > 0 else "more", digits(gap)
    low, high = sorted((abs(gap.interval.low), abs(gap.interval.high)))
    size, low_, high_ = (number(part, decimals) for part in (abs(gap.mean), low, high))
    return f"with {pair.of} {direction} than {other}, by {size} [{low_}, {high_}]"


def _figures(report: "Report") -> Iterator[Figure]:
    """Every pair's distribution, and attention's by predicted class."""
    known = [pair for pair in pairs(report) if pair.tau.n and pair.tau.histogram]
    if not known:
        return
    yield Histograms(
        name="tau_pairs",
        title="How alike the rankings are",
        reading=(
            "How many examples have which tau: 1 is the same order of the words, 0 unrelated, -1 "
            "reversed; dashed: the mean; colours, where there are two: the predicted class. The "
            "upper panels hold attention against a measure, the yardstick the two measures against "
            "each other: attention that tells what they tell lies as far to the right."
        ),
        panels=tuple(
            Panel(pair.of[0].upper() + pair.of[1:] if pair.hue is Hue.YARDSTICK
                  else f"Attention with {pair.of}", pair.tau, pair.hue,
                  classes=classes_of(pair.tau))
            for pair in known
        ),
        axis="Kendall's tau",
        counted="tau",
        ticks=TICKS,
    )  # fmt: skip
    labels = report.model.labels
    yield from _by_class([pair for pair in attentions(report) if pair.tau.n], labels)


def _by_class(known: list[PairResult], labels: Sequence[str]) -> Iterator[Figure]:
    """The classes that are predicted most, in label order; of more, nobody sees a pattern."""
    above, below = (*known, None, None)[:2]
    if above is None:
        return
    drawable = [g for g in above.tau.by_prediction if g.distribution.n and g.distribution.histogram]
    largest = sorted(drawable, key=lambda group: -group.distribution.n)[: MAX_CLASSES - 2]
    place = {name: i for i, name in enumerate(labels)}
    largest.sort(key=lambda group: place.get(group.name, len(place)))
    others = {} if below is None else {g.name: g.distribution for g in below.tau.by_prediction}
    if not largest:
        return
    yield Histograms(
        name="tau_by_class",
        title="By predicted class",
        reading=(
            "The same for the examples of each predicted class (their number in brackets): tau "
            f"with {above.of} upwards{f', with {below.of} downwards' if below else ''}; dashed: "
            "the means. Explanations that are worse for one class show as panels that lie further "
            "to the left."
        ),
        panels=tuple(
            Panel(
                f"{group.name} ({count(group.distribution.n)})",
                group.distribution,
                above.hue,
                others.get(group.name),
            )
            for group in largest
        ),
        axis="Kendall's tau" if below else f"Kendall's tau with {above.of}",
        counted="tau",
        ticks=TICKS,
        sides=None if below is None else (f"with {above.of}", f"with {below.of}"),
        n_columns=2 if len(largest) > 2 else 1,
    )


def _significance(report: "Report") -> Table:
    """Significantly positive and negative apart, beside chance and after correction."""
    return Table(
        title=f"Significant taus (p <= {SIGNIFICANT:g})",
        columns=("", "tested", "corrected +", "corrected -", "raw +", "raw -", "by chance"),
        rows=tuple(_significant(report, pair) for pair in pairs(report)),
        note="+ and -: above and below 0; corrected: Benjamini-Hochberg over all examples, false "
        f"discovery rate {SIGNIFICANT:g}; raw: each example by itself; by chance: as many of each "
        f"sign would be there raw if {CHANCE}",
    )


def _significant(report: "Report", pair: PairResult) -> tuple[Cell, ...]:
    of, chance = pair.metrics, report.get(pair.metrics.expected_by_chance)
    return (
        pair.row,
        count(report[of.significantly_positive].n),
        share(report[of.positive_after_correction]),
        share(report[of.negative_after_correction]),
        share(report[of.significantly_positive]),
        share(report[of.significantly_negative]),
        "-" if chance is None else percent(chance.value),
    )


P_VALUE = f"p <= {SIGNIFICANT:g}"
"""Over the share of significant taus, of either sign."""

TESTED = (
    f"{P_VALUE}: share of the taus that are significant, above or below 0, each by itself; of the "
    "examples, those too short to be tested are left out of it"
)
"""What stands in that column, of which the examples beside it may be more."""


def _class_table(report: "Report") -> Table:
    """Mean, deviation and share of significant taus of each predicted class, and of all."""
    return Table(
        ("", "examples", "tau", "sd", P_VALUE),
        tuple(row for pair in pairs(report) for row in _class_rows(report, pair)),
        f"Tau {BY_PREDICTION}: Table 2 of the paper",
        note=f"sd: over examples; {TESTED}",
    )


def _class_rows(report: "Report", pair: PairResult) -> Iterator[tuple[Cell, ...]]:
    significant, decimals = report.get(pair.metrics.significant), digits(pair.tau)
    shares = {} if significant is None else {p.name: p for p in significant.by_prediction}

    def row(name: str, tau: Distribution, found: CountedShare | None) -> tuple[Cell, ...]:
        spread = "-" if tau.sd is None else number(tau.sd, decimals)
        share_of_it = "-" if found is None else share(found)
        return f"  {name}", count(tau.n), mean(tau, decimals), spread, share_of_it

    for part in parts_of(pair.row, pair.tau.by_prediction):
        if isinstance(part, str):
            yield (part,)
        else:
            yield row(part.name, part.distribution, shares.get(part.name))
    yield row("all", pair.tau, significant)


def _ties(report: "Report") -> Table:
    """Every tau beside the largest that the ties of the two sides allow."""
    rows: list[tuple[Cell, ...]] = []
    for name, of, metric in (
        *((pair.row, pair.of_largest, pair.metrics.tau) for pair in pairs(report)),
        *((twin.row, OF_LARGEST[twin], OF_TWINS[twin]) for twin in TWINS),
    ):
        tau, largest = report.get(metric), None if of is None else report.get(of)
        if tau is None or not tau.n:
            continue
        written = "-" if largest is None or not largest.n else mean(largest)
        rows.append((name, count(tau.n), mean(tau), written))
        if metric is OF_TWINS[ATTENTION_MARGIN]:
            parts = ((part.name, part.distribution) for part in tau.by_confidence)
            rows += [(f"  p {stratum}", count(of_.n), mean(of_), "") for stratum, of_ in parts]
    permuted = report.get(OF_PERMUTED_BASELINE)
    if permuted is not None and permuted.n:
        rows.append(("shuffled attention with gradients", count(permuted.n), mean(permuted), ""))
    return Table(
        ("", "examples", "tau", "largest"),
        tuple(rows),
        "Mean tau beside the largest that ties allow",
        note="largest: the tau of each side sorted by itself; with many ties it is below 1. "
        "Effects on the margin rank alike whatever the scale of the logits; p: the probability of "
        "what is predicted; shuffled: one order of each text's weights, and the gradient with "
        "attention held at just that",
    )


def _by_group(report: "Report") -> Table:
    """Mean taus by length and confidence."""
    found = pairs(report)
    rows: list[tuple[Cell, ...]] = []
    for title, of_pairs in (
        ("by length", [pair.tau.by_length for pair in found]),
        ("by confidence", [pair.tau.by_confidence for pair in found]),
    ):
        taus = [{part.name: part.distribution for part in parts} for parts in of_pairs]
        for part in parts_of(title, max(of_pairs, key=len, default=())):
            if isinstance(part, str):
                rows.append((part,))
                continue
            cells = (of_pair.get(part.name) for of_pair in taus)
            written = ("-" if cell is None else mean(cell) for cell in cells)
            rows.append((f"  {part.name}", count(part.distribution.n), *written))
    return Table(("", "examples", *(pair.row for pair in found)), tuple(rows), "Mean tau by group")


def removal(report: "Report") -> tuple[str, ...]:
    """How leave-one-out left units out, and why so; nothing where it was not measured.

    The paper's models have one way only, and say nothing.
    """
    findings = report.model.findings
    if findings is None or "leave_one_out" not in report.settings.correlated:
        return ()
    unit = report.settings.unit
    if findings.removal == "delete":
        shift = "the tokens behind it move up"
        return (f"Leave-one-out deletes each {unit}, and {shift}: {_why_deleted(report.model)}.",)
    together = ", all its tokens together" if unit == "word" else ""
    hidden = f"Leave-one-out hides each {unit} by the attention mask{together}"
    said, n = f"{hidden}; the others keep their places.", report.data.n_readout_deleted
    if n == 0:
        return (said,)
    return (
        said,
        f"In {counted(n, 'example')} the {unit} that the output is read from is itself audited; "
        f"what it holds cannot be hidden, so that {unit} is deleted.",
    )


def _why_deleted(model: "ModelDescription") -> str:
    leaks = None if model.findings is None else model.findings.masking_leaks
    if leaks is None:
        return model.no_mask_because
    if leaks:
        return "in this model a masked token still moves the output"
    return "as was asked for, masking would be exact"


def _auditable(model: "ModelDescription") -> str:
    """With which measures, and how leave-one-out leaves a unit out."""
    found = model.findings
    if found is None:
        return "yes: with gradients and with leave-one-out"
    by = f"(by {'attention mask' if found.removal == 'mask' else 'deletion'})"
    if found.no_gradient_because is None:
        return f"yes: with gradients and with leave-one-out {by}"
    alone = f"with leave-one-out alone {by} (--measures leave_one_out)"
    return f"{alone}: {found.no_gradient_because}"


def _mean_tau(numbers: Numbers) -> "Values":
    import numpy as np

    # Not of those that are made of attention: they rank as it does by construction.
    taus = np.array([numbers(with_attention(measure).tau) for measure in usual_measures()])
    n_known = (~np.isnan(taus)).sum(axis=0)
    mean: Values = np.nansum(taus, axis=0) / np.where(n_known > 0, n_known, np.nan)
    return mean


FINDINGS = CheckFindings(
    "correlation", "Correlation",
    "Does attention rank the words as gradients and leave-one-out rank them?", FIELDS, METRICS,
    verdict=_verdict, in_short=_in_short, answer=_answer, line=_line, tables=_tables,
    figures=_figures, picture=_points, is_tabled=True, auditable=_auditable,
    telling=(
        TellingCriterion(
            "disagreeing", "Attention and the importance measures rank the units least alike",
            lambda numbers: -_mean_tau(numbers), "where attention disagrees most with the measures",
        ),
        TellingCriterion(
            "agreeing", "Attention and the importance measures rank the units most alike",
            _mean_tau,
        ),
    ),
)  # fmt: skip
