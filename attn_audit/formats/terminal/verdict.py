"""A verdict on a terminal: a line a bound, then what there is to say of those that did not pass."""

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from attn_audit.formats.sentences import bounds, judgements
from attn_audit.formats.sentences.provenance import short
from attn_audit.formats.terminal.look import (
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
from attn_audit.results.verdict import Judgement, Outcome, Verdict

STYLES = {Outcome.PASS: "green", Outcome.FAIL: "bold red", Outcome.INCONCLUSIVE: "bold yellow"}
WARNS = "yellow"
"""Of what did not pass and changes nothing."""


def render(verdict: Verdict, console: Console) -> None:
    """Print a verdict: every bound, the reasons, and the whole in the last line.

    Args:
        verdict: Any verdict.
        console: Where to; without a terminal there is no colour, without UTF-8 only ASCII.
    """
    options = console.options.update(width=min(console.width, WIDEST))
    open_ones = [one for one in verdict.judgements if one.outcome is not Outcome.PASS]
    parts: list[RenderableType] = [heading("Gate"), indented(pairs(_facts(verdict), FAINT))]
    parts += [Text(""), indented(_table(verdict, options)), Text("")]
    for judgement in open_ones:
        parts += [indented(_details(judgement, options)), Text("")]
    style = STYLES[verdict.outcome]
    parts.append(Prose(judgements.whole(verdict), style=style))
    console.print(Trimmed(Group(*parts)), width=options.max_width)


def _facts(verdict: Verdict) -> tuple[tuple[str, str], ...]:
    return (
        ("Judged", verdict.subject),
        ("Policy", f"{verdict.policy} (sha256 {short(verdict.policy_sha256)})"),
    )


def _table(verdict: Verdict, options: ConsoleOptions) -> Table:
    made = table(("bound", "found", "wanted", "verdict"), options)
    for column in made.columns[1:]:
        column.justify = "left"
    sides = (">=", "<=") if options.ascii_only else ("≥", "≤")
    for judgement in verdict.judgements:
        add_row(
            made,
            folded(bounds.name(judgement), options),
            bounds.found(judgement),
            bounds.wanted(judgement, *sides),
            Text(judgements.came_out(judgement).replace(" (", "\n("), _style(judgement)),
        )
    return made


def _style(judgement: Judgement) -> str:
    is_forgiven = judgement.counts is Outcome.PASS and judgement.outcome is not Outcome.PASS
    return WARNS if is_forgiven else STYLES[judgement.outcome]


def _details(judgement: Judgement, options: ConsoleOptions) -> RenderableType:
    title = Text.assemble(
        plain(bounds.name(judgement), options, "bold"),
        "  ",
        (judgements.came_out(judgement), _style(judgement)),
    )
    return Group(title, indented(pairs(judgements.details(judgement), FAINT)))
