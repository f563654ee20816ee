"""The numbers that layers and heads are compared by."""

from collections.abc import Sequence
from dataclasses import dataclass

from attn_audit.formats.numbers import bracket, number
from attn_audit.results.summary import Interval, SiteSummary


@dataclass(frozen=True)
class Measure:
    """A number that sites are compared by."""

    field: str
    """In the sites' records."""
    name: str
    """In front of the number."""
    column: str
    """Over a column of them."""
    most: str = ""
    """What is so of the site where it is largest."""
    decimals: int = 2

    def mean(self, site: SiteSummary) -> float | None:
        """The mean at a site; None where it was not measured, or no example has it."""
        found = site.means.get(self.field)
        return None if found is None else found.mean

    def interval(self, site: SiteSummary) -> Interval | None:
        """Of the mean."""
        found = site.means.get(self.field)
        return None if found is None else found.interval


TAUS = (
    Measure(
        "tau_attention_gradient",
        "tau with gradients",
        "tau with\ngradients",
        "agrees most with gradients",
    ),
    Measure(
        "tau_attention_leave_one_out",
        "tau with leave-one-out",
        "tau with\nleave-one-out",
        "agrees most with leave-one-out",
    ),
)
INTERVENTIONS = (
    Measure(
        "median_permutation_distance",
        "shuffling moves the output by",
        "moves\nby",
        "moves the output most when shuffled",
        decimals=3,
    ),
    Measure(
        "max_jsd",
        "divergence",
        "max\nJSD",
        "can differ most for the same output",
    ),
)
MASS = Measure("audited_mass", "audited mass", "mass")


def measured(sites: Sequence[SiteSummary]) -> list[Measure]:
    """The numbers that some site has.

    Args:
        sites: Of a report.
    """
    every = (*TAUS, *INTERVENTIONS)
    return [m for m in every if any(m.mean(site) is not None for site in sites)]


def ranked(sites: Sequence[SiteSummary], measure: Measure) -> list[SiteSummary]:
    """The sites that have a number, from its smallest to its largest.

    Args:
        sites: Of a report.
        measure: The number.
    """
    known = [(mean, site) for site in sites if (mean := measure.mean(site)) is not None]
    return [site for _, site in sorted(known, key=lambda pair: pair[0])]


def written(site: SiteSummary, measure: Measure, *, with_interval: bool = True) -> str:
    """The number of a site.

    Args:
        site: Of a report.
        measure: The number; `-` where the site has none.
        with_interval: Whether its interval stands behind it.
    """
    mean = measure.mean(site)
    if mean is None:
        return "-"
    interval = bracket(measure.interval(site), measure.decimals) if with_interval else ""
    return f"{number(mean, measure.decimals)} {interval}".rstrip()
