"""One text explained on a terminal: its words shaded four times, and what the model says."""

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from attn_audit.formats.numbers import number, scientific
from attn_audit.formats.safety import printable
from attn_audit.formats.sentences.explanation import (
    certainty,
    divergence,
    facts,
    meaning,
    tau,
)
from attn_audit.formats.sentences.telling import NAMES
from attn_audit.formats.shading import Shading, scale, shaded_words
from attn_audit.formats.terminal.look import (
    FAINT,
    WARNING,
    WIDEST,
    Trimmed,
    add_row,
    heading,
    indented,
    plain,
    table,
)
from attn_audit.formats.terminal.opening import pairs
from attn_audit.formats.terminal.prose import Prose
from attn_audit.results.explanation import Explanation, Outcome

N_NAMED = 3
"""Units of the largest weights that are named in figures."""


def render(found: Explanation, console: Console) -> None:
    """Print what was found for one text.

    Args:
        found: Of any text.
        console: Where to.
    """
    width = min(console.width, WIDEST)
    options = console.options.update(width=width)
    shading = Shading.of(console)
    parts = (
        heading("Explanation"),
        indented(pairs(facts(found), FAINT)),
        Text(""),
        heading("The words, by weight"),
        indented(Text.assemble(("Weight: ", FAINT), scale(shading))),
        Text(""),
        *(part for row in _rows(found, width - 2, console) for part in (row, Text(""))),
        heading("What the model says"),
        indented(_outcomes(found, options)),
        Text(""),
        heading("What it means"),
        Prose(meaning(found), style="bold"),
    )
    console.print(Trimmed(Group(*parts)), width=width)


def _rows(found: Explanation, n_columns: int, console: Console) -> Iterator[RenderableType]:
    beside = {
        "attention": "",
        "gradient": tau(found, "attention_gradient"),
        "leave_one_out": tau(found, "attention_leave_one_out"),
        "adversarial_attention": divergence(found),
    }
    units, encoding = found.record["units"], console.options.encoding
    for name, note in beside.items():
        title = Text.assemble((NAMES[name], "bold"), *([(f"  {note}", "")] if note else []))
        weights = found.record[name]
        if weights is None:
            yield indented(title)
            continue
        words = shaded_words(units, weights, n_columns, Shading.of(console), encoding)
        largest = _largest(units, weights, encoding)
        if name == "adversarial_attention":
            largest += f" ({certainty(found)})"
        yield indented(Group(title, words, Text(largest, FAINT)))


def _largest(units: Sequence[str], weights: Sequence[float], encoding: str) -> str:
    """The units of the largest weights, in figures.

    Example:
        >>> _largest(["a", "fine", "film"], [0.1, 0.6, 0.3], "utf-8")
        'most: fine 0.60, film 0.30, a 0.10'
    """
    order = sorted(range(len(units)), key=lambda i: -weights[i])
    largest = max(weights, default=0.0)
    decimals = 2 if largest >= 0.1 else 3

    def figure(weight: float) -> str:
        return number(weight, decimals) if largest >= 0.01 else scientific(weight)

    named = (
        f"{printable(units[i], encoding)} {figure(weights[i])}"
        for i in order[:N_NAMED]
        if weights[i] > 0
    )
    return f"most: {', '.join(named)}"


def _outcomes(found: Explanation, options: ConsoleOptions) -> Table:
    made = table(("", "predicted", "probability", "output moves by"), options)
    made.columns[1].justify = "left"
    left_out = found.record["units"][found.left_out]
    for name, outcome in (
        ("as it is", found.own),
        ("adversarial attention", found.adversarial),
        ("uniform attention", found.uniform),
        (f"without {left_out!r}", found.without),
    ):
        _add_outcome(made, name, outcome, found, options)
    shuffled = found.record["median_permutation_distance"]
    if shuffled is not None:
        name = f"shuffled attention, median of {found.permutations}"
        add_row(made, name, "", "", number(shuffled, 3))
    return made


def _add_outcome(
    made: Table, name: str, outcome: Outcome | None, found: Explanation, options: ConsoleOptions
) -> None:
    label = plain(name, options)
    if outcome is None:
        if name == "adversarial attention" and found.record["adversarial_distance"] is not None:
            moved = number(found.record["adversarial_distance"], 3)
            add_row(made, label, "-", "-", moved)
        else:
            add_row(made, label, "-", "-", "-")
        return
    changed = outcome.prediction != found.own.prediction
    said = plain(f"{_said(outcome)}{' (changed)' if changed else ''}", options)
    said.stylize(WARNING if changed else "bold")
    moved = "-" if outcome is found.own else number(outcome.distance, 3)
    add_row(made, label, said, _probability(outcome, found.model.labels), moved)


def _said(outcome: Outcome) -> str:
    if isinstance(outcome.prediction, str):
        return outcome.prediction
    return ", ".join(outcome.prediction) or "(none)"


def _probability(outcome: Outcome, labels: Sequence[str]) -> str:
    """Of what is predicted; of several labels, of each."""
    said = outcome.prediction
    names = (said,) if isinstance(said, str) else said
    values = (outcome.probabilities[labels.index(name)] for name in names)
    return ", ".join(number(value, 3) for value in values) or "-"
