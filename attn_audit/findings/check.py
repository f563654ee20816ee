"""What a check means: its fields and metrics, and what is said and drawn of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

from attn_audit.document import (
    Block,
    Bullets,
    Card,
    Cell,
    Details,
    Figure,
    Paragraph,
    Points,
    Section,
    Sketch,
    Spread,
    Table,
    Tone,
)
from attn_audit.findings.field import Field
from attn_audit.findings.metric import Metric, ShareMetric
from attn_audit.numbers import count, digits, mean, share
from attn_audit.statistics.summary import Distribution, Group, GroupedDistribution

if TYPE_CHECKING:
    from attn_audit.results.model_description import ModelDescription
    from attn_audit.results.report import Report
    from attn_audit.results.table import Values
    from attn_audit.statistics.summary import Interval, SiteSummary

TARGET = "{target}"
"""Stands in sentences for it."""


def naming_target(sentence: str, label: str | None) -> str:
    """A sentence as it reads of what is explained.

    Args:
        label: That is explained, whatever is predicted; None: what is predicted.

    Example:
        >>> naming_target("it speaks against {target}", None)
        'it speaks against the prediction'
        >>> naming_target("it speaks against {target}", "joy")
        'it speaks against the label “joy”'
    """
    return sentence.replace(TARGET, "the prediction" if label is None else f"the label “{label}”")


Numbers = Callable[[Field[float | None]], "Values"]
"""A field's number of each of some records; NaN for null."""

Record = Mapping[str, Any]
"""Of one example: values by the fields' names, as JSON knows them."""


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
class TellingCriterion:
    """Why an example shows something."""

    reason: str
    """In a word."""
    words: str
    """In a sentence, which may name what is explained as `{target}`."""
    score: "Callable[[Numbers], Values]"
    """How much of it each record shows; NaN: nothing."""
    where: str = ""
    """Where to look when a bound of the check does not pass, as a clause; empty for elsewhere."""
    metric: str = ""
    """The number whose bound that is; empty for all of the check."""

    def shows(self, metric: str) -> bool:
        """Whether it is where to look when a bound on a number does not pass."""
        return bool(self.where) and self.metric in ("", metric)


@dataclass(frozen=True, eq=False)
class CheckFindings:
    """One row of the registry of checks, without how the check measures."""

    check: str
    """Its id: what settings name it by, and what its fields and metrics begin with."""
    title: str
    question: str
    """May name what is explained as `{target}`."""
    fields: tuple[Field[object], ...]
    """With its `status_field`."""
    metrics: tuple[Metric, ...]
    _: KW_ONLY
    verdict: "Callable[[Report], str]"
    """What the question is answered with."""
    in_short: "Callable[[Report], tuple[str, ...]]"
    """The numbers behind it, in short lines; not asked where nothing is measured."""
    answer: "Callable[[Report], tuple[str, ...]]"
    """What was found, in sentences; not asked where nothing is measured."""
    line: Callable[[Record], str | None]
    """What was found of one example; None where nothing was."""
    is_measured: "Callable[[Report], bool]" = lambda report: True
    """Whether any example could be measured, where it does not say by itself that none could."""
    tables: "Callable[[Report], tuple[Table, ...]]" = lambda report: ()
    figures: "Callable[[Report], Iterable[Figure]]" = lambda report: ()
    picture: "Callable[[Report], Points | Sketch | None]" = lambda report: None
    """Of the card."""
    caveat: str = ""
    """Behind every answer."""
    question_without_attention: str = ""
    """Of a model of which no attention is seen, where that is another."""
    at_sites: tuple[SiteNumber, ...] = ()
    telling: tuple[TellingCriterion, ...] = ()
    is_default: bool = True
    """Whether it is run unless `--checks` says otherwise."""
    is_default_of_decoders: bool = False
    """Whether it is, where a language model is asked: of many layers each may do little alone."""
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

    def section(self, report: "Report") -> Section:
        """Question, answer, figures, and the numbers in tables."""
        is_measured, nothing = self.is_measured(report), (NOTHING_TO_SAY,)
        said = (*(self.answer(report) if is_measured else nothing), *filter(None, (self.caveat,)))
        figures = self.figures(report) if is_measured else ()
        tables = self.tables(report) if is_measured else ()
        folds = (folded(report, *tables),) if tables else ()
        return section_of(self.check, self.title, self._asked(report), said, figures, *folds)

    def card(self, report: "Report") -> Card:
        """The same at a glance."""
        lines = self.in_short(report) if self.is_measured(report) else (NOTHING_IN_SHORT,)
        said = self._asked(report), self.verdict(report), lines
        return Card(self.check, self.title, *said, self.picture(report))

    def _asked(self, report: "Report") -> str:
        is_without = report.model.no_attention_because is not None
        asked = (is_without and self.question_without_attention) or self.question
        return naming_target(asked, report.settings.explain_label)


MAX_CLASSES = 8
"""Predicted classes shown; the rest are counted."""

BY_PREDICTION = "by prediction"

BY_GROUP = {
    "max_attention": "by largest weight",
    "prediction": BY_PREDICTION,
    "length": "by length",
    "confidence": "by confidence",
}
"""What tables call each grouping."""

NOT_MEASURED = "Not known: no example could be measured."
NOTHING_TO_SAY = "No example could be measured: see the degenerate examples."
NOTHING_IN_SHORT = "no example could be measured"


def parts_of(title: str, parts: Sequence[Group]) -> Iterator[str | Group]:
    """The lines of a table: its heading, the largest parts as they came, and how many are not."""
    if not parts:
        return
    yield title
    largest = sorted(parts, key=lambda part: -part.distribution.n)[:MAX_CLASSES]
    yield from (part for part in parts if part in largest)
    if len(parts) > len(largest):
        yield f"+ {len(parts) - len(largest)} smaller"


def group_table(measured: str, found: GroupedDistribution, limits: tuple[float, float]) -> Table:
    """Mean, interval and spread of a check's number, for every part of every grouping."""
    named = (
        ("max_attention", found.by_max_attention),
        ("prediction", found.by_prediction),
        ("length", found.by_length),
        ("confidence", found.by_confidence),
    )
    shown = [part for name, parts in named for part in parts_of(BY_GROUP[name], parts)]
    decimals = min(3, digits(*(p.distribution for p in shown if isinstance(p, Group))))

    def row(part: str | Group) -> tuple[Cell, ...]:
        if isinstance(part, str):
            return (part,)
        spread = part.distribution
        written = mean(spread, decimals)
        return f"  {part.name}", count(spread.n), written, Spread(spread, limits)

    low, high = (f"{limit:.2g}" for limit in limits)
    columns = ("", "examples", measured, f"{low}|{high}")
    return Table(columns, tuple(map(row, shown)), "By group")


def confidence_table(report: "Report", **shares: ShareMetric) -> Table:
    """Shares of the examples by how sure the model is of them, of fewer where a note says so.

    Args:
        **shares: By what is written above each, with `_` for spaces.
    """
    found = {name: report[metric].by_confidence for name, metric in shares.items()}
    strata = dict.fromkeys(part.name for parts in found.values() for part in parts)
    rows, fewer = [], []
    for stratum in strata:
        cells = [next((p for p in parts if p.name == stratum), None) for parts in found.values()]
        written = ("-" if part is None else share(part) for part in cells)
        most = max(part.n for part in cells if part is not None)
        rows.append((f"p {stratum}", count(most), *written))
        fewer += [
            f"{name.replace('_', ' ')} at p {stratum} is of {count(part.n)}"
            for name, part in zip(found, cells, strict=True)
            if part is not None and part.n < most
        ]
    columns = ("", "examples", *(name.replace("_", " ") for name in shares))
    note = f"Of fewer examples: {', '.join(fewer)}." if fewer else ""
    return Table(columns, tuple(rows), "By confidence", note=note)


def classes_of(found: Distribution) -> tuple[Group, ...]:
    """The two predicted classes of the examples; none where there are fewer, more, or overlaps."""
    groups = found.by_prediction if isinstance(found, GroupedDistribution) else ()
    shapes = [group.distribution.histogram for group in groups]
    whole = found.histogram
    if len(shapes) != 2 or whole is None or any(shape is None for shape in shapes):
        return ()
    counts = zip(*(shape.counts for shape in shapes if shape is not None), strict=True)
    return groups if tuple(map(sum, counts)) == whole.counts else ()


def section_of(
    id: str,
    title: str,
    question: str,
    answer: Sequence[str],
    figures: Iterable[Figure],
    *tables: Details,
) -> Section:
    """Question, answer, figures, and the numbers in tables."""
    asked, said = Paragraph(question, Tone.QUESTION), Bullets.of(answer)
    blocks: tuple[Block, ...] = (asked, said, *figures, *tables)
    return Section(id, title, blocks)


def folded(report: "Report", *tables: Table) -> Details:
    """Tables of a check, and what parts by prediction mean where a prediction is several labels."""
    parted = {table.title for table in tables} | {row[0] for t in tables for row in t.rows}
    is_parted = any(BY_PREDICTION in str(name) for name in parted)
    if report.model.task != "multilabel" or not is_parted:
        return Details("The numbers as tables", tables)
    note = "By prediction: an example counts under each label that it is given."
    return Details("The numbers as tables", (*tables, Paragraph(note, Tone.FAINT)))
