"""Leverage and reach by layer, on a sample of texts: which attention the output depends on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch, read_sites
from attn_audit.checks.permutation import single_units, without_attention
from attn_audit.checks.replacement import Replacement
from attn_audit.engine.inputs import AuditedData, load_named_model
from attn_audit.engine.sampling import encoded_of, in_batches, measured_where_it_works
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.engine.summaries import share_of
from attn_audit.findings.thresholds import HALF_MARGIN
from attn_audit.models.contract import AuditedModel, Batch, Encoded, Site
from attn_audit.models.margin import OfVariants, VariantLogits
from attn_audit.process import full_precision
from attn_audit.results.answers import Inspection
from attn_audit.results.model_description import AttentionShares, Leverage, SiteLeverage
from attn_audit.settings import AuditSettings

LEVERAGE, REACH = "leverage by layer", "reach by layer"
"""What the stages are called."""

N_TEXTS = 64
"""Of the data, at most: those whose hash of seed and id is smallest."""

N_UNITS = 256
"""Of the texts of which reach is looked at, together: it takes a replay for each, at each layer."""


class _Effects(NamedTuple):
    """What cutting off does at one site after the other: by layer or head, then all together."""

    moved: Float64[np.ndarray, "text site"]
    """Share of the margin; NaN where the model is undecided."""
    turned: Float64[np.ndarray, "text site"]


def leverage_by_layer(
    model: AuditedModel,
    encoded: Sequence[Encoded],
    stopwatch: Stopwatch | None = None,
    *,
    has_reach: bool = False,
    has_heads: bool = False,
) -> Leverage | None:
    """What cutting attention off does, layer by layer and at all of them together.

    Texts at which the model fails are left out here: the audit meets them again, and says so.

    Args:
        stopwatch: Gets the time of LEVERAGE and REACH.
        has_reach: With that of each layer, by the first of the texts; left out where none can.
        has_heads: With those of the layer that moves margins most, by themselves.

    Returns:
        None where the model has one layer, so that there is nothing to compare, or where it
        decides none of the texts.
    """
    if len(model.layers) < 2:
        return None
    stopwatch, sites = stopwatch or Stopwatch(), _layers(model)
    with stopwatch.measure(LEVERAGE):
        effects = _measured(model, encoded, sites)
        if not len(effects.moved):
            return None
        found = Leverage(
            n_texts=len(effects.moved),
            layers=tuple(_summed(effects, i, site) for i, site in enumerate(sites)),
            together=_summed(effects, len(sites), None),
            shares=_attention_shares(model, encoded),
        )
    if has_reach:
        with stopwatch.measure(REACH):
            found = found.model_copy(update={"layers": _with_reach(model, encoded, found.layers)})
    best = found.best.layer
    assert best is not None
    if not has_heads or model.layers[best].n_heads < 2:
        return found
    heads = [Site(best, head) for head in range(model.layers[best].n_heads)]
    effects = _measured(model, encoded, heads)
    of_heads = tuple(_summed(effects, i, site) for i, site in enumerate(heads))
    return found.model_copy(update={"heads": of_heads})


def _layers(model: AuditedModel) -> list[Site]:
    return [Site(layer) for layer in range(len(model.layers))]


def _with_reach(
    model: AuditedModel, encoded: Sequence[Encoded], layers: Sequence[SiteLeverage]
) -> tuple[SiteLeverage, ...]:
    parts = [
        part
        for batch in in_batches(model, texts_of_reach(encoded), _layers(model))
        for part in measured_where_it_works(lambda texts: _reached(model, texts), batch)
    ]
    reached = np.concatenate([np.empty((0, len(layers)), dtype=bool), *parts])
    if not len(reached):
        return tuple(layers)
    reach = [share_of(n, len(reached)) for n in reached.sum(axis=0).tolist()]
    each = zip(layers, reach, strict=True)
    return tuple(layer.model_copy(update={"reach": of_it}) for layer, of_it in each)


def texts_of_reach(encoded: Sequence[Encoded]) -> list[Encoded]:
    """Those that reach is looked at of: the first, and others as long as there is room."""
    total, some = 0, list[Encoded]()
    for item in encoded:
        if some and total + item.n_units > N_UNITS:
            break
        total, some = total + item.n_units, [*some, item]
    return some


def inspect_model(settings: AuditSettings) -> Inspection:
    """What a model is, and where data is named, which of its layers and heads decide anything.

    Raises:
        UsageError: Model or data cannot be used.
    """
    if not settings.data:
        return Inspection(**dict(load_named_model(settings, ()).describe()))
    data = AuditedData.of(settings)
    model, _ = data.load_model(settings)
    with full_precision(settings.threads):
        encoded = encoded_of(model, data.unlabelled(N_TEXTS, settings.seed))
        found = leverage_by_layer(model, encoded, has_reach=True, has_heads=True)
    return Inspection(**dict(model.describe()), leverage=found)


def leverage_passes(model: AuditedModel) -> int:
    """Outputs that are computed of each text: its own, at each layer, and at all together.

    Where a language model is asked, one more shows where its attention lies.
    """
    return len(model.layers) + (3 if model.has_prompt else 2)


def with_layer(settings: AuditSettings, found: Leverage | None) -> AuditSettings:
    """The settings with the layer that `best` stands for: the last, where there is no choice."""
    if settings.layer != "best":
        return settings
    chosen = None if found is None else found.chosen.layer
    return replace(settings, layer="last" if chosen is None else chosen)


def _measured(model: AuditedModel, encoded: Sequence[Encoded], sites: Sequence[Site]) -> _Effects:
    def effects(some: Sequence[Encoded]) -> _Effects:
        return _effects(read_sites(model, model.collate(some), sites, seed=0))

    parts = [_Effects(*np.empty((2, 0, len(sites) + 1)))]
    for batch in in_batches(model, encoded, sites):
        parts += measured_where_it_works(effects, batch)
    moved, turned = (np.concatenate(each) for each in zip(*parts, strict=True))
    decides = ~np.isnan(moved).any(axis=1)
    return _Effects(moved[decides], turned[decides])


@torch.no_grad()
def _effects(at_sites: Sequence[AuditedBatch]) -> _Effects:
    whole = at_sites[0]
    every = Replacement(tuple(range(len(whole.model.layers))))

    def effects(logits: VariantLogits) -> tuple[OfVariants, OfVariants]:
        return whole.margin.moved(logits), whole.margin.turned(logits)

    # One layer after the other: a vocabulary's logits at all of them would be many.
    of_layers = [effects(without_attention(at_layer)) for at_layer in at_sites]
    found = [*of_layers, effects(every.logits(whole, "cut_off"))]
    moved, turned = (torch.cat(each, dim=1).cpu().numpy() for each in zip(*found, strict=True))
    return _Effects(moved, turned)


def _attention_shares(
    model: AuditedModel, encoded: Sequence[Encoded]
) -> tuple[AttentionShares, ...]:
    """Of a language model, in whose prompt there is much beside the text."""
    if not model.has_prompt or model.not_whole_because is not None:
        return ()
    batches = in_batches(model, encoded, _layers(model))
    means = torch.cat([_shares_of(model, model.collate(each)) for each in batches], 1).mean(dim=1)
    names = AttentionShares.model_fields
    return tuple(AttentionShares(**dict(zip(names, of, strict=True))) for of in means.tolist())


@torch.no_grad()
def _shares_of(model: AuditedModel, batch: Batch) -> Float64[Tensor, "layer batch share"]:
    """In the order of `AttentionShares`."""
    whole = model.read_whole(batch)
    first = whole.real.int().argmax(dim=1, keepdim=True)
    layers = []
    for weights in whole.layers:
        rows = weights.double().mean(dim=1).masked_fill(~whole.real.unsqueeze(2), 0)
        own = whole.readout * rows.diagonal(dim1=1, dim2=2)
        others = torch.einsum("bt,btk->bk", whole.readout, rows) - own
        at_first = others.gather(1, first).squeeze(1)
        text = batch.sum_over_units(others.scatter(1, first, 0)).sum(dim=1)
        itself = own.sum(dim=1)
        layers.append(torch.stack([at_first, 1 - at_first - text - itself, text, itself], dim=1))
    return torch.stack(layers)


@torch.no_grad()
def _reached(model: AuditedModel, some: Sequence[Encoded]) -> Bool[np.ndarray, "text layer"]:
    """Whether attention on some single unit decides, of the texts in which the model does."""
    at_layers = read_sites(model, model.collate(some), _layers(model), seed=0)
    singles = map(single_units, at_layers)
    reached = [_decides(each.margin, each.turned).any(axis=1) for each in singles]
    decided: np.ndarray = np.stack(reached, axis=1)[at_layers[0].has_margin]
    return decided


def _decides(moved: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Whether the margin moves by half of itself, or the decision is another."""
    decides: np.ndarray = (moved >= HALF_MARGIN) | (turned >= HALF_MARGIN)
    return decides


def _summed(found: _Effects, i: int, site: Site | None) -> SiteLeverage:
    moved = found.moved[:, i]
    matters = _decides(moved, found.turned[:, i])
    return SiteLeverage(
        layer=site and site.layer,
        head=site and site.head,
        matters=share_of(int(matters.sum()), len(moved)),
        margin=float(np.median(moved)),
    )
