"""Which texts may share a batch: each must be in it what it is alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attn_audit.distances import Logits
from attn_audit.errors import AttnAuditError
from attn_audit.models.contract import EncodedExample, Reading, RowChoice, Site, times_input
from attn_audit.models.custom.adapter import failures_named
from attn_audit.models.interception.classifier import InterceptedBatch
from attn_audit.models.interception.erased_logits import Sharing
from attn_audit.models.interception.model import InterceptedModel
from attn_audit.models.self_check import Trial, rounding

N_DRAWS = 2
"""Random attentions of each text that are replayed."""

N_CROWD = 33
"""Texts of the largest batch that is tried: with their variants enough for sorting and other
kernels to take the ways that they take in an audit."""

N_ERASED = 2
"""Units of each text that are left out in turn."""

N_VARIANTS = 64
"""Of one text that are tried together."""

GRADIENT_FACTOR = 10.0
"""Rounding of a gradient, over the largest of its text, in what rounding of logits may be."""

OUTPUT_CHANGES = "its output for a text changes with the texts beside it"


@dataclass(frozen=True)
class _LoneText:
    """What a text is by itself."""

    encoded: EncodedExample
    readings: list[Reading]
    draws: list[Tensor]
    """At each site random attention: (1, variant, row, unit)."""
    replayed: list[Tensor]
    """At each site the logits under it: (1, variant, label)."""
    erased: Tensor
    """The logits without each of its first units: (variant, label)."""
    gradient: Tensor | None
    """Of its units; None where none can be taken."""


def try_sharing(
    model: InterceptedModel,
    texts: Sequence[EncodedExample],
    extremes: Sequence[EncodedExample],
    has_gradient: bool,
) -> tuple[Sharing, str | None]:
    """What may be computed together, and what else would be changed by it.

    Args:
        texts: Of different lengths, some as long as others.
        extremes: Of lengths that the model may not take, or of which it may not be audited: then
            they tell what they can.

    Returns:
        The most that is right, and why not more; None where any texts may share a batch.
    """
    sites = [
        Site(layer, rows=rows)
        for rows in RowChoice
        for layer in range(len(model.layers))
        if rows is RowChoice.READOUT or model.has_rows_of_tokens(layer)
    ] or [model.default_site]
    alone = [_alone(model, text, sites, has_gradient) for text in texts]
    reason = next(_reasons(model, alone, extremes, sites, has_gradient), None)
    if reason is None:
        return Sharing.TEXTS, None
    is_right = all(_variants_are_right(model, one, sites) for one in alone[:2])
    return (Sharing.VARIANTS if is_right else Sharing.NOTHING), reason


def _reasons(
    model: InterceptedModel,
    alone: Sequence[_LoneText],
    extremes: Sequence[EncodedExample],
    sites: Sequence[Site],
    has_gradient: bool,
) -> Iterator[str]:
    every = list(alone)
    for text in extremes:
        try:
            with failures_named():
                every.append(_alone(model, text, sites, has_gradient))
        except AttnAuditError:
            if _is_changed_by(model, text, alone[0].encoded):
                yield f"{OUTPUT_CHANGES}, as of one of {text.n_tokens} tokens"
    for batch in _batches(every):
        try:
            yield from _differences(model, batch, sites)
        except AttnAuditError as error:
            yield f"of several texts together: {error.message}"


@torch.no_grad()
def _is_changed_by(model: InterceptedModel, text: EncodedExample, other: EncodedExample) -> bool:
    """Whether a text's output alone, if it has one, is another beside another text."""

    def logits(*encoded: EncodedExample) -> Tensor | None:
        try:
            with failures_named():
                return model.classifier.logits(model.classifier.collate(encoded))[:1]
        except AttnAuditError:
            return None

    alone, together = logits(text), logits(text, other)
    if alone is None:
        return False
    limit = rounding(model) * max(1.0, float(alone.abs().max()))
    return together is None or not float((together - alone).abs().max()) <= limit


def _batches(alone: Sequence[_LoneText]) -> Iterator[list[_LoneText]]:
    """In the order in which an audit batches texts, in others, and of several sizes."""
    ordered = sorted(alone, key=lambda one: one.encoded.n_tokens)
    yield ordered
    yield [*ordered[1::2], *ordered[::2]]
    yield [ordered[-1], ordered[0]]
    yield list(islice(cycle([*ordered[::2], *ordered[1::2]]), N_CROWD))


def _alone(
    model: InterceptedModel, text: EncodedExample, sites: Sequence[Site], has_gradient: bool
) -> _LoneText:
    batch = model.collate([text])
    readings = model.read(batch, sites)
    draws = [_draws(reading, seed) for seed, reading in enumerate(readings)]
    replayed = [
        torch.cat([r.replay(one) for one in torch.split(weights, 1, dim=1)], dim=1)
        for r, weights in zip(readings, draws, strict=True)
    ]
    erased = [model.erase(batch, keep) for keep in torch.split(_without_one(batch), 1, dim=1)]
    gradient = _gradient(model, batch) if has_gradient else None
    return _LoneText(text, readings, draws, replayed, torch.cat(erased, dim=1)[0], gradient)


def _without_one(batch: InterceptedBatch, n: int = N_ERASED) -> Bool[Tensor, "batch variant unit"]:
    """Without each of the first units, as far as there are so many."""
    n_units = batch.unit_mask.shape[1]
    one = torch.eye(max(n_units, n), dtype=torch.bool, device=batch.unit_mask.device)
    return batch.unit_mask.unsqueeze(1) & ~one[:n, :n_units]


def _draws(reading: Reading, seed: int, n: int = N_DRAWS) -> Float[Tensor, "1 variant row unit"]:
    generator = torch.Generator().manual_seed(seed)
    shape = (1, n, *reading.admissible.shape[1:])
    scores = torch.rand(shape, generator=generator).to(reading.attention) + 0.01
    weights = scores * reading.admissible.unsqueeze(1)
    total = weights.sum(dim=-1, keepdim=True)
    return weights / torch.where(total > 0, total, 1)


def _gradient(model: InterceptedModel, batch: InterceptedBatch) -> Tensor:
    """Of a mixture of the logits, times the embedding; over the largest of each text."""
    embeddings = model.embed(batch).detach().requires_grad_()
    with torch.enable_grad():
        logits = model.forward(batch, embeddings, hold_attention=True)
        mixture = torch.arange(1, logits.shape[1] + 1).to(logits)
        score = (logits.masked_fill(~logits.isfinite(), 0) * mixture).sum()
        (gradient,) = torch.autograd.grad(score, embeddings)
    of_units = batch.sum_over_units(times_input(gradient, embeddings, model.dtype))
    largest = of_units.abs().amax(dim=1, keepdim=True)
    return of_units / torch.where(largest > 0, largest, 1)


def _is_off(
    model: InterceptedModel, batch: InterceptedBatch, own: Reading, found: Logits, expected: Logits
) -> bool:
    trial = Trial(model, model.default_site, batch, replace(own, logits=expected))
    return not trial.deviation(found) <= rounding(model)


def _differences(
    model: InterceptedModel, alone: Sequence[_LoneText], sites: Sequence[Site]
) -> Iterator[str]:
    batch = model.collate([one.encoded for one in alone])
    readings = model.read(batch, sites)
    limit = rounding(model)

    def is_off(found: Logits, expected: Sequence[Tensor]) -> bool:
        return _is_off(model, batch, readings[0], found, torch.cat(list(expected)))

    if is_off(readings[0].logits, [one.readings[0].logits for one in alone]):
        yield f"{OUTPUT_CHANGES}, as where padding is seen"
    for i, reading in enumerate(readings):
        own = [one.readings[i] for one in alone]
        if not all(_gap(reading, row, one) <= limit for row, one in enumerate(own)):
            yield _of_attention(reading, own, limit)
        draws, expected = _side_by_side(reading, alone, i), [one.replayed[i] for one in alone]
        found = reading.replay(draws)
        if any(is_off(found[:, v], [one[:, v] for one in expected]) for v in range(N_DRAWS)):
            yield (
                "it puts texts in another order: attention given to one reaches another"
                if is_off(reading.replay(draws[:, :1])[:, 0], [one[:, 0] for one in expected])
                else "it computes what lies before its attention with the texts in another order, "
                "as where they are sorted for packing: attention given to one would meet what was "
                "computed of another"
            )
    erased = model.erase(batch, _without_one(batch))
    for variant in range(N_ERASED):
        if is_off(erased[:, variant], [one.erased[variant].unsqueeze(0) for one in alone]):
            yield "its output for a shorter text changes with the texts beside it"
    if alone[0].gradient is not None:
        for row, one in zip(_gradient(model, batch), alone, strict=True):
            assert one.gradient is not None
            gap = row[: one.encoded.n_units] - one.gradient[0]
            if not float(gap.abs().max()) <= GRADIENT_FACTOR * limit:
                yield "its gradient for a text changes with the texts beside it"


def _gap(reading: Reading, row: int, own: Reading) -> float:
    """The largest difference of a text's weights in a batch from those that it has alone."""
    is_row, is_own = reading.row_mask[row], own.row_mask[0]
    found, expected = reading.attention[row][is_row], own.attention[0][is_own]
    if len(found) != len(expected):
        return torch.inf
    n_units = expected.shape[-1]
    gaps = (found[:, :n_units] - expected).abs(), found[:, n_units:].abs()
    of_mass = (reading.mass[row][is_row] - own.mass[0][is_own]).abs()
    return max(float(gap.max()) if gap.numel() else 0.0 for gap in (*gaps, of_mass))


def _of_attention(reading: Reading, own: Sequence[Reading], limit: float) -> str:
    """Whether the rows are right ones in another order."""
    rows = range(len(reading.attention))
    if all(any(_gap(reading, row, one) <= limit for row in rows) for one in own):
        return "its attention comes back with the texts in another order"
    return "its attention for a text changes with the texts beside it"


def _side_by_side(
    reading: Reading, alone: Sequence[_LoneText], site: int
) -> Float[Tensor, "batch variant row unit"]:
    n_batch, n_rows, n_units = reading.attention.shape
    out = reading.attention.new_zeros(n_batch, N_DRAWS, n_rows, n_units)
    for row, one in enumerate(alone):
        draws = one.draws[site][0][:, one.readings[site].row_mask[0]]
        out[row, :, reading.row_mask[row], : draws.shape[-1]] = draws
    return out


def _variants_are_right(model: InterceptedModel, one: _LoneText, sites: Sequence[Site]) -> bool:
    """Whether variants of a text, in one pass, give what each gives in a pass of its own."""
    batch = model.collate([one.encoded])
    is_off = partial(_is_off, model, batch, one.readings[0])
    try:
        for site, reading in zip(sites, one.readings, strict=True):
            weights = _draws(reading, seed=site.layer, n=N_VARIANTS)
            together = reading.replay(weights)[0]
            for i in (0, 1, N_VARIANTS // 3, N_VARIANTS // 2, N_VARIANTS - 2, N_VARIANTS - 1):
                alone = reading.replay(weights[:, i : i + 1])[0]
                if is_off(together[i : i + 1], alone):
                    return False
        model.sharing = Sharing.VARIANTS
        # All units: of several columns each, those of as many alone share a pass.
        keep = _without_one(batch, batch.unit_mask.shape[1])
        erased = model.erase(batch, keep)[0]
        return not any(
            is_off(erased[i : i + 1], model.erase(batch, keep[:, i : i + 1])[0])
            for i in range(len(erased))
        )
    except AttnAuditError:
        return False
    finally:
        model.sharing = Sharing.TEXTS
