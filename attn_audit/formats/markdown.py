"""A document as Markdown, for a comment on a pull request or the summary of a CI job.

Text that others wrote shows, and does nothing.
"""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from attn_audit.document import (
    BORDER,
    DECISIVE,
    MAX_UNITS,
    NOT_DECISIVE,
    Block,
    Bullets,
    Card,
    Cell,
    Definitions,
    Details,
    Document,
    Examples,
    Facts,
    Glance,
    Links,
    Notice,
    Paragraph,
    Phrase,
    ShadedText,
    SignedEstimate,
    Spread,
    Table,
    Tone,
    Weights,
)
from attn_audit.findings.thresholds import STRONG_SHADE
from attn_audit.numbers import counted
from attn_audit.quoting import printable

EMOJIS = {"✓": "✅", "✗": "❌", "?": "❔", "!": "⚠️", "–": "⏸️"}
"""Marks, as they stand out among other comments."""

HOW_SHADED = (
    "Bold: at least half of the largest weight of the text, or where words are left out of the "
    "whole margin or output; −: speaks against what is explained."
)

_MARKUP = re.compile(r"[\\`*_\[\]|~]")
_ALIVE = re.compile(
    r"[@#$]"  # mentions and mail, issues, formulas
    r"|:(?=//)|(?<=[wW]{3})\."  # links
    r"|:(?=[a-zA-Z+-][\w+-]*:)|(?<!\d):(?=\w+:)"  # emojis, but not the time of day
    r"|(?<=[gG][hH])-(?=\d)"  # issues once more
)
"""What GitHub brings to life although its markup is escaped."""


def render(document: Document) -> str:
    """Markdown that reads well as a comment: short above, all that it rests on folded below."""
    outcome = "" if document.outcome is None else f": {_marked(document.outcome.text)}"
    what = " ".join(filter(None, (code(document.title), escaped(document.subject))))
    lines = [f"## {escaped(document.kind)}{outcome}", ""]
    if document.question:
        lines += [escaped(document.question), ""]
    if document.answer is not None:
        lines += [f"**{_marked(document.answer.words.text)}**", ""]
        lines += _blocks(document.answer.sentences)
    lines += [what, ""]
    lines += [f"<sub>{escaped(document.made)}</sub>", ""] if document.made else []
    if document.facts is not None:
        lines += [*_block(document.facts), ""]
    for section in document.sections:
        if not section.is_reference:
            lines += [f"### {escaped(section.title)}", "", *_blocks(section.blocks)]
    return "\n".join(lines).rstrip() + "\n"


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    """Each with an empty line behind it; of figures, whose numbers stand in tables, nothing."""
    for block in blocks:
        lines = list(_block(block))
        yield from (*lines, "") if lines else ()


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            label = f"**{escaped(block.label)}:** " if block.label else ""
            yield label + _toned(block.text, block.tone)
        case Bullets():
            yield from (f"- {_toned(s.text, s.tone)}" for s in block.sentences)
        case Facts():
            if block.title is not None:
                yield from (f"- **{_marked(block.title.text)}**",)
                yield from (f"  - {escaped(name)}: {escaped(text)}" for name, text in block.entries)
                return
            rows = [(escaped(name), escaped(text)) for name, text in block.entries]
            yield from table(("", ""), rows, n_left=2)
        case Definitions():
            for phrase, text in block.entries:
                yield f"- {code(phrase.text)}" + (f": {escaped(text)}" if text else "")
        case Table():
            yield from _table(block.brief or block)
        case Links():
            yield " · ".join(f"[{escaped(text)}](<{path}>)" for text, path in block.entries)
        case Details():
            yield from ("<details>", f"<summary>{escaped(block.title)}</summary>", "")
            yield from (*_blocks(block.blocks), "</details>")
        case Notice():
            yield from (f"**{_marked(f'{block.mark} {block.text}')}**", "")
            yield from _blocks(block.blocks)
        case Glance():
            for card in block.decisive:
                yield from (f"*{DECISIVE}:*", "", *_card(card))
            if block.decisive and block.others:
                yield from (f"*{NOT_DECISIVE}:*", "")
            for card in block.others:
                yield from _card(card)
            yield _toned(block.note, Tone.FAINT)
        case ShadedText():
            yield from (*_shaded(block), "", f"<sub>{HOW_SHADED}</sub>")
        case Examples():
            yield from _examples(block)
        case _:
            return


def _card(card: Card) -> Iterator[str]:
    yield from (f"**{escaped(card.question)}** {escaped(card.verdict)}", "")
    yield from (*(f"- {escaped(line)}" for line in card.lines), "")


def _table(block: Table) -> Iterator[str]:
    if block.title:
        yield from (f"**{escaped(block.title)}**", "")
    estimates = {
        j for row in block.rows for j, cell in enumerate(row) if isinstance(cell, SignedEstimate)
    }
    shown = [j for j in range(len(block.columns)) if j not in estimates]
    names = [block.columns[j] for j in shown]
    headers = ["middle half" if "|" in name else escaped(name) for name in names]
    rows = [
        [f"**{_cell(row[0])}**", *("" for _ in shown[1:])]
        if len(row) == 1
        else [_cell(row[j]) for j in shown]
        for row in block.rows
    ]
    yield from table(headers, rows, block.n_text)
    if block.note:
        yield from ("", _toned(block.note, Tone.FAINT))


def _cell(cell: Cell) -> str:
    match cell:
        case str():
            return escaped(cell.strip())
        case Phrase():
            return _toned(cell.text, cell.tone)
        case Spread():
            ends = (cell.values.q25, cell.values.q75)
            return " to ".join(f"{end:.3f}" for end in ends if end is not None) or "-"
        case SignedEstimate():
            return ""


def _shaded(block: ShadedText) -> Iterator[str]:
    for row in block.rows:
        yield f"- **{escaped(row.name)}** {escaped(row.note)}".rstrip()
        if row.values is not None:
            yield f"  - {_words(block.units, row, block.border)}"
        yield from (f"  - {escaped(row.under)}",) if row.under else ()


def _words(units: Sequence[str], row: Weights, border: int | None) -> str:
    """The text, the units of strong shades in bold; with a minus where they speak against."""
    levels = row.levels
    shown = [
        f"**{'−' if levels[i] < 0 else ''}{escaped(unit)}**"
        if abs(levels[i]) >= STRONG_SHADE and unit.strip()
        else escaped(unit)
        for i, unit in enumerate(units[:MAX_UNITS])
    ]
    if border is not None and border < len(shown):
        shown.insert(border, escaped(BORDER))
    more = "" if len(units) <= MAX_UNITS else f" ... and {len(units) - MAX_UNITS} more units"
    return " ".join(shown) + more


def _examples(block: Examples) -> Iterator[str]:
    if block.elsewhere:
        yield from (f"{escaped(block.introduction)} {escaped(block.elsewhere)}", "")
        return
    said = counted(len(block.telling), "telling example")
    yield from ("<details>", f"<summary>{said}</summary>", "")
    yield from (escaped(block.introduction), "", f"<sub>{HOW_SHADED}</sub>", "")
    for example in block.telling:
        label = "" if example.label is None else f", label {escaped(example.label)}"
        yield from (f"**{escaped(block.reasons[example.reasons[0]])}**", "")
        yield from (f"{code(example.id)}: predicted {escaped(example.said)}{label}", "")
        yield from (*_shaded(replace(example.shaded, rows=example.in_pair)), "")
    yield "</details>"


def _toned(text: str, tone: Tone) -> str:
    match tone:
        case Tone.PLAIN:
            return _prose(text)
        case Tone.CODE:
            return code(text)
        case Tone.FAINT:
            return f"<sub>{_prose(text)}</sub>"
        case Tone.GOOD | Tone.BAD | Tone.OPEN | Tone.WARNING:
            return _marked(text)
        case _:
            return f"**{escaped(text)}**"


def _prose(text: str) -> str:
    """With what stands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one is left alone
        return escaped(text)
    return "".join(code(part) if i % 2 else escaped(part) for i, part in enumerate(parts))


def _marked(text: str) -> str:
    """A text that may begin with a mark."""
    mark, _, rest = text.partition(" ")
    return f"{EMOJIS[mark]} {escaped(rest)}" if mark in EMOJIS else escaped(text)


def escaped(text: str) -> str:
    r"""Any text as inert Markdown on one line, good inside of a table as well.

    Markup is escaped; what would come alive nonetheless stands in an element of its own, which
    parts it from what it would be alive with.

    Example:
        >>> escaped("a|b <b>"), escaped("@me, see www.example.org")
        ('a\\|b &lt;b&gt;', '<span>@</span>me, see www<span>.</span>example.org')
    """
    pieces = []
    end = 0
    shown = printable(text)
    for found in _ALIVE.finditer(shown):
        pieces += [_without_markup(shown[end : found.start()]), f"<span>{found[0]}</span>"]
        end = found.end()
    return "".join((*pieces, _without_markup(shown[end:])))


def _without_markup(text: str) -> str:
    return _MARKUP.sub(r"\\\g<0>", html.escape(text, quote=False))


def code(text: str) -> str:
    r"""Any text in a code span, good inside of a table as well.

    Example:
        >>> code("correlation.gap.mean"), code("a`b|c")
        ('`correlation.gap.mean`', '<code>a\\`b\\|c</code>')
    """
    shown = printable(text)
    if "`" not in shown and "|" not in shown and shown.strip():
        return f"`{shown}`"
    return f"<code>{escaped(text)}</code>"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], n_left: int = 1) -> list[str]:
    """The lines of a table."""
    rule = ["---" if i < n_left else "---:" for i in range(len(headers))]
    return [f"| {' | '.join(cells)} |" for cells in (headers, rule, *rows)]
