"""The metrics that a policy may bound, on a terminal."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from math import isfinite

from rich.console import Console, Group, RenderableType
from rich.text import Text

from attn_audit.formats.terminal.look import ACCENT, FAINT, WIDEST, Trimmed, heading
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.metrics import STATISTICS, Metric

BESIDE_MEAN = tuple(f".{name}" for name in STATISTICS if name != "mean")

NOTES = (
    f"Where a name ends in .mean, it may also end in {', '.join(BESIDE_MEAN)}.",
    "Of numbers marked with * bounds are judged on the 95% interval over examples, of others on "
    "the number itself.",
)


def render(metrics: Iterable[Metric], console: Console) -> None:
    """Print every metric with its range and definition, check by check.

    What stands beside the mean of every distribution is said once, at the end.

    Args:
        metrics: In the order of the registry.
        console: Where to.
    """
    parts: list[RenderableType] = []
    for check, of_check in groupby(metrics, key=lambda metric: metric.check):
        parts.append(heading(check.capitalize()))
        for metric in of_check:
            parts += _entry(metric)
        parts.append(Text(""))
    parts += [Prose(note, style=FAINT) for note in NOTES]
    console.print(Trimmed(Group(*parts)), width=min(console.width, WIDEST))


def _entry(metric: Metric) -> Iterator[RenderableType]:
    if metric.name.endswith(BESIDE_MEAN):
        return
    mark = " *" if metric.has_interval else ""
    yield Text.assemble(f"  {metric.name}", (mark, ACCENT), overflow="fold")
    yield Prose(f"{metric.definition} ({_range(metric)})", indent=6, style=FAINT)


def _range(metric: Metric) -> str:
    if isfinite(metric.high):
        return f"{metric.unit}, {metric.low:.3g} to {metric.high:.3g}"
    return f"{metric.unit}, from {metric.low:.3g}"
