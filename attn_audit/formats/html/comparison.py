"""The parts of a comparison's page, put into its template."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from attn_audit.formats.html.environment import environment, style_sheet
from attn_audit.formats.html.gate import gate
from attn_audit.formats.html.scripts import content_security_policy
from attn_audit.formats.numbers import count, difference, number
from attn_audit.formats.sentences import comparison as words
from attn_audit.results.comparison import Change, Comparison

PICTURE = 160.0
"""Width of an interval's picture, in its own units; 0 stands in the middle."""

PER_METRIC = 5


@dataclass(frozen=True)
class Row:
    """One number in both reports."""

    metric: str
    definition: str
    base: str
    new: str
    change: str
    effect: str
    n: str
    has_changed: bool
    place: float
    """Of the difference in the picture."""
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Told:
    """The examples that changed most in one number."""

    metric: str
    examples: tuple[tuple[str, str, str], ...]
    """Id, base and new value, and the text."""


def page(comparison: Comparison) -> str:
    """The whole page.

    Args:
        comparison: Any comparison.
    """
    style = style_sheet()
    rows = [_row(change) for change in comparison.changes]
    return environment().get_template("comparison.html.j2").render(
        comparison=comparison,
        policy=content_security_policy((), style),
        style=Markup(style),
        gate=None if comparison.verdict is None else gate(comparison.verdict),
        facts=tuple(words.compared(comparison)),
        in_short=words.in_short(comparison),
        changed=[row for row in rows if row.has_changed],
        unchanged=[row for row in rows if not row.has_changed],
        told=tuple(_told(comparison)),
        width=PICTURE,
    )  # fmt: skip


def _row(change: Change) -> Row:
    interval = change.interval
    reach = max(
        abs(change.difference),
        *(() if interval is None else (abs(interval.low), abs(interval.high))),
        1e-12,
    )

    def place(value: float) -> float:
        return round(PICTURE / 2 * (1 + 0.95 * value / reach), 1)

    return Row(
        metric=change.metric,
        definition=change.definition,
        base=number(change.base, 3),
        new=number(change.new, 3),
        change=difference(change.difference, interval),
        effect="" if change.effect_size is None else difference(change.effect_size, None, 2),
        n="" if change.n is None else count(change.n),
        has_changed=words.has_changed(change),
        place=place(change.difference),
        low=None if interval is None else place(interval.low),
        high=None if interval is None else place(interval.high),
    )


def _told(comparison: Comparison) -> Iterator[Told]:
    for change in comparison.changes:
        if change.metric in words.TELLING and change.most_changed:
            yield Told(
                change.metric,
                tuple(
                    (
                        example.id,
                        " → ".join(
                            words.value(change.metric, side) for side in (example.base, example.new)
                        ),
                        example.text or "",
                    )
                    for example in change.most_changed[:PER_METRIC]
                ),
            )
