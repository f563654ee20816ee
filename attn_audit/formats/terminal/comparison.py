"""A comparison on a terminal: every number in both reports, and which examples changed most."""

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from attn_audit.formats.numbers import count, difference, number
from attn_audit.formats.sentences import comparison as words
from attn_audit.formats.terminal import verdict
from attn_audit.formats.terminal.look import (
    ACCENT,
    FAINT,
    WIDEST,
    Trimmed,
    add_row,
    folded,
    heading,
    indented,
    plain,
    table,
)
from attn_audit.formats.terminal.opening import pairs
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.comparison import Change, Comparison

N_SHOWN = 3
"""Most changed examples of each telling number."""

NOTE = (
    "change: new minus base, with its 95% interval over examples; d_z: the mean change over the "
    "standard deviation of the examples' changes (0.2 small, 0.5 medium, 0.8 large)."
)


def render(comparison: Comparison, console: Console) -> None:
    """Print a comparison, and the verdict on it where there is one.

    Args:
        comparison: Any comparison.
        console: Where to; without a terminal there is no colour, without UTF-8 only ASCII.
    """
    options = console.options.update(width=min(console.width, WIDEST))
    facts = indented(pairs(words.compared(comparison), FAINT))
    parts: list[RenderableType] = [heading("Comparison"), facts, Text("")]
    if comparison.changes:
        parts += [indented(_table(comparison, options)), Prose(NOTE, style=FAINT), Text("")]
    parts += _most_changed(comparison, options)
    parts.append(Prose(words.in_short(comparison), style="bold"))
    console.print(Trimmed(Group(*parts)), width=options.max_width)
    if comparison.verdict is not None:
        console.print()
        verdict.render(comparison.verdict, console)


def _table(comparison: Comparison, options: ConsoleOptions) -> Table:
    made = table(("", "base", "new", "change", "d_z"), options)
    made.columns[3].justify = "left"
    for change in comparison.changes:
        style = ACCENT if words.has_changed(change) else ""
        effect = "" if change.effect_size is None else difference(change.effect_size, None, 2)
        add_row(
            made,
            folded(change.metric, options),
            number(change.base, 3),
            number(change.new, 3),
            Text(difference(change.difference, change.interval), style),
            effect,
        )
    return made


def _most_changed(comparison: Comparison, options: ConsoleOptions) -> Iterator[RenderableType]:
    shown = [
        change
        for change in comparison.changes
        if change.metric in words.TELLING and change.most_changed
    ]
    if not shown:
        return
    yield heading("Examples that changed most")
    for change in shown:
        yield from _examples(change, options)
    yield Text("")


def _examples(change: Change, options: ConsoleOptions) -> Iterator[RenderableType]:
    counted = "" if change.n is None else f"  of {count(change.n)}"
    yield indented(Text.assemble(plain(change.metric, options, "bold"), (counted, FAINT)))
    for example in change.most_changed[:N_SHOWN]:
        arrow = "->" if options.ascii_only else "→"
        sides = (words.value(change.metric, side) for side in (example.base, example.new))
        values = f" {arrow} ".join(sides)
        yield Prose(f"{example.id}: {values}", indent=4)
        if example.text:
            yield Prose(example.text, indent=6, style=FAINT)
