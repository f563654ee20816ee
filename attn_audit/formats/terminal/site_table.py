"""Layers and heads in a table: every number that was measured at each, with its interval."""

from collections.abc import Sequence

from rich.console import ConsoleOptions, Group, RenderableType
from rich.text import Text

from attn_audit.formats.numbers import count
from attn_audit.formats.sentences.site_measures import (
    INTERVENTIONS,
    MASS,
    TAUS,
    Measure,
    ranked,
    written,
)
from attn_audit.formats.terminal.look import FAINT, add_row, indented, table
from attn_audit.results.summary import SiteSummary

MAX_SITES = 144
"""Shown in full: 12 layers of 12 heads. Of more only the ends are."""

N_ENDS = 12
"""Shown of those with the smallest numbers, and of those with the largest."""


def site_table(
    sites: Sequence[SiteSummary], measures: Sequence[Measure], options: ConsoleOptions
) -> RenderableType:
    """One row a site, in order of layer and head; of very many the lowest and the highest.

    Args:
        sites: Of a report.
        measures: The numbers to show, at least one.
        options: Of the console.
    """
    shown, note = _shown(sites, measures[0])
    columns = [*measures, MASS] if set(measures) & set(INTERVENTIONS) else measures
    names = ["layer", "head"] if any(site.head is not None for site in sites) else ["layer"]
    made = table((*names, *(measure.column for measure in columns)), options, n_left=0)
    for site in shown:
        place = [str(site.layer), "-" if site.head is None else str(site.head)][: len(names)]
        add_row(made, *place, *(_cell(site, measure, columns) for measure in columns))
    return indented(Group(made, Text(note, FAINT)) if note else made)


def _shown(sites: Sequence[SiteSummary], by: Measure) -> tuple[Sequence[SiteSummary], str]:
    if len(sites) <= MAX_SITES:
        return sites, ""
    order = ranked(sites, by)
    note = (
        f"The {N_ENDS} lowest and the {N_ENDS} highest of {count(len(sites))} by {by.name}; all "
        "stand in the JSON report."
    )
    return [*order[:N_ENDS], *order[-N_ENDS:]], note


def _cell(site: SiteSummary, measure: Measure, columns: Sequence[Measure]) -> str:
    """The number, with its interval where the columns leave room: of taus before others."""
    has_room = measure in TAUS or (measure in INTERVENTIONS and columns[0] not in TAUS)
    return written(site, measure, with_interval=has_room)
