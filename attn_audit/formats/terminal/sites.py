"""Several layers and heads beside each other on a terminal: sentences, shaded grids, a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.text import Text

from attn_audit.formats.pictures import signed_bar
from attn_audit.formats.sentences.site_measures import TAUS, Measure, measured, written
from attn_audit.formats.sentences.sites import QUESTION, answer, title
from attn_audit.formats.shading import Shading
from attn_audit.formats.terminal.grid import Grid, limit_of, scale
from attn_audit.formats.terminal.look import (
    ACCENT,
    add_row,
    heading,
    indented,
    ink,
    table,
)
from attn_audit.formats.terminal.prose import Prose
from attn_audit.formats.terminal.site_table import site_table
from attn_audit.results.report import Report
from attn_audit.results.summary import SiteSummary

BAR = 11
"""Columns of a bar, 0 in the middle."""


def sites(report: Report, options: ConsoleOptions) -> RenderableType:
    """Which layers and heads stand out, a grid or bars for each tau, and all numbers.

    Args:
        report: With several sites.
        options: Of the console.
    """
    found, has_heads = measured(report.sites), report.sites[0].head is not None
    taus = [measure for measure in found if measure in TAUS]
    others = [measure for measure in found if measure not in TAUS]
    parts: list[RenderableType] = [
        heading(title(report.sites)),
        Prose(QUESTION, style="bold italic"),
        *(Prose(sentence, bullet=True) for sentence in answer(report)),
        Text(""),
    ]
    if taus:
        drawn = Grids(report.sites, taus) if has_heads else _bars(report.sites, taus, options)
        parts += [drawn, Text("")]
    in_table = found if has_heads else others
    if in_table:
        parts += [site_table(report.sites, in_table, options), Text("")]
    return Group(*parts)


@dataclass(frozen=True)
class Grids:
    """One grid for each tau, shaded alike, and what the shades mean."""

    sites: Sequence[SiteSummary]
    """Heads."""
    taus: Sequence[Measure]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Grid by grid."""
        shading = Shading.of(console)
        limit = limit_of(tau.mean(site) for tau in self.taus for site in self.sites)
        for i, tau in enumerate(self.taus):
            if i:
                yield Text("")
            means = {(site.layer, site.head or 0): tau.mean(site) for site in self.sites}
            yield Grid(f"Mean {tau.name}: layers down, heads across", means, limit)
        if (legend := scale(limit, shading)) is not None:
            yield legend


def _bars(
    layers: Sequence[SiteSummary], taus: Sequence[Measure], options: ConsoleOptions
) -> RenderableType:
    """Each layer's taus with their intervals, and as bars to the left and to the right of 0."""
    limit = limit_of(tau.mean(site) for tau in taus for site in layers)
    ends = f"{-limit:.1f}{f'+{limit:.1f}':>{BAR - 4}}"
    names = [name for tau in taus for name in (tau.column, ends)]
    made = table(("layer", *names), options, n_left=0)
    for column in made.columns[2::2]:
        column.justify = "left"
    for site in layers:
        cells = [cell for tau in taus for cell in _bar(site, tau, limit, options)]
        add_row(made, str(site.layer), *cells)
    return indented(made)


def _bar(
    site: SiteSummary, tau: Measure, limit: float, options: ConsoleOptions
) -> tuple[str, str | Text]:
    mean = tau.mean(site)
    if mean is None:
        return "-", ""
    drawn = signed_bar(mean / limit, BAR, ink(options))
    return written(site, tau), Text(drawn, ACCENT, no_wrap=True)
