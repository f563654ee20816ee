"""Which texts the slow checks are run on, and what is fitted to some of them before."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float64

from attn_audit.checks.base import Check
from attn_audit.checks.erasure import Erasure, Outcomes
from attn_audit.checks.mosaic import Mosaic, partners_of
from attn_audit.checks.plausibility import Plausibility
from attn_audit.checks.registry import make_checks
from attn_audit.data.example import Example, sample_examples
from attn_audit.engine.in_process import batches_of
from attn_audit.engine.inputs import AuditedData
from attn_audit.errors import ConfigurationError
from attn_audit.findings.measure import HEAD_MIX, shown_measure
from attn_audit.measures.base import n_whole_together
from attn_audit.measures.head_mix import N_SUBSETS, Mixes, subsets
from attn_audit.measures.readout import of_heads
from attn_audit.models.contract import AuditedModel, Encoded, Site, coarseness
from attn_audit.models.margin import Margin
from attn_audit.process import is_out_of_memory, release_memory
from attn_audit.progress import in_portions
from attn_audit.quoting import quoted
from attn_audit.randomness import is_of_judging_half
from attn_audit.results.model_description import HeadMix
from attn_audit.settings import FIELDS, AuditSettings
from attn_audit.statistics.erasure import MAX_UNITS_OF_ALL_SIZES, MAX_UNITS_OF_TABLE

Measured = TypeVar("Measured")

N_MOSAICS = 200
"""Texts that are joined with others."""

N_SEARCHED = 50
"""Texts whose best order is searched for, since they are too long to try out all."""


def checks_of(settings: AuditSettings, model: AuditedModel, data: AuditedData) -> tuple[Check, ...]:
    """The checks that the settings ask for, with their samples of the texts that are audited.

    Raises:
        ConfigurationError: As `make_checks`.
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
        some = sample_examples(data.sampled(settings), N_MOSAICS, settings.seed)
        return replace(check, partners=partners_of(some, settings.seed))
    if not isinstance(check, Erasure):
        return check
    sample = sample_examples(data.sampled(settings), settings.erasure_sample, settings.seed)
    long = [
        item.example
        for item in encoded_of(model, sample)
        if MAX_UNITS_OF_TABLE < item.n_units <= MAX_UNITS_OF_ALL_SIZES
    ]
    searched = sample_examples(long, N_SEARCHED, settings.seed)
    ids, ids_searched = (frozenset(e.id for e in some) for some in (sample, searched))
    return replace(check, sample=ids, searched=ids_searched)


def measured_where_it_works(
    measure: Callable[[Sequence[Encoded]], Measured], encoded: Sequence[Encoded]
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
    model: AuditedModel, encoded: Sequence[Encoded], sites: Sequence[Site]
) -> Iterator[list[Encoded]]:
    """Texts of similar length that are read together, at all of these sites."""
    for indices in batches_of(model, encoded, sites, model.batch_limits("auto")):
        yield [encoded[i] for i in indices]


def encoded_of(model: AuditedModel, examples: Sequence[Example]) -> list[Encoded]:
    """Those that the model takes; the audit meets the others again, and says so."""
    try:
        return model.encode(examples)
    except Exception:  # of a tokenizer, too
        if len(examples) == 1:
            return []
    return [item for example in examples for item in encoded_of(model, [example])]


FITTING = "fitting the head mix"
"""What the stage is called."""

PASSES = N_SUBSETS + 1
"""Of each text that the mix is fitted to."""


def is_fitted_for(checks: Sequence[Check]) -> bool:
    """Whether one of them reads what has to be fitted."""
    return any(HEAD_MIX.name in getattr(check, "measures", ()) for check in checks)


def texts_to_fit(model: AuditedModel, data: AuditedData, settings: AuditSettings) -> list[Encoded]:
    """Those of the erasure sample that are of the half that fits, whatever their order."""
    sample = sample_examples(data.sampled(settings), settings.erasure_sample, settings.seed)
    is_judging = is_of_judging_half([example.id for example in sample])
    fitting = [example for example, judges in zip(sample, is_judging, strict=True) if not judges]
    encoded = encoded_of(model, sorted(fitting, key=lambda example: example.id))
    return [item for item in encoded if item.n_units > 1]


def fit_mixes(model: AuditedModel, encoded: Sequence[Encoded], seed: int) -> Mixes | None:
    """The mix of heads that tells best what is lost without random halves of these texts' units.

    Texts at which the model fails, or which it does not decide, are left out; None where all are.
    """

    def observed(some: Sequence[Encoded]) -> list[_Observed]:
        return _observed(model, some, seed)

    found = [
        each
        for batch in _batches(model, encoded)
        for part in measured_where_it_works(observed, batch)
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


class _Observed(NamedTuple):
    """Of one text."""

    id: str
    sums: Float64[np.ndarray, "subset head"]
    effects: Float64[np.ndarray, " subset"]


def _batches(model: AuditedModel, encoded: Sequence[Encoded]) -> Iterator[Sequence[Encoded]]:
    """Of similar length, as many as whole attentions are kept of."""
    for batch in in_batches(model, encoded, [model.default_site]):
        size = n_whole_together(model, model.collate(batch))
        yield from (batch[portion] for portion in in_portions(len(batch), size))


@torch.no_grad()
def _observed(model: AuditedModel, encoded: Sequence[Encoded], seed: int) -> list[_Observed]:
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
        _Observed(
            item.example.id, heads[i][units[i]].sum(axis=1), outcomes.lost(i, asked[i]) * sizes[i]
        )
        for i, item in enumerate(encoded)
        if np.isfinite(sizes[i])
    ]
