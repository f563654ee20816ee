"""What a check means: its fields and metrics, and what is said and drawn of them."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from attn_audit.document import Card, Section
from attn_audit.findings.field import Field
from attn_audit.findings.metric import Metric

if TYPE_CHECKING:
    from attn_audit.results.model_description import ModelDescription
    from attn_audit.results.report import Report
    from attn_audit.results.table import Values
    from attn_audit.statistics.estimate import Interval
    from attn_audit.statistics.summary import SiteSummary


Numbers = Callable[[Field[float | None]], "Values"]
"""A field's number of each of some records; NaN for null."""


@dataclass(frozen=True)
class SiteNumber:
    """A number that layers and heads are compared by."""

    field: str
    """In the sites' records."""
    name: str
    """In front of the number."""
    column: str
    """Over a column of them."""
    most: str = ""
    """What is so of the site where it is largest."""
    decimals: int = 2
    is_tau: bool = False

    def mean(self, site: "SiteSummary") -> float | None:
        """The mean at a site; None where it was not measured, or no example has it."""
        found = site.means.get(self.field)
        return None if found is None else found.mean

    def interval(self, site: "SiteSummary") -> "Interval | None":
        """Of the mean."""
        found = site.means.get(self.field)
        return None if found is None else found.interval


@dataclass(frozen=True)
class Telling:
    """Why an example shows something."""

    reason: str
    """In a word."""
    words: str
    """In a sentence, which may name what is explained as `{target}`."""
    score: "Callable[[Numbers], Values]"
    """How much of it each record shows; NaN: nothing."""
    where: str = ""
    """Where to look when a bound of the check does not pass, as a clause; empty for elsewhere."""


@dataclass(frozen=True, eq=False)
class CheckFindings:
    """One row of the registry of checks, without how the check measures."""

    check: str
    """Its id: what settings name it by, and what its fields and metrics begin with."""
    fields: tuple[Field[object], ...]
    """With its `status_field`."""
    metrics: tuple[Metric, ...]
    section: "Callable[[Report], Section]"
    """Question, answer, figures and tables of a report that has it."""
    card: "Callable[[Report], Card]"
    """The same at a glance."""
    line: Callable[[Mapping[str, Any]], str | None]
    """What was found of one example, from its record; None where nothing was."""
    _: KW_ONLY
    at_sites: tuple[SiteNumber, ...] = ()
    telling: tuple[Telling, ...] = ()
    is_default: bool = True
    """Whether it is run unless `--checks` says otherwise."""
    needs_attention: bool = True
    """Whether it says nothing of a model of which no attention is seen."""
    is_tabled: bool = False
    """Whether `explain` has rows of their own for it, and does not repeat its line."""
    auditable: "Callable[[ModelDescription], str]" = lambda model: "yes"
    """What it can do with a model."""

    @property
    def is_of_sites(self) -> bool:
        """Whether it finds other numbers at other sites, and not the same of the text at all."""
        return any(f.is_averaged for f in self.fields)
