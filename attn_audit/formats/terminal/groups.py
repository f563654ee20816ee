"""Tables of a number by predicted class, by bin and by length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import ConsoleOptions, Group, RenderableType
from rich.text import Text

from attn_audit.formats import pictures
from attn_audit.formats.numbers import count, digits, mean
from attn_audit.formats.terminal.look import ACCENT, FAINT, add_row, indented, ink, plain, table
from attn_audit.results.report import Report
from attn_audit.results.summary import Group as Part

MAX_CLASSES = 8
"""Predicted classes shown; the rest are counted."""


@dataclass(frozen=True)
class Grouping:
    """One way to part the examples."""

    name: str
    parts: tuple[Part, ...]

    def shown(self) -> tuple[Part, ...]:
        """The largest parts, in the order they came."""
        largest = sorted(self.parts, key=lambda part: -part.distribution.n)[:MAX_CLASSES]
        return tuple(part for part in self.parts if part in largest)

    def rows(self) -> Iterator[tuple[Text, Part | None]]:
        """Lines of a table: the name, the parts shown, and how many are not; none without parts."""
        if self.parts:
            yield Text(self.name, "bold"), None
        for part in self.shown():
            yield Text(""), part
        n_hidden = len(self.parts) - len(self.shown())
        if n_hidden:
            yield Text(f"  + {n_hidden} smaller", FAINT), None


def group_table(
    measured: str,
    groupings: Sequence[Grouping],
    limits: tuple[float, float],
    options: ConsoleOptions,
) -> RenderableType:
    """Mean, interval and a box strip for every part of every grouping.

    Args:
        measured: What the numbers are.
        groupings: Ways to part the examples; those without parts are left out.
        limits: Values at the ends of the strips.
        options: Of the console.
    """
    width = 40 if options.max_width >= 96 else 24
    pen = ink(options)
    low, high = (f"{limit:.2g}" for limit in limits)
    scale = f"{low}{high:>{width - len(low)}}"
    made = table(("", "examples", measured, scale), options)
    made.columns[3].justify = "left"
    everyone = [part.distribution for grouping in groupings for part in grouping.shown()]
    decimals = min(3, digits(*everyone))
    for grouping in groupings:
        for heading, part in grouping.rows():
            if part is None:
                add_row(made, heading)
                continue
            spread = part.distribution
            name = Text("  ") + plain(part.name, options)
            drawn = Text(pictures.strip(spread, *limits, width, pen), ACCENT, no_wrap=True)
            add_row(made, name, count(spread.n), mean(spread, decimals), drawn)
    return indented(Group(made, Text(legend(pen), FAINT)))


def several_labels(report: Report) -> tuple[RenderableType, ...]:
    """What parts by prediction mean where a prediction is several labels; nothing elsewhere.

    Args:
        report: The whole report.
    """
    if report.model.task != "multilabel":
        return ()
    note = "by prediction: an example counts under each label that it is given"
    return (Text(f"  {note}", FAINT),)


def legend(pen: pictures.Ink) -> str:
    """What a box strip shows.

    Args:
        pen: The characters it is drawn with.
    """
    whisker, box = pen.whisker * 2, pen.box * 2
    return f"{whisker} 5% to 95% of the examples  {box} the middle half  {pen.median} the median"
