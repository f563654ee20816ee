"""Kendall's taus in tables: attention's beside the yardstick's."""

from rich.console import ConsoleOptions, Group, RenderableType
from rich.text import Text

from attn_audit.formats.numbers import bracket, count, digits, mean, number, percent, share
from attn_audit.formats.pictures import axis, bin_width, columns
from attn_audit.formats.terminal.groups import Grouping
from attn_audit.formats.terminal.look import (
    ACCENT,
    FAINT,
    YARDSTICK,
    add_row,
    indented,
    ink,
    is_wide,
    plain,
    table,
)
from attn_audit.results.summary import CorrelationSummary, Distribution, Share, TauSummary
from attn_audit.results.thresholds import SIGNIFICANT

TICKS = (-1.0, -0.5, 0.0, 0.5, 1.0)

Pairs = list[tuple[str, TauSummary]]


def pairs_of(summary: CorrelationSummary) -> Pairs:
    """The rankings that were compared, by name; the yardstick last.

    Args:
        summary: Of a correlation check.
    """
    named = (
        ("attention - gradient", summary.attention_gradient),
        ("attention - leave-one-out", summary.attention_leave_one_out),
        ("gradient - leave-one-out", summary.gradient_leave_one_out),
    )
    return [(name, tau) for name, tau in named if tau is not None]


def distributions(pairs: Pairs, options: ConsoleOptions) -> RenderableType:
    """One row a pair: mean, interval, and how tau is distributed over the examples.

    Args:
        pairs: At least one with examples.
        options: Of the console.
    """
    room = 40 if is_wide(options) else 24
    decimals = digits(*(tau for _, tau in pairs))
    peak = max(_peak(tau) for _, tau in pairs)
    made = table(("Kendall's tau", "mean", "95% interval", ""), options)
    made.columns[3].justify = "left"
    for column in made.columns:
        column.vertical = "bottom"
    for name, tau in pairs:
        kind = "" if name.startswith("attention") else "\n(the yardstick)"
        value = "-" if tau.mean is None else number(tau.mean, decimals)
        picture = _picture(tau, room, peak, options, ACCENT if not kind else YARDSTICK)
        named = Text.assemble(name, (kind, FAINT))
        add_row(made, named, Text(value, "bold"), bracket(tau.interval, decimals), picture)
    add_row(made, "", "", "", _axis(pairs, room, options))
    return indented(made)


def _peak(tau: TauSummary) -> float:
    """The share of examples in the fullest bin."""
    if tau.histogram is None or not any(tau.histogram.counts):
        return 0.0
    return max(tau.histogram.counts) / sum(tau.histogram.counts)


def _picture(tau: TauSummary, room: int, peak: float, options: ConsoleOptions, style: str) -> Text:
    """Two lines of columns, as high as the same share of examples in every row."""
    if tau.histogram is None or not tau.n:
        return Text("")
    drawn = columns(tau.histogram, 2, room, ink(options), peak * sum(tau.histogram.counts))
    return Text("\n".join(drawn), style, no_wrap=True)


def _axis(pairs: Pairs, room: int, options: ConsoleOptions) -> Text:
    known = next((tau.histogram for _, tau in pairs if tau.histogram is not None), None)
    if known is None:
        return Text("")
    width = bin_width(known, room) * len(known.counts)
    return Text("\n".join(axis(known.edges, width, TICKS, ink(options))), FAINT, no_wrap=True)


def significance(pairs: Pairs, options: ConsoleOptions) -> RenderableType:
    """Significantly positive and negative apart, beside chance and after correction.

    Args:
        pairs: At least one.
        options: Of the console.
    """
    headers = (
        f"Significant (p <= {SIGNIFICANT:g})", "examples\ntested", "by chance,\neach",
        "positive\n(corrected)", "negative\n(corrected)",
    )  # fmt: skip
    made = table(headers, options)
    for name, tau in pairs:
        chance = tau.expected_by_chance
        add_row(
            made,
            name,
            count(tau.significantly_positive.n),
            "-" if chance is None else percent(chance),
            _significant(tau.significantly_positive, tau.positive_after_correction, options),
            _significant(tau.significantly_negative, tau.negative_after_correction, options),
        )
    rate = f"false discovery rate {SIGNIFICANT:g}"
    note = f"(corrected): Benjamini-Hochberg over all examples, {rate}"
    return indented(Group(made, Text(note, FAINT)))


def _significant(found: Share, corrected: Share, options: ConsoleOptions) -> str:
    if found.share is None or corrected.share is None:
        return "-"
    written = share(found) if is_wide(options) else percent(found.share)
    return f"{written} ({percent(corrected.share)})"


def by_group(pairs: Pairs, options: ConsoleOptions) -> RenderableType:
    """Mean taus by predicted class and by length; the narrow yardstick goes without interval.

    Args:
        pairs: At least one.
        options: Of the console.
    """
    decimals = 3 if is_wide(options) and digits(*(tau for _, tau in pairs)) > 2 else 2
    names = [name.replace(" - ", " -\n") for name, _ in pairs[:2]]
    names += ["the\nyardstick"] * (len(pairs) - 2)
    made = table(("Mean tau", "examples", *names), options)
    for title, chosen in (
        ("by prediction", [tau.by_prediction for _, tau in pairs]),
        ("by length", [tau.by_length for _, tau in pairs]),
    ):
        grouping = Grouping(title, max(chosen, key=len, default=()))
        found = [{part.name: part.distribution for part in parts} for parts in chosen]
        for heading, part in grouping.rows():
            if part is None:
                add_row(made, heading)
                continue
            cells = [_mean(of_pair.get(part.name), decimals) for of_pair in found]
            if not is_wide(options):
                cells[2:] = [cell.split(" [")[0] for cell in cells[2:]]
            name = Text("  ") + plain(part.name, options)
            add_row(made, name, count(part.distribution.n), *cells)
    return indented(made)


def _mean(distribution: Distribution | None, decimals: int) -> str:
    return "-" if distribution is None else mean(distribution, decimals)
