"""Several layers and heads beside each other, in words: which stand out, and how much that says."""

from collections.abc import Sequence

from attn_audit.formats.numbers import count, number
from attn_audit.formats.sentences.site_measures import (
    INTERVENTIONS,
    MASS,
    TAUS,
    Measure,
    measured,
    ranked,
    written,
)
from attn_audit.results.report import Report
from attn_audit.results.summary import SiteSummary

NOTHING_MEASURED = "No layer and no head could be measured: see the degenerate examples."

QUESTION = "How do layers and heads compare, each by itself?"

CAVEAT = (
    "The highest and the lowest of many are so partly by chance: before relying on one, hold it to "
    "other texts."
)


def title(sites: Sequence[SiteSummary]) -> str:
    """How the sites are told apart.

    Args:
        sites: Of a report.
    """
    return "By head" if any(site.head is not None for site in sites) else "By layer"


def name(site: SiteSummary) -> str:
    """What a site is called in a sentence.

    Args:
        site: Of a report.
    """
    return f"layer {site.layer}" if site.head is None else f"head {site.head} of layer {site.layer}"


def in_short(report: Report) -> tuple[str, ...]:
    """How far apart the sites are: by each tau, or where there is none by the first number.

    Args:
        report: With several sites.
    """
    by_taus = [line for measure in TAUS for line in _span(report, measure)]
    return tuple(by_taus or [line for measure in INTERVENTIONS for line in _span(report, measure)])


def _span(report: Report, measure: Measure) -> tuple[str, ...]:
    order = ranked(report.sites, measure)
    if len(order) < 2:
        return ()
    least, most = (written(site, measure, with_interval=False) for site in (order[0], order[-1]))
    return (f"{measure.name} {least} to {most} ({name(order[-1])})",)


def answer(report: Report) -> tuple[str, ...]:
    """Which layers and heads stand out by each number, in sentences.

    Args:
        report: With several sites.
    """
    found = measured(report.sites)
    if not found:
        return (NOTHING_MEASURED,)
    sentences = [sentence for measure in found for sentence in _extremes(report, measure)]
    return (*sentences, CAVEAT) if sentences else ()


def _extremes(report: Report, measure: Measure) -> tuple[str, ...]:
    order = ranked(report.sites, measure)
    if len(order) < 2:
        return ()
    least, most = order[0], order[-1]
    kind = "layers" if most.head is None else "heads"
    if not _is_apart(least, most, measure):
        return (
            f"Of {count(len(order))} {kind}, none stands out by {measure.name}: even the intervals "
            f"of {name(most)} ({_beside_mass(most, measure)}) and {name(least)} "
            f"({_beside_mass(least, measure)}) overlap{_yardstick(report, measure)}.",
        )
    return (
        f"Of {count(len(order))} {kind}, {name(most)} {measure.most} "
        f"({_beside_mass(most, measure)}), {name(least)} least ({_beside_mass(least, measure)})"
        f"{_yardstick(report, measure)}.",
    )


def _is_apart(least: SiteSummary, most: SiteSummary, measure: Measure) -> bool:
    low, high = measure.interval(least), measure.interval(most)
    return low is not None and high is not None and low.high < high.low


def _beside_mass(site: SiteSummary, measure: Measure) -> str:
    """The number, beside the audited mass where that limits it."""
    mass = MASS.mean(site)
    limit = "" if measure in TAUS or mass is None else f", {MASS.name} {number(mass)}"
    return f"{written(site, measure)}{limit}"


def _yardstick(report: Report, measure: Measure) -> str:
    correlation = report.checks.correlation
    yardstick = correlation.gradient_leave_one_out if correlation else None
    if measure not in TAUS or yardstick is None or yardstick.mean is None:
        return ""
    return f"; the yardstick is {number(yardstick.mean)}"
