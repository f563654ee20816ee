"""A model: what it is, what can be audited, and which attention the output depends on at all."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from attn_audit.document import (
    Block,
    Cell,
    Document,
    Facts,
    Paragraph,
    Phrase,
    Section,
    Table,
    Tone,
)
from attn_audit.findings.check import CheckFindings
from attn_audit.findings.registry import checks
from attn_audit.numbers import count, counted, number, percent, scientific, share, short
from attn_audit.results.answers import Inspection
from attn_audit.results.model_description import (
    Findings,
    LayerDescription,
    Leverage,
    ModelDescription,
    SiteLeverage,
)

MAX_LABELS = 8
"""How many labels are named before the rest is only counted."""

REPLAYS = {
    "row": "only the row that is read out is computed again",
    "cache": "only the last token is computed again, beside what the others left",
    "resume": "only what lies behind the attention is computed again",
    "full": "the whole model is computed again",
}
"""How the output under other attention is got."""

TOGETHER = {
    "texts": "texts share batches: each was found to be in them what it is alone",
    "lengths": "texts of one length share batches",
    "variants": "one text at a time, its variants together",
    "nothing": "one text at a time, and of its variants one after the other",
}
"""What is computed in one pass."""

COLUMNS = {
    True: "each token's own: changing it moves that weight most",
    False: "taken in the text's order, the only one that fits: no trial could tell",
}
"""Whether it was seen whose weight is whose."""

_NUMBER = re.compile(r"\d+")


def document(description: ModelDescription) -> Document:
    """What `attn-audit inspect` knows of a model."""
    found = description.leverage if isinstance(description, Inspection) else None
    return Document(
        kind="Model",
        title=description.source,
        subject=description.architecture,
        sections=(
            Section("model", "What it is", (Facts(facts(description)),)),
            *([shares_section(found)] if found is not None and found.shares else []),
            Section("auditable", "What can be audited", (Facts(auditable(description)),)),
            *([] if found is None else [leverage_section(found)]),
        ),
    )


def facts(description: ModelDescription) -> tuple[tuple[str, str], ...]:
    """What the model is: headings and what belongs to them."""
    details = "; ".join(f"{name} {_detail(value)}" for name, value in description.details.items())
    takes = "a text and a second one (pairs)" if description.takes_pairs else "single texts"
    size = (
        f"{count(description.n_parameters)} parameters" if description.n_parameters else "unknown"
    )
    return (
        ("Format", f"{description.format}, sha256 {short(description.digest)}"),
        ("Task", task(description)),
        ("Input", takes),
        ("Size", f"{size}, {description.dtype}"),
        ("Details", details or "none"),
    )


def task(model: ModelDescription) -> str:
    """The kind of task and the first few labels; of a vocabulary the answers say how many."""
    if not model.labels:
        return model.task
    named = ", ".join(model.labels[:MAX_LABELS])
    more = len(model.labels) - MAX_LABELS
    rest = f" and {more} more" if more > 0 else ""
    labels = f"{model.task}, {counted(len(model.labels), 'label')}: {named}{rest}"
    if all(label in (str(i), f"LABEL_{i}") for i, label in enumerate(model.labels)):
        where = NAMES.get(model.format, NAMES_OF_TRAINING)
        return f"{labels}; the model's labels have no names: {where}"
    return labels


NAMES = {
    "HuggingFace": "they would stand in its config.json, as id2label",
    "adapter": "CustomModel(labels=...) gives them",
}
NAMES_OF_TRAINING = "training takes them from the data, where they are words"
"""Where a model's labels get names, by its format."""


def asked(model: ModelDescription) -> str:
    """The prompt around each text and its answers, or labels of one's own; else nothing."""
    names = ("prompt", "answers", "prompt and text", "zero-shot")
    parts = (model.details.get(name) for name in names)
    return "; ".join(str(part) for part in parts if part is not None)


def _detail(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return count(value) if isinstance(value, int) else str(value)


def auditable(description: ModelDescription) -> tuple[tuple[str, str], ...]:
    """Where attention is read, and what each check can do with this model."""
    found = description.findings
    because = description.no_attention_because
    seen = "; ".join(description.sites) if because is None else f"none is seen: {because}"
    return (
        *(_tried_out(description, found) if found else [("Attention", seen)]),
        *((check.check, _auditable(check, description)) for check in checks()),
    )


def _auditable(check: CheckFindings, description: ModelDescription) -> str:
    if check.needs_attention and description.no_attention_because is not None:
        return "no, it takes attention"
    return check.auditable(description)


def _tried_out(description: ModelDescription, found: Findings) -> Iterator[tuple[str, str]]:
    """What a few texts showed of the attention: headings and what belongs to them."""
    for i, kind in enumerate(kinds(description.layers)):
        yield "" if i else "Attention", kind
    last = description.layers[description.default_layer].name
    yield "Default", f"layer {description.default_layer} ({last}), {readout(found)}"
    linear = "linear" if description.linear_readout else "not linear"
    yield "Readout", f"{linear} in the attention weights"
    yield "Special", _special_share(found)
    if seen := sight(description.layers[description.default_layer]):
        yield "Sight", seen
    yield "Replay", f"{found.replay}: {REPLAYS[found.replay]} ({_error(found)})"
    yield "Masking", _masking(description)
    if found.places_are_told is not None:
        yield "Columns", COLUMNS[found.places_are_told]
    if found.places_are_told is not None or found.sharing != "texts":  # tried out in batches too
        yield "Batches", batching(found)


def readout(findings: Findings) -> str:
    """Where the attention that reaches the output is read.

    Example:
        >>> known = dict(replay="row", replay_error=0.0, special_share=0.0, masking_leaks=False)
        >>> readout(Findings(readout="first token", removal="mask", **known))
        'read out at the first token'
        >>> readout(Findings(readout="every token", removal="mask", **known))
        'read out at every token'
    """
    article = "the " if findings.readout in ("first token", "last token") else ""
    return f"read out at {article}{findings.readout}"


def tried_out(description: ModelDescription) -> str:
    """What trying it out showed, on a line or two, of a model that was tried out."""
    findings = description.findings
    assert findings is not None, "nothing was tried"
    return (
        f"replay {findings.replay}, {_error(findings)}; "
        f"{_special_share(findings)}; masking {_masking(description)}"
    )


def _error(findings: Findings) -> str:
    """How exactly a replay gives what a full pass gives."""
    if findings.replay_error == 0:
        return "exactly as a full pass"
    return f"off a full pass by {scientific(findings.replay_error)} of the effect at most"


def _special_share(findings: Findings) -> str:
    """How much of the readout's attention lies where no check can move it."""
    share = percent(findings.special_share)
    return f"{share} of the readout's attention lies elsewhere: special tokens and the like"


def sight(layer: LayerDescription) -> str:
    """How much of a text gets attention at a layer, where not all of it can; else nothing.

    Example:
        >>> seen = {"visible_share": 0.5, "least_visible_share": 0.2}
        >>> sight(LayerDescription(name="layer", n_heads=1, **seen))
        "the audited rows see 50% of a text's units (median of the texts tried), and 20% at least"
    """
    if layer.least_visible_share == 1:
        return ""
    median, least = percent(layer.visible_share), percent(layer.least_visible_share)
    return (
        f"the audited rows see {median} of a text's units (median of the texts tried), "
        f"and {least} at least"
    )


def batching(findings: Findings) -> str:
    """What is computed together, and why not more."""
    reason = findings.not_shared_because
    return TOGETHER[findings.sharing] + (f", since in a batch {reason}" if reason else "")


def _masking(description: ModelDescription) -> str:
    """Whether a masked token is out of the model's sight."""
    leaks = None if description.findings is None else description.findings.masking_leaks
    if leaks is None:
        return f"impossible: {description.no_mask_because}"
    if leaks:
        return "leaks: a masked token still moves the output"
    return "exact: a masked token has no influence"


def kinds(layers: Sequence[LayerDescription]) -> Iterator[str]:
    """Layers whose modules have the same name but for numbers, together.

    Example:
        >>> layers = [LayerDescription(name=f"bert.layer.{i}.self", n_heads=12) for i in range(6)]
        >>> list(kinds(layers))
        ['layers 0-5, 12 heads each: bert.layer.N.self, N 0 to 5']
    """
    by_kind: dict[tuple[str, int], list[int]] = {}
    for i, layer in enumerate(layers):
        by_kind.setdefault((_NUMBER.sub("#", layer.name), layer.n_heads), []).append(i)
    for (_, n_heads), members in by_kind.items():
        which = f"layers {_ranges(members)}" if len(members) > 1 else f"layer {members[0]}"
        heads = "1 head" if n_heads == 1 else f"{n_heads} heads"
        each = " each" if len(members) > 1 else ""
        yield f"{which}, {heads}{each}: {_pattern([layers[i].name for i in members])}"


def _ranges(members: Sequence[int]) -> str:
    """Ascending numbers, neighbours as `0-5`."""
    runs = groupby(enumerate(members), key=lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans)


def _pattern(names: Sequence[str]) -> str:
    """The names as one, with N for the number that differs; where several do, the ends."""
    columns = list(zip(*map(_NUMBER.findall, names), strict=True))
    differing = [i for i, column in enumerate(columns) if len(set(column)) > 1]
    if not differing:
        return names[0]
    if len(differing) > 1:
        return f"{names[0]} to {names[-1]}"
    place, values = list(_NUMBER.finditer(names[0]))[differing[0]], columns[differing[0]]
    pattern = f"{names[0][: place.start()]}N{names[0][place.end() :]}"
    return f"{pattern}, N {values[0]} to {values[-1]}"


LEVERAGE_QUESTION = "Which layer does the output depend on?"

LEVERAGE_WHAT = (
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


NO_REACH = "Reach could not be measured, so that the layer of most leverage was chosen."


def leverage_section(
    found: Leverage, audited: int | None = None, *, is_chosen: bool = False
) -> Section:
    """A small table: a line for each layer, one for all of them, and for heads if there are any.

    Args:
        is_chosen: Whether the audited layer was chosen by this.
    """
    best = found.best
    first = (
        f"Layer {best.layer} moves the margin most, by {number(best.margin)} of itself at the "
        f"median, and decides {share(best.matters)} of {counted(found.n_texts, 'text')}."
    )
    blocks: list[Block] = [
        Paragraph(LEVERAGE_QUESTION, Tone.QUESTION),
        Paragraph(f"{first} {LEVERAGE_WHAT}"),
        _leverage_table("Leverage by layer", (*found.layers, found.together), audited),
    ]
    if (reach := found.chosen.reach) is not None:
        most = f"Layer {found.chosen.layer} has the most reach"
        which = f"{most}{', and was chosen for it' if is_chosen else ''}"
        how = "with all of a layer's attention on it, some unit turns the decision or moves the"
        blocks.append(
            Paragraph(
                f"{which}: there one unit decides {share(reach)} of {counted(reach.n, 'text')}. "
                f"One unit decides where, {how} margin by half of itself; of layers with as much "
                "reach, that with most leverage is taken."
            )
        )
    elif is_chosen:
        blocks.append(Paragraph(NO_REACH))
    if found.heads:
        blocks.append(_leverage_table(f"Leverage by head of layer {best.layer}", found.heads))
    return Section("leverage", "Leverage by layer", tuple(blocks))


def shares_section(found: Leverage, audited: int | None = None) -> Section:
    """Where the attention of what is read out lies, a line for each layer."""
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


def _leverage_table(title: str, sites: Sequence[SiteLeverage], audited: int | None = None) -> Table:
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
