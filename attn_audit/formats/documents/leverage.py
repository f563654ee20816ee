"""Leverage by layer: which attention the output depends on at all."""

from collections.abc import Sequence

from attn_audit.document import Block, Cell, Paragraph, Phrase, Section, Table, Tone
from attn_audit.numbers import counted, number, percent, share
from attn_audit.results.model_description import Leverage, SiteLeverage

QUESTION = "Which layer does the output depend on?"

WHAT = (
    "Attention to the text is cut off, each layer by itself at the rows that are read out, and at "
    "all layers together in every row: how often that turns the decision or moves the margin "
    "by half of itself, and how much of the margin it moves."
)

SHARES_QUESTION = "Where does the attention lie that the output is read from?"

SHARES = (
    "Language models leave attention that is to do nothing on their first token, a sink: here {}. "
    "Only what lies on the text can be shown of it, and only that is shuffled and cut off. Means "
    "over heads and texts."
)


def section(found: Leverage, audited: int | None = None) -> Section:
    """A small table: a line for each layer, one for all of them, and for heads where there are any.

    Args:
        audited: The layer that the rest of a report is about.
    """
    best = found.best
    first = (
        f"Layer {best.layer} moves the margin most, by {number(best.margin)} of itself at the "
        f"median, and decides {share(best.matters)} of {counted(found.n_texts, 'text')}."
    )
    blocks: list[Block] = [
        Paragraph(QUESTION, Tone.QUESTION),
        Paragraph(f"{first} {WHAT}"),
        _table("Leverage by layer", (*found.layers, found.together), audited),
    ]
    reach = next((site.reach for site in found.layers if site.reach is not None), None)
    if reach is not None:
        texts = counted(reach.n, "text")
        blocks.append(
            Paragraph(f"One unit decides: in {texts}, with all of a layer's attention on it.")
        )
    if found.heads:
        blocks.append(_table(f"Leverage by head of layer {best.layer}", found.heads))
    return Section("leverage", "Leverage by layer", tuple(blocks))


def shares_section(found: Leverage, audited: int | None = None) -> Section:
    """Where the attention of what is read out lies, a line for each layer.

    Args:
        audited: The layer that the rest of a report is about.
    """
    most = max(range(len(found.shares)), key=lambda layer: found.shares[layer].first)
    sink = f"{percent(found.shares[most].first)} at most, at layer {most}"
    rows = tuple(
        _emphasised(
            (f"layer {layer}", *map(percent, (each.first, each.prompt, each.text, each.itself))),
            is_audited=layer == audited,
        )
        for layer, each in enumerate(found.shares)
    )
    columns = ("", "first token", "prompt", "the text", "itself")
    note = "" if audited is None else f"Layer {audited} is the audited one."
    table = Table(columns, rows, "Attention of the token that is read out", note=note)
    blocks = (Paragraph(SHARES_QUESTION, Tone.QUESTION), Paragraph(SHARES.format(sink)), table)
    return Section("shares", "Where attention goes", blocks)


def _table(title: str, sites: Sequence[SiteLeverage], audited: int | None = None) -> Table:
    def row(site: SiteLeverage) -> tuple[Cell, ...]:
        reach = "-" if site.reach is None else share(site.reach)
        measured = (share(site.matters), number(site.margin), *((reach,) if has_reach else ()))
        cells = (place(site), *measured)
        return _emphasised(cells, is_audited=site.layer is not None and site.layer == audited)

    has_reach = any(site.reach is not None for site in sites)
    note = "" if audited is None else f"Layer {audited} is the audited one."
    columns = ("cut off", "decides", "of the margin", *(("one unit decides",) if has_reach else ()))
    return Table(columns, tuple(map(row, sites)), title, note=note)


def _emphasised(cells: tuple[str, ...], *, is_audited: bool) -> tuple[Cell, ...]:
    return tuple(Phrase(cell, Tone.STRONG) for cell in cells) if is_audited else cells


def place(site: SiteLeverage) -> str:
    """A layer, a head, or all of them."""
    if site.layer is None:
        return "all layers"
    return f"layer {site.layer}" if site.head is None else f"head {site.head}"
