"""Erasure: does leaving units out in the order of an explanation move the prediction?"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from attn_audit.document import Card, Figure, Hue, Points, Ranked, Section, Table
from attn_audit.findings import claims
from attn_audit.findings.check import CheckFindings
from attn_audit.findings.erasure.rankings import (
    ABOVE_RANDOM,
    AGREEMENT,
    AOPC,
    ATTENTION,
    FIELDS,
    METRICS,
    N_BEAM,
    N_EXACT,
    N_JUDGED,
    NEUTRAL,
    OF_LIMITS,
    OF_MARGIN,
    RANDOM,
    SACO,
    SUFFICIENCY,
    UPPER,
    Ranking,
    rankings,
)
from attn_audit.findings.groups import NOT_MEASURED, folded, group_table, section_of
from attn_audit.findings.rule import Outcome
from attn_audit.findings.thresholds import CHANCE
from attn_audit.numbers import bracket, count, counted, mean, mean_percent, number
from attn_audit.statistics.estimate import Interval
from attn_audit.statistics.summary import Distribution

if TYPE_CHECKING:
    from attn_audit.results.report import Report

QUESTION = (
    "Does leaving out units in the order of attention move the prediction more than in random "
    "order, and how near to the most that any order could?"
)
WITHOUT_ATTENTION = QUESTION.replace("of attention", "that some measure gives")

LIMITS = (-1.0, 1.0)


def _question(report: "Report") -> str:
    return QUESTION if report.model.no_attention_because is None else WITHOUT_ATTENTION


def _known(report: "Report") -> list[tuple[Ranking, Distribution]]:
    """The rankings that were judged, the largest mean gain first."""
    found = ((ranking, report.get(ranking.means[AOPC])) for ranking in rankings())
    known = [(r, of) for r, of in found if of is not None and of.mean is not None]
    return sorted(known, key=lambda each: -(each[1].mean or 0.0))


def section(report: "Report") -> Section:
    """Question, answer, the picture, and a line for each ranking."""
    known = _known(report)
    tables = [_table(report, known)] if known else []
    of_attention = report.get(ATTENTION.means[AOPC])
    if of_attention is not None and of_attention.mean is not None:
        tables.append(group_table("gain, in the order of attention", of_attention, LIMITS))
    blocks = (folded(report, *tables),) if tables else ()
    question = _question(report)
    return section_of("erasure", "Erasure", question, answer(report), figures(report), *blocks)


def _table(report: "Report", known: list[tuple[Ranking, Distribution]]) -> Table:
    def written(ranking: Ranking, name: str) -> str:
        metric = ranking.means.get(name)
        found = None if metric is None else report.get(metric)
        if found is None:
            return "-"
        return mean_percent(found) if name == ABOVE_RANDOM else mean(found)

    def row(ranking: Ranking) -> tuple[str, ...]:
        gap = ranking.gaps.get(AOPC)
        to_attention = None if gap is None else report.get(gap)
        return (
            ranking.words,
            *(written(ranking, name) for name in (AOPC, NEUTRAL, OF_MARGIN, SUFFICIENCY)),
            "-" if to_attention is None else mean(to_attention),
            *(written(ranking, name) for name in (ABOVE_RANDOM, SACO)),
            _score(report, ranking),
        )

    columns = (
        "order of", "gain", "neutral", "of the margin", "only these stay", "above attention",
        "above random", "SaCo", "score",
    )  # fmt: skip
    return Table(columns, tuple(row(ranking) for ranking, _ in known), "By ranking")


def _score(report: "Report", ranking: Ranking) -> str:
    metric = ranking.scores.get(AOPC)
    found = None if metric is None else report.get(metric)
    if found is None:
        return "-"
    return f"{number(found.value)} {bracket(found.interval)}".rstrip()


def card(report: "Report") -> Card:
    """The same at a glance."""
    said = verdict(report), in_short(report), _points(report)
    return Card("erasure", "Erasure", _question(report), *said)


def _points(report: "Report") -> Points | None:
    known = _known(report)
    if not known:
        return None
    rows = tuple(
        (r.words, of.mean or 0.0, of.interval, Hue.YARDSTICK if r is RANDOM else Hue.OTHER)
        for r, of in known
    )
    ends = [end for _, value, interval, _ in rows for end in _ends(value, interval)]
    limits = (min(0.0, *ends), max(0.0, *ends))
    said = "Mean gain by leaving out in the order of each ranking"
    return Points(rows, limits, (number(limits[0]), number(limits[1])), said)


def _ends(value: float, interval: Interval | None) -> tuple[float, float]:
    return (value, value) if interval is None else (interval.low, interval.high)


def verdict(report: "Report") -> str:
    """Whether attention ranks units better than chance does; without any, what does."""
    if report.model.no_attention_because is not None and report.recommendation is not None:
        return report.recommendation.short
    above = report.get(ATTENTION.means[ABOVE_RANDOM])
    if above is None or above.mean is None:
        return NOT_MEASURED
    if claims.held("min", CHANCE, above) is Outcome.PASS:
        return "Yes: more than in most random orders."
    if claims.held("min", CHANCE, above) is Outcome.FAIL:
        return "No: less than in most random orders."
    said = f"above {claims.percent_between(above.mean, above.interval)} of random orders"
    return claims.left_open("erasure", report, above.n, said)


def in_short(report: "Report") -> tuple[str, ...]:
    """The gains of attention, of the best measure and of chance, in short lines."""
    known = _known(report)
    if not known:
        return ("no example could be measured",)
    shown = dict(known)
    chosen = [r for r in (known[0][0], ATTENTION, RANDOM) if r in shown]
    return tuple(f"{r.words}: {mean(shown[r])}" for r in dict.fromkeys(chosen))


def line(record: Mapping[str, Any]) -> str | None:
    """What the order of attention does to one example."""
    own, random = (record.get(r.fields[AOPC].name) for r in (ATTENTION, RANDOM))
    if own is None or random is None:
        return None
    upper = record.get(UPPER[AOPC].name)
    most = "" if upper is None else f"; the best order found: {number(upper)}"
    return (
        f"left out in the order of attention, the prediction loses {number(own)}, in random orders "
        f"{number(random)}{most}"
    )


def answer(report: "Report") -> tuple[str, ...]:
    """What the check found, in sentences."""
    known, shown = _known(report), dict(_known(report))
    if RANDOM not in shown:
        return ("No example could be measured: see the degenerate examples.",)
    unit, n = report.settings.unit, int(report[N_JUDGED].value)
    first = (
        f"Of {counted(n, 'text')}, {unit}s are left out one after the other in some order; what is "
        "predicted becomes less probable, on average over how many are gone, by "
        + ", ".join(f"{mean(of)} ({r.words})" for r, of in known)
        + "."
    )
    leading = ATTENTION if report.model.no_attention_because is None else known[0][0]
    return (first, *_against_limits(report, leading), *_other_way(report, shown, leading))


def _against_limits(report: "Report", leading: Ranking) -> Iterator[str]:
    upper = report.get(OF_LIMITS[UPPER[AOPC]])
    if upper is None or upper.mean is None:
        return
    exact, beam = int(report[N_EXACT].value), int(report[N_BEAM].value)
    how = f"exactly in {counted(exact, 'text')}"
    if beam:
        how += f", and by a search, which may miss better ones, in {count(beam)}"
    yield (
        f"The best order reaches {mean(upper)} on those texts for which it is known ({how}). The "
        "score is what an order gains over random ones there, as a part of what the best gains: "
        f"{leading.words} {_score(report, leading)}."
    )


def _other_way(
    report: "Report", shown: Mapping[Ranking, Distribution], leading: Ranking
) -> Iterator[str]:
    neutral = report.get(leading.means[NEUTRAL])
    if neutral is None or neutral.mean is None:
        yield (
            "A second way of leaving out, with neutral units in their place, was not to be had: "
            "what is found may be the way's doing."
        )
        return
    agreement = report.get(AGREEMENT)
    said = (
        ""
        if agreement is None
        else (
            f" Both ways order the {count(len(shown))} rankings with a Kendall's tau of "
            f"{number(agreement.value)}."
        )
    )
    yield (
        "With neutral units in their place, which keeps the length of the text, the order of "
        f"{leading.words} takes away {mean(neutral)}.{said}"
    )


def figures(report: "Report") -> Iterator[Figure]:
    """Every ranking against chance and the best order."""
    known = _known(report)
    chance = report.get(RANDOM.means[AOPC])
    if not known or chance is None or chance.mean is None:
        return
    upper = report.get(OF_LIMITS[UPPER[AOPC]])
    best = None if upper is None or upper.mean is None else ("best order", upper.mean)
    yield Ranked(
        name="erasure",
        title="What leaving out in each order takes away",
        reading=(
            "The mean fall of the prediction's probability as units are left out, with its 95 % "
            "interval; further to the right is better. The band is what random orders give. The "
            "best order is known of short texts and of some others alone, so that its line is of "
            "fewer texts."
        ),
        rows=tuple((r.words, of.mean or 0.0, of.interval) for r, of in known if r is not RANDOM),
        axis="mean gain (AOPC)",
        band=("random", chance.mean, chance.interval),
        best=best,
    )


FINDINGS = CheckFindings(
    "erasure", FIELDS, METRICS, section=section, card=card, line=line, is_default=False,
    needs_attention=False,
)  # fmt: skip
