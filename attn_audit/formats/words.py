"""Telling examples on a terminal: the text shaded by attention, and by what else could be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from attn_audit.formats.numbers import percent
from attn_audit.formats.sentences.telling import (
    BESIDE,
    NAMES,
    REASONS,
    measured,
    prediction,
    spelled,
    varied,
)
from attn_audit.formats.shading import Shading, scale, shaded_words
from attn_audit.formats.terminal.look import FAINT, WIDEST, Trimmed, heading, indented, plain
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.report import Report, TellingExample

SIDE_BY_SIDE = 96
"""From this width on, two texts stand beside each other."""

MAX_UNITS = 120
"""Units shown of a text."""


def render_telling_examples(report: Report, console: Console, n: int = 3) -> None:
    """Print the most telling examples, one of each reason before a second of any.

    Args:
        report: Any report.
        console: Where to.
        n: How many, at most.
    """
    chosen = varied(report.telling_examples)[:n]
    if not chosen:
        return
    shading = Shading.of(console)
    width = min(console.width, WIDEST)
    parts: list[RenderableType] = [heading("Telling examples")]
    parts.append(indented(Text.assemble(("Weight: ", FAINT), scale(shading))))
    if spelling := spelled(report):
        parts.append(indented(Text(spelling, FAINT)))
    for example in chosen:
        parts += [Text(""), telling_example(example, report.model.labels, console)]
    console.print(Trimmed(Group(*parts)), width=width)


def telling_example(
    example: TellingExample, labels: Sequence[str], console: Console
) -> RenderableType:
    """One example: what it shows, its text shaded twice, and its numbers.

    Args:
        example: From a report.
        labels: Of the model, in the order of its outputs.
        console: Where it will be printed.
    """
    record, options = example.record, console.options
    width = min(console.width, WIDEST)
    title = REASONS.get(example.reason, example.reason)
    facts = [Prose(line, indent=0, style=FAINT) for line in measured(record)]
    return indented(
        Group(
            plain(title, options, "bold"),
            plain(prediction(record, labels), options, FAINT),
            _texts(list(_shown(example)), record, width - 2, console),
            *facts,
        )
    )


@dataclass(frozen=True)
class _Weights:
    name: str
    values: Sequence[float]


def _shown(example: TellingExample) -> Iterator[_Weights]:
    """Attention, and the first of what belongs beside it."""
    record = example.record
    yield _Weights(NAMES["attention"], record["attention"])
    for field in BESIDE.get(example.reason, ("adversarial_attention",)):
        if record.get(field):
            yield _Weights(NAMES[field], record[field])
            return


def _texts(
    shown: list[_Weights], record: dict[str, Any], width: int, console: Console
) -> RenderableType:
    beside = width >= SIDE_BY_SIDE - 2 and len(shown) == 2
    n_columns = (width - 4) // 2 if beside else width
    texts = [_text(weights, record["units"], n_columns, console) for weights in shown]
    if not beside:
        return Group(*(part for text in texts for part in (text, Text(""))))
    grid = Table.grid(padding=(0, 4, 0, 0))
    for _ in texts:
        grid.add_column(width=n_columns)
    grid.add_row(*texts)
    return grid


def _text(
    weights: _Weights, units: Sequence[str], n_columns: int, console: Console
) -> RenderableType:
    encoding = console.options.encoding
    words = shaded_words(
        units[:MAX_UNITS], weights.values[:MAX_UNITS], n_columns, Shading.of(console), encoding
    )
    parts: list[RenderableType] = [Text(weights.name, "italic"), words]
    if len(units) > MAX_UNITS:
        rest = sum(weights.values[MAX_UNITS:]) / (sum(weights.values) or 1)
        more = f"... and {len(units) - MAX_UNITS} more units with {percent(rest)} of the weight"
        parts.append(Text(more, FAINT))
    return Group(*parts)
