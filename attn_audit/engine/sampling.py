"""What is measured of a sample before an audit: which layers matter, and a mix of heads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from attn_audit.checks.base import AuditedBatch, Check, read_sites
from attn_audit.checks.erasure import Erasure, Outcomes
from attn_audit.checks.mosaic import Mosaic, partners_of
from attn_audit.checks.permutation import single_units, without_attention
from attn_audit.checks.plausibility import Plausibility
from attn_audit.checks.registry import make_checks
from attn_audit.checks.replacement import Replacement
from attn_audit.data.example import Example, sample_examples
from attn_audit.distances import VariantLogits
from attn_audit.engine.in_process import batches_of, encoded_or_why_not
from attn_audit.engine.inputs import AuditedData, load_named_model
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.engine.summaries import share_of
from attn_audit.errors import ConfigurationError
from attn_audit.findings.measure import HEAD_MIX, shown_measure
from attn_audit.findings.thresholds import HALF_MARGIN
from attn_audit.measures.base import n_whole_together
from attn_audit.measures.head_mix import N_SUBSETS, Mixes, subsets
from attn_audit.measures.readout import of_heads
from attn_audit.models.contract import AuditedModel, Batch, EncodedExample, Site, coarseness
from attn_audit.models.margin import Margin, OfVariants
from attn_audit.process import full_precision, is_out_of_memory, release_memory
from attn_audit.progress import in_portions
from attn_audit.quoting import quoted
from attn_audit.randomness import is_of_judging_half
from attn_audit.results.answers import Inspection
from attn_audit.results.model_description import AttentionShares, HeadMix, Leverage, SiteLeverage
from attn_audit.settings import FIELDS, AuditSettings
from attn_audit.statistics.rankings import MAX_UNITS_OF_ALL_SIZES, MAX_UNITS_OF_TABLE

Measured = TypeVar("Measured")

N_MOSAICS = 200
"""Texts that are joined with others."""

N_SEARCHED = 50
"""Texts whose best order is searched for, since they are too long to try out all."""


def checks_of(settings: AuditSettings, model: AuditedModel, data: AuditedData) -> tuple[Check, ...]:
    """The checks that the settings ask for, with their samples of the texts that are audited.

    Raises:
        ConfigurationError: What one of them needs is not in the data or the model.
    """
    checks = [
        _sampling(check, settings, model, data)
        for check in make_checks(settings, model)
        if data.has_rationales or not isinstance(check, Plausibility)
        if takes_mosaics(model) or not isinstance(check, Mosaic)
    ]
    read = {name for check in checks for name in getattr(check, "measures", ())}
    for field in settings.shown:
        if shown_measure(field).name not in read:
            raise ConfigurationError(
                f"--shown {field}: no check reads these scores",
                hint=f"Add --checks erasure or plausibility, or --measures shown.{field}.",
            )
    is_asked_for_alone = settings.rationale_field != FIELDS["rationale_field"].default or not checks
    if Plausibility.id in settings.checks and not data.has_rationales and is_asked_for_alone:
        raise ConfigurationError(
            f"--checks {Plausibility.id}: no row of the data has a rationale in its field "
            f"{quoted(settings.rationale_field)}",
            hint="Name the field of spans [start, end] that people marked with --rationale-field.",
        )
    if Mosaic.id in settings.checks and not takes_mosaics(model) and not checks:
        raise ConfigurationError(
            f"--checks {Mosaic.id}: of pairs, and of several labels a text, none is joined",
            hint="It takes a model of single texts with one label each.",
        )
    return tuple(checks)


def takes_mosaics(model: AuditedModel) -> bool:
    """Whether two texts make one, of one label."""
    return not (model.task.is_multilabel or model.describe().takes_pairs)


def _sampling(
    check: Check, settings: AuditSettings, model: AuditedModel, data: AuditedData
) -> Check:
    if isinstance(check, Mosaic):
        some = data.sample(N_MOSAICS, settings)
        return replace(check, partners=partners_of(some, settings.seed))
    if not isinstance(check, Erasure):
        return check
    sample = data.sample(settings.erasure_sample, settings)
    long = [
        item.example
        for item in encoded_of(model, sample)
        if MAX_UNITS_OF_TABLE < item.n_units <= MAX_UNITS_OF_ALL_SIZES
    ]
    searched = sample_examples(long, N_SEARCHED, settings.seed)
    ids, ids_searched = (frozenset(e.id for e in some) for some in (sample, searched))
    return replace(check, sample=ids, searched=ids_searched)


def measured_where_it_works(
    measure: Callable[[Sequence[EncodedExample]], Measured], encoded: Sequence[EncodedExample]
) -> Iterator[Measured]:
    """What is measured of the texts at which the model does not fail: of smaller batches, if so."""
    try:
        yield measure(encoded)
        return
    except Exception as error:
        is_memory = is_out_of_memory(error)
    if is_memory:
        release_memory()
    if len(encoded) > 1:
        half = len(encoded) // 2
        yield from measured_where_it_works(measure, encoded[:half])
        yield from measured_where_it_works(measure, encoded[half:])


def in_batches(
    model: AuditedModel, encoded: Sequence[EncodedExample], sites: Sequence[Site]
) -> Iterator[list[EncodedExample]]:
    """Texts of similar length that are read together, at all of these sites."""
    for indices in batches_of(model, encoded, sites, model.batch_limits("auto")):
        yield [encoded[i] for i in indices]


def encoded_of(model: AuditedModel, examples: Sequence[Example]) -> list[EncodedExample]:
    """Those that the model takes; the audit meets the others again, and says so."""
    return encoded_or_why_not(model, examples)[0]


FITTING = "fitting the head mix"
"""What the stage is called."""

PASSES = N_SUBSETS + 1
"""Of each text that the mix is fitted to."""


def is_fitted_for(checks: Sequence[Check]) -> bool:
    """Whether one of them reads what has to be fitted."""
    return any(HEAD_MIX.name in getattr(check, "measures", ()) for check in checks)


def texts_to_fit(
    model: AuditedModel, data: AuditedData, settings: AuditSettings
) -> list[EncodedExample]:
    """Those of the erasure sample that are of the half that fits, whatever their order."""
    sample = data.sample(settings.erasure_sample, settings)
    is_judging = is_of_judging_half([example.id for example in sample])
    fitting = [example for example, judges in zip(sample, is_judging, strict=True) if not judges]
    encoded = encoded_of(model, sorted(fitting, key=lambda example: example.id))
    return [item for item in encoded if item.n_units > 1]


def fit_mixes(model: AuditedModel, encoded: Sequence[EncodedExample], seed: int) -> Mixes | None:
    """The mix of heads that tells best what is lost without random halves of these texts' units.

    Texts at which the model fails, or which it does not decide, are left out; None where all are.
    """
    found = [
        each
        for batch in _batches(model, encoded)
        for part in measured_where_it_works(lambda some: _subset_effects(model, some, seed), batch)
        for each in part
    ]
    if not found:
        return None
    ids, sums, effects = zip(*found, strict=True)
    return Mixes.of(seed, ids, sums, effects)


def described(model: AuditedModel, mixes: Mixes | None) -> HeadMix | None:
    """The mix as a report keeps it."""
    if mixes is None:
        return None
    left = iter(mixes.own)
    n_layers = model.default_site.layer + 1
    return HeadMix(
        n_texts=mixes.n_texts,
        passes=PASSES * mixes.n_texts,
        weights=tuple(tuple(islice(left, each.n_heads)) for each in model.layers[:n_layers]),
    )


def restored(model: AuditedModel, mix: HeadMix) -> Mixes:
    """The mix that a report keeps, to score texts that nothing is judged by.

    Raises:
        ConfigurationError: The model has other heads.
    """
    heads = tuple(each.n_heads for each in model.layers[: model.default_site.layer + 1])
    if tuple(map(len, mix.weights)) != heads:
        raise ConfigurationError("the report's head mix is of a model with other layers or heads")
    return Mixes(mix.n_texts, tuple(chain.from_iterable(mix.weights)))


class _SubsetEffects(NamedTuple):
    """Of one text."""

    id: str
    sums: Float64[np.ndarray, "subset head"]
    effects: Float64[np.ndarray, " subset"]


def _batches(
    model: AuditedModel, encoded: Sequence[EncodedExample]
) -> Iterator[Sequence[EncodedExample]]:
    """Of similar length, as many as whole attentions are kept of."""
    for batch in in_batches(model, encoded, [model.default_site]):
        size = n_whole_together(model, model.collate(batch))
        yield from (batch[portion] for portion in in_portions(len(batch), size))


@torch.no_grad()
def _subset_effects(
    model: AuditedModel, encoded: Sequence[EncodedExample], seed: int
) -> list[_SubsetEffects]:
    batch = model.collate(encoded)
    whole = model.read_whole(batch)
    heads = of_heads(batch, whole).cpu().numpy()
    margin = Margin.of(model.task, whole.logits, coarseness(model.dtype), model.logit_limits)
    sizes = margin.mean.abs().tolist()
    units = [subsets(seed, item.example.id, item.n_units) for item in encoded]
    asked = [[sum(1 << unit for unit in some) for some in rows.tolist()] for rows in units]
    outcomes = Outcomes(model, encoded, operator=None)
    outcomes.measure(asked)
    return [
        _SubsetEffects(
            item.example.id, heads[i][units[i]].sum(axis=1), outcomes.lost(i, asked[i]) * sizes[i]
        )
        for i, item in enumerate(encoded)
        if np.isfinite(sizes[i])
    ]


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
    encoded: Sequence[EncodedExample],
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
    model: AuditedModel, encoded: Sequence[EncodedExample], layers: Sequence[SiteLeverage]
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


def texts_of(
    model: AuditedModel, data: AuditedData, settings: AuditSettings
) -> list[EncodedExample]:
    """Those by which the layers of an audit's model are compared."""
    return encoded_of(model, data.sampled_for_layers(N_TEXTS, settings.seed))


def texts_of_reach(encoded: Sequence[EncodedExample]) -> list[EncodedExample]:
    """Those that reach is looked at of: the first, and others as long as there is room."""
    total, some = 0, list[EncodedExample]()
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


def _measured(
    model: AuditedModel, encoded: Sequence[EncodedExample], sites: Sequence[Site]
) -> _Effects:
    parts = [_Effects(*np.empty((2, 0, len(sites) + 1)))]
    for batch in in_batches(model, encoded, sites):
        parts += measured_where_it_works(
            lambda some: _effects(read_sites(model, model.collate(some), sites, seed=0)), batch
        )
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
    model: AuditedModel, encoded: Sequence[EncodedExample]
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
def _reached(model: AuditedModel, some: Sequence[EncodedExample]) -> Bool[np.ndarray, "text layer"]:
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
