"""Before the first example: what is fitted to the half of the texts that judges nothing."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64

from attn_audit.checks.base import Check
from attn_audit.checks.erasure.outcomes import Outcomes
from attn_audit.data.example import sample_examples
from attn_audit.engine.in_process import batches_of
from attn_audit.engine.inputs import AuditedData
from attn_audit.engine.sampling import encoded_of, measured_where_it_works
from attn_audit.errors import ConfigurationError
from attn_audit.findings.measure import HEAD_MIX
from attn_audit.measures.base import n_whole_together
from attn_audit.measures.head_mix import N_SUBSETS, Mixes, of_heads, subsets
from attn_audit.models.contract import AuditedModel, Encoded, coarseness
from attn_audit.models.margin import Margin
from attn_audit.progress import in_portions
from attn_audit.randomness import is_of_judging_half
from attn_audit.results.model_description import HeadMix
from attn_audit.settings import AuditSettings

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

    Texts at which the model fails, or which it does not decide, are left out.

    Returns:
        None where there is none.
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
    limits = model.batch_limits("auto")
    for indices in batches_of(model, encoded, [model.default_site], limits):
        batch = [encoded[i] for i in indices]
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
