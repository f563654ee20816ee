"""The numbers behind the figures, as rows of text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from attn_audit.formats.numbers import count, mean, percent, share
from attn_audit.formats.sentences.site_measures import MASS, measured, written
from attn_audit.results.summary import (
    AdversarialSummary,
    CorrelationSummary,
    Group,
    PermutationSummary,
    SiteSummary,
    TauSummary,
)
from attn_audit.results.thresholds import SIGNIFICANT

PAIRS = {
    "attention_gradient": "attention and gradients",
    "attention_leave_one_out": "attention and leave-one-out",
    "gradient_leave_one_out": "the yardstick",
}


@dataclass(frozen=True)
class Table:
    """Columns, and rows of as many cells; a row of one cell is a heading."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def significance(summary: CorrelationSummary) -> Table:
    """Significantly positive and negative apart, beside chance and after correction.

    Args:
        summary: Of a correlation check.
    """
    columns = (f"p <= {SIGNIFICANT:g}", "tested", "by chance, each", "positive", "corrected",
               "negative", "corrected")  # fmt: skip
    rows = [
        (
            PAIRS[pair],
            count(tau.significantly_positive.n),
            "-" if tau.expected_by_chance is None else percent(tau.expected_by_chance),
            share(tau.significantly_positive),
            share(tau.positive_after_correction),
            share(tau.significantly_negative),
            share(tau.negative_after_correction),
        )
        for pair, tau in _known(summary).items()
    ]
    rate = f"false discovery rate {SIGNIFICANT:g}"
    title = f"Significant taus (corrected: Benjamini-Hochberg, {rate})"
    return Table(title, columns, tuple(rows))


def _known(summary: CorrelationSummary) -> dict[str, TauSummary]:
    taus = {pair: getattr(summary, pair) for pair in PAIRS}
    return {pair: tau for pair, tau in taus.items() if tau is not None}


def taus_by_group(summary: CorrelationSummary) -> Table:
    """Mean taus by predicted class and by length.

    Args:
        summary: Of a correlation check.
    """
    taus = _known(summary)
    rows: list[tuple[str, ...]] = []
    for title, field in (("by prediction", "by_prediction"), ("by length", "by_length")):
        parts: list[tuple[Group, ...]] = [getattr(tau, field) for tau in taus.values()]
        found = [{part.name: part.distribution for part in of_pair} for of_pair in parts]
        rows.append((title,))
        for part in max(parts, key=len, default=()):
            cells = (of_pair.get(part.name) for of_pair in found)
            written_cells = ("-" if cell is None else mean(cell) for cell in cells)
            rows.append((part.name, count(part.distribution.n), *written_cells))
    return Table("Mean tau by group", ("", "examples", *map(PAIRS.get, taus)), tuple(rows))  # type: ignore[arg-type]


def groups(measured: str, summary: PermutationSummary | AdversarialSummary) -> Table:
    """Mean and quartiles of a check's number by largest weight, prediction and length.

    Args:
        measured: What the number is.
        summary: Of the check.
    """
    named = (
        ("by largest weight", summary.by_max_attention),
        ("by prediction", summary.by_prediction),
        ("by length", summary.by_length),
    )
    rows = tuple(row for title, parts in named for row in _group_rows(title, parts))
    return Table("By group", ("", "examples", measured, "middle half"), rows)


def _group_rows(title: str, parts: Sequence[Group]) -> Iterator[tuple[str, ...]]:
    yield (title,)
    for part in parts:
        found = part.distribution
        middle = [found.quantiles[q] for q in ("0.25", "0.75")] if found.quantiles else []
        span = " to ".join(f"{value:.3f}" for value in middle) or "-"
        yield part.name, count(found.n), mean(found), span


def site_table(sites: Sequence[SiteSummary]) -> Table:
    """Every number of every layer and head.

    Args:
        sites: Of a report.
    """
    measures = [*measured(sites)]
    if any(MASS.mean(site) is not None for site in sites):
        measures.append(MASS)
    columns = ("layer", "head", *(measure.name for measure in measures))
    rows = (
        (
            str(site.layer),
            "all" if site.head is None else str(site.head),
            *(written(site, measure) for measure in measures),
        )
        for site in sites
    )
    return Table("Every layer and head", columns, tuple(rows))
