"""Pictures of distributions as rich renderables that fill the width they are given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.text import Text

from attn_audit.formats.numbers import percent
from attn_audit.formats.pictures import axis, bin_width, columns
from attn_audit.formats.terminal.look import ACCENT, FAINT, ink
from attn_audit.results.summary import Distribution

N_COLUMNS = 63
"""Width of a chart, at most."""

MARGIN = 9
"""Columns left of the chart: the share that the highest column stands for."""


@dataclass(frozen=True)
class Chart:
    """One distribution as a column chart with its axis; nothing where there is no histogram."""

    name: str
    distribution: Distribution
    ticks: Sequence[float]
    n_rows: int = 4

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Title, columns, axis, and what it means."""
        histogram = self.distribution.histogram
        if histogram is None or not any(histogram.counts):
            return
        pen, peak = ink(options), float(max(histogram.counts))
        room = min(N_COLUMNS, options.max_width - MARGIN - 8)
        width = bin_width(histogram, room) * len(histogram.counts)
        yield Text(f"  {self.name}", FAINT)
        share = percent(peak / sum(histogram.counts))
        for i, row in enumerate(columns(histogram, self.n_rows, room, pen, peak)):
            left = f"{share:>{MARGIN - 2}} {pen.top}" if i == 0 else " " * (MARGIN - 1) + pen.side
            yield Text.assemble((left, FAINT), (row.rstrip(), ACCENT), no_wrap=True)
        line, names = axis(histogram.edges, width, self.ticks, pen)
        yield Text(f"{'0%':>{MARGIN - 2}} {pen.corner}{line}", FAINT, no_wrap=True)
        yield Text(f"{' ' * MARGIN}{names}", FAINT, no_wrap=True)
