"""Several layers and heads beside each other: which stand out, and how much that says."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil

from attn_audit.document import Card, Details, Place, Places, Section, Table
from attn_audit.findings.check import SiteNumber, section_of
from attn_audit.findings.correlation_pairs import OF_YARDSTICK, with_attention
from attn_audit.findings.example import AUDITED_MASS
from attn_audit.findings.permutation import REACH_FIELD
from attn_audit.findings.registry import checks, measures
from attn_audit.numbers import count, number, signed, with_interval
from attn_audit.results.report import Report
from attn_audit.statistics.summary import SiteSummary

NOTHING_MEASURED = "No layer and no head could be measured: see the degenerate examples."

QUESTION = "How do layers and heads compare, each by itself?"

CAVEAT = (
    "The highest and the lowest of many are so partly by chance: before relying on one, hold it to "
    "other texts."
)

LEAST_LIMIT = 0.5
"""What the strongest shade stands for, at least: taus all near 0 shall not look far from it."""

NO_REACH = (
    f"Not measured at single heads: reach ({REACH_FIELD.name}), which takes a replay for every "
    "unit; an audit of one head, by --layer and --head, has it."
)

MAX_SITES = 144
"""All that a table has room for that is read from top to bottom: 12 layers of 12 heads."""

N_ENDS = 12
"""Of more sites, those with the smallest numbers, and as many with the largest."""


MASS = SiteNumber(AUDITED_MASS.name, "audited mass", "mass")


def site_numbers() -> list[SiteNumber]:
    """All that layers and heads are compared by: taus with each measure, then all other checks."""
    taus = [
        SiteNumber(
            with_attention(measure).tau.name, f"tau with {measure.words}",
            f"tau with {measure.words}", f"agrees most with {measure.words}", is_tau=True,
        )
        for measure in measures()
    ]  # fmt: skip
    return [*taus, *(number for found in checks() for number in found.at_sites)]


def measured(sites: Sequence[SiteSummary]) -> list[SiteNumber]:
    """The numbers that some site has."""
    return [m for m in site_numbers() if any(m.mean(site) is not None for site in sites)]


def ranked(sites: Sequence[SiteSummary], measure: SiteNumber) -> list[SiteSummary]:
    """The sites that have a number, from its smallest to its largest."""
    known = [(mean, site) for site in sites if (mean := measure.mean(site)) is not None]
    return [site for _, site in sorted(known, key=lambda pair: pair[0])]


def written(site: SiteSummary, measure: SiteNumber) -> str:
    """The number of a site; `-` where the site has none."""
    mean = measure.mean(site)
    return "-" if mean is None else with_interval(mean, measure.interval(site), measure.decimals)


def section(report: Report) -> Section:
    """Which stand out, a grid for each tau, and all numbers in a table."""
    figure, name = _figure(report.sites), title(report.sites)
    if figure is None:
        return section_of("sites", name, QUESTION, answer(report), ())
    tables = Details("The numbers as tables", (_table(report.sites),))
    return section_of("sites", name, QUESTION, answer(report), (figure,), tables)


def card(report: Report) -> Card:
    """How far apart the sites are."""
    verdict = "Each by itself, from one pass over the data."
    return Card("sites", title(report.sites), QUESTION, verdict, in_short(report))


def title(sites: Sequence[SiteSummary]) -> str:
    """How the sites are told apart."""
    return "By head" if any(site.head is not None for site in sites) else "By layer"


def name(site: SiteSummary) -> str:
    """A site in a sentence."""
    return f"layer {site.layer}" if site.head is None else f"head {site.head} of layer {site.layer}"


def in_short(report: Report) -> tuple[str, ...]:
    """How far apart the sites are, by each number that is compared of two at least."""
    found = [each for each in measured(report.sites) if len(ranked(report.sites, each)) > 1]
    return tuple(_span(report, measure) for measure in _compared(found))


def _compared(found: list[SiteNumber]) -> list[SiteNumber]:
    """Taus, or where there is none all other numbers."""
    return [measure for measure in found if measure.is_tau] or found


def _span(report: Report, measure: SiteNumber) -> str:
    order = ranked(report.sites, measure)
    means = [mean for site in order if (mean := measure.mean(site)) is not None]
    least, most = (number(mean, measure.decimals) for mean in (means[0], means[-1]))
    return f"{measure.name} {least} to {most} ({name(order[-1])})"


def answer(report: Report) -> tuple[str, ...]:
    """Which layers and heads stand out by each number, in sentences."""
    found = measured(report.sites)
    if not found:
        return (NOTHING_MEASURED,)
    sentences = [sentence for measure in found for sentence in _extremes(report, measure)]
    if not sentences:
        return ()
    has_heads = any(site.head is not None for site in report.sites)
    missing = (NO_REACH,) if has_heads and report.has("permutation") else ()
    return (*sentences, *missing, CAVEAT)


def _extremes(report: Report, measure: SiteNumber) -> tuple[str, ...]:
    order = ranked(report.sites, measure)
    if len(order) < 2:
        return ()
    least, most = order[0], order[-1]
    low, high = measure.interval(least), measure.interval(most)
    of = f"Of {count(len(order))} {'layers' if most.head is None else 'heads'}"
    least_is, most_is = _beside_mass(least, measure), _beside_mass(most, measure)
    if low is not None and high is not None and low.high < high.low:
        said = f"{name(most)} {measure.most} ({most_is}), {name(least)} least ({least_is})"
    else:
        said = (
            f"none stands out by {measure.name}: even the intervals of {name(most)} ({most_is}) "
            f"and {name(least)} ({least_is}) overlap"
        )
    return (f"{of}, {said}{_yardstick(report, measure)}.",)


def _beside_mass(site: SiteSummary, measure: SiteNumber) -> str:
    """The number, beside the audited mass where that limits it."""
    mass = MASS.mean(site)
    limit = "" if measure.is_tau or mass is None else f", {MASS.name} {number(mass)}"
    return f"{written(site, measure)}{limit}"


def _yardstick(report: Report, measure: SiteNumber) -> str:
    yardstick = report.get(OF_YARDSTICK.tau)
    if not measure.is_tau or yardstick is None or yardstick.mean is None:
        return ""
    return f"; the yardstick is {number(yardstick.mean)}"


def _figure(sites: Sequence[SiteSummary]) -> Places | None:
    compared = _compared(measured(sites))
    panels = tuple((f"Mean {m.name}", m.column, tuple(_places(sites, m))) for m in compared)
    means = [abs(place.mean) for _, _, places in panels for place in places]
    if not means:
        return None
    return Places(
        name="sites",
        title="Layer by layer, head by head",
        reading=(
            "Every layer and head by itself: the stronger the shade, the further its number is "
            "from 0; the number stands in each cell as well. The highest of many are high partly "
            "by chance."
        ),
        panels=panels,
        limit=max(LEAST_LIMIT, ceil(10 * max(means)) / 10),
    )


def _places(sites: Sequence[SiteSummary], measure: SiteNumber) -> Iterator[Place]:
    for site in sites:
        if (mean := measure.mean(site)) is not None:
            cell = signed(mean) if measure.is_tau else number(mean)
            interval = measure.interval(site)
            yield Place(site.layer, site.head, mean, interval, written(site, measure), cell)


def _table(sites: Sequence[SiteSummary]) -> Table:
    """Every number of every layer and head; of very many the lowest and the highest in brief."""
    found = measured(sites)
    by, has_heads = found[0], any(site.head is not None for site in sites)
    # what was measured, and what limits it where attention was changed
    columns = found if all(measure.is_tau for measure in found) else [*found, MASS]

    def row(site: SiteSummary) -> tuple[str, ...]:
        head = "-" if site.head is None else str(site.head)
        place = (str(site.layer), head) if has_heads else (str(site.layer),)
        return (*place, *(written(site, measure) for measure in columns))

    whole = Table(
        (*(("layer", "head") if has_heads else ("layer",)), *(m.column for m in columns)),
        tuple(map(row, sites)),
        "Every layer and head",
        n_text=0,
    )
    if len(sites) <= MAX_SITES:
        return whole
    order = ranked(sites, by)
    ends = tuple(map(row, (*order[:N_ENDS], *order[-N_ENDS:])))
    note = f"The {N_ENDS} lowest and the {N_ENDS} highest of {count(len(sites))} by {by.name}."
    return replace(whole, brief=replace(whole, rows=ends, note=note))
