"""Leverage by layer: which attention the output depends on at all."""

from collections.abc import Sequence

from attn_audit.document import Block, Cell, Paragraph, Phrase, Section, Table, Tone
from attn_audit.numbers import counted, number, share
from attn_audit.results.leverage import Leverage, SiteLeverage

QUESTION = "Which layer does the output depend on?"

WHAT = (
    "Attention to the text is cut off, each layer by itself at the rows that are read out, and at "
    "all layers together in every row: how often that turns the decision or moves the margin "
    "by half of itself, and how much of the margin it moves."
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


def _table(title: str, sites: Sequence[SiteLeverage], audited: int | None = None) -> Table:
    def row(site: SiteLeverage) -> tuple[Cell, ...]:
        reach = "-" if site.reach is None else share(site.reach)
        measured = (share(site.matters), number(site.margin), *((reach,) if has_reach else ()))
        cells = (place(site), *measured)
        is_audited = site.layer is not None and site.layer == audited
        return tuple(Phrase(cell, Tone.STRONG) for cell in cells) if is_audited else cells

    has_reach = any(site.reach is not None for site in sites)
    note = "" if audited is None else f"Layer {audited} is the audited one."
    columns = ("cut off", "decides", "of the margin", *(("one unit decides",) if has_reach else ()))
    return Table(columns, tuple(map(row, sites)), title, note=note)


def place(site: SiteLeverage) -> str:
    """A layer, a head, or all of them."""
    if site.layer is None:
        return "all layers"
    return f"layer {site.layer}" if site.head is None else f"head {site.head}"
