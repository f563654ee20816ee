"""Texts without some of their units: by passes, or told from one pass where that is proved.

Where each unit's score and logits are its own, and the readout is linear, a text without unit i has
the logits (z - a_i h_i) / (1 - a_i), and so on for any units that are left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from attn_audit.distances import KeptUnits, Logits, VariantLogits
from attn_audit.models.capacity import full_batches, in_order
from attn_audit.models.contract import Reading
from attn_audit.models.interception.classifier import (
    Classifier,
    InterceptedBatch,
    removed_positions,
)
from attn_audit.models.interception.module_calls import ModelMayFail
from attn_audit.models.interception.removal import (
    Deletion,
    Masking,
    Proof,
    UnitRemoval,
    Variants,
)
from attn_audit.models.interception.short_passes import ROUNDING, are_equal
from attn_audit.progress import portions

PART_OF_KEPT = 8
"""Positions of a prefix that take the memory of one that is computed, keys and values alone."""


class Prefixes:
    """Texts without units from their first change on, behind what was kept of the whole texts.

    Whether that gives what passes give is found by trial, for each way to leave units out.
    """

    def __init__(self) -> None:
        self._proofs: dict[type[UnitRemoval], Proof[bool]] = {}

    def are_worth_it(
        self, removal: UnitRemoval, batch: InterceptedBatch, variants: Variants
    ) -> bool:
        """Whether fewer positions are computed, and the logits are those of passes."""
        if not removal.classifier.can_continue or not removal.is_of_tokens:
            return False
        n_positions = removal.n_positions(batch, variants)
        n_computed = (n_positions - _n_kept(removal, batch, variants)).sum()
        n_whole = batch.inputs.real[torch.unique(variants.example)].sum()
        if not bool(n_computed + n_whole < n_positions.sum()):
            return False
        if type(removal) not in self._proofs:
            self._proofs[type(removal)] = Proof([True], partial(self._holds, removal))
        return bool(self._proofs[type(removal)].found(batch))

    def logits(
        self, removal: UnitRemoval, batch: InterceptedBatch, variants: Variants, n_tokens: int
    ) -> Logits:
        """Of variants, in their order."""
        parts = []
        chunks = list(_of_some_texts(batch, variants, n_tokens))
        for texts, rows in portions(chunks, [len(rows) for _, rows in chunks]):
            some = variants.take(rows)
            n_kept = _n_kept(removal, batch, some)
            n_left = removal.n_positions(batch, some) - n_kept
            batches = list(full_batches(n_left + n_kept // PART_OF_KEPT, n_tokens))
            run = _behind_beginnings(removal, batch, texts)
            found = [run(part) for part in map(some.take, portions(batches))]
            parts.append(in_order(found, batches))
        return in_order(parts, [rows for _, rows in chunks])

    def _holds(
        self, removal: UnitRemoval, batch: InterceptedBatch, variants: Variants, _: bool
    ) -> bool:
        whole = removal.runner(batch)(variants)
        with ModelMayFail():  # where it is given keys and values
            run = _behind_beginnings(removal, batch, torch.unique(variants.example))
            run(variants)  # which leaves nothing behind that the next pass would see
            return are_equal(run(variants), whole)
        return False


def _behind_beginnings(
    removal: UnitRemoval, batch: InterceptedBatch, texts: Int[Tensor, " text"]
) -> Callable[[Variants], Logits]:
    """What runs variants of some texts, all that it gets in one pass, behind what these keep."""
    place = torch.zeros(len(batch.encoded), dtype=torch.long, device=texts.device)
    place[texts] = torch.arange(len(texts), device=texts.device)
    classifier = removal.classifier
    kept = classifier.kept_prefixes(batch.inputs.take(texts).trim())

    def run(variants: Variants) -> Logits:
        inputs, n_kept = removal.inputs(batch, variants), _n_kept(removal, batch, variants)
        return classifier.continued(kept, place[variants.example], n_kept, inputs)

    return run


def _of_some_texts(
    batch: InterceptedBatch, variants: Variants, n_tokens: int
) -> Iterator[tuple[Int[Tensor, " text"], Int[Tensor, " row"]]]:
    """Texts whose keys and values are kept together, and the variants of them."""
    examples = torch.unique(variants.example)
    lengths = batch.inputs.real[examples].sum(dim=1)
    for chosen in full_batches(lengths, n_tokens):
        texts = examples[chosen]
        (rows,) = torch.nonzero(torch.isin(variants.example, texts), as_tuple=True)
        yield texts, rows


def _n_kept(
    removal: UnitRemoval, batch: InterceptedBatch, variants: Variants
) -> Int[Tensor, " row"]:
    """Positions before the first change, and before the first that is read."""
    units, real = batch.inputs.units[variants.example], batch.inputs.real[variants.example]
    gone = removed_positions(units, variants.keep)
    first = torch.where(gone.any(dim=1), gone.int().argmax(dim=1), real.sum(dim=1))
    n_positions = removal.n_positions(batch, variants)
    return torch.minimum(first, n_positions - _n_read(removal, batch)[variants.example])


def _n_read(removal: UnitRemoval, batch: InterceptedBatch) -> Int[Tensor, " batch"]:
    """Positions from the first that the output is read at, to the end of each text."""
    real, read = batch.inputs.real, removal.classifier.read_rows(batch.inputs)
    if read is None:
        return torch.ones_like(real[:, 0], dtype=torch.long)
    return (real & (read.cumsum(dim=1) > 0)).sum(dim=1)


class Sharing(StrEnum):
    """What may be computed in one pass, each row as it is alone."""

    TEXTS = "texts"
    """Any texts."""
    LENGTHS = "lengths"
    """Texts of one length."""
    VARIANTS = "variants"
    """Variants of one text, of one length."""
    NOTHING = "nothing"


@torch.no_grad()
def erased_logits(
    removal: UnitRemoval,
    batch: InterceptedBatch,
    keep: KeptUnits,
    sharing: Sharing,
    n_tokens: int,
    prefixes: Prefixes | None = None,
) -> VariantLogits:
    """Logits without the units that are not kept, on the model's own kernels.

    Where nothing is left that the model could read, the prediction itself stands.

    Args:
        removal: How the others are left out; of variants that it does not suit, they are deleted.
        prefixes: What is known of whether texts may share their beginnings; None: they do not.
    """
    kept = keep & batch.unit_mask.unsqueeze(1)
    is_changed = kept.sum(-1) != batch.unit_mask.sum(-1, keepdim=True)
    deletion = Deletion(removal.classifier, removal.run)
    suited = is_changed & removal.suits(batch, kept)
    deleted = is_changed & ~suited & deletion.suits(batch, kept)
    runs = []
    for chosen, way in ((suited, removal), (deleted, deletion)):
        example, variant = torch.nonzero(chosen, as_tuple=True)
        runs.append((Variants(example, variant, kept[example, variant]), way))
    (rows,) = torch.nonzero(~(suited | deleted).all(dim=1), as_tuple=True)
    can_mask = removal.classifier.can_mask
    as_it_is = Masking(removal.classifier, None, removal.run) if can_mask else deletion
    runs.append((Variants(rows, torch.zeros_like(rows), batch.unit_mask[rows]), as_it_is))
    asked = [(variants, way) for variants, way in runs if len(variants)]
    found = [
        (variants, _run(way, batch, variants, sharing, n_tokens, prefixes))
        for variants, way in portions(asked, [len(variants) for variants, _ in asked])
    ]
    out = found[0][1].new_empty(*keep.shape[:2], found[0][1].shape[1])
    if len(rows):
        out[rows] = found.pop()[1].unsqueeze(1).expand(-1, keep.shape[1], -1)
    for variants, logits in found:
        out[variants.example, variants.variant] = logits
    return out


def _run(
    removal: UnitRemoval,
    batch: InterceptedBatch,
    variants: Variants,
    sharing: Sharing,
    n_tokens: int,
    prefixes: Prefixes | None,
) -> Tensor:
    if prefixes is not None and prefixes.are_worth_it(removal, batch, variants):
        return prefixes.logits(removal, batch, variants, n_tokens)
    most = 0 if sharing is Sharing.NOTHING else n_tokens
    positions = removal.n_positions(batch, variants)
    batches = list(full_batches(positions, most, may_pad=sharing is Sharing.TEXTS))
    run = removal.runner(batch)
    parts = [run(part) for part in map(variants.take, portions(batches))]
    return in_order(parts, batches)


MIN_SHARE = 1e-3
"""Of attention on the units that are left. What they weigh among themselves is not told by so
little, and a pass is run."""

MIN_UNITS = 3
"""Of a text that can tell whether its units know each other."""

N_LEFT_OUT, N_HALVES = 12, 4
"""Of each text of the trial: units that are left out alone, and random halves that are."""


def pooled_again(
    reading: Reading, kept: KeptUnits
) -> tuple[VariantLogits, Bool[Tensor, "batch variant"]]:
    """Logits of the units that are kept, and where enough attention lies on them to tell.

    Sums run over what is kept: nothing is subtracted, however much lies on what is not.
    """
    readout = reading.linear_readout
    assert readout is not None
    attention = reading.attention[:, 0].double().unsqueeze(-1)
    summed = kept.double() @ torch.cat([attention, attention * readout.unit_logits], dim=-1)
    share = summed[..., :1]
    logits = readout.offset.unsqueeze(1) + summed[..., 1:] / share.clamp_min(MIN_SHARE)
    return logits.to(reading.logits.dtype), share[..., 0] >= MIN_SHARE


HALVES = (0, 1)
"""Every other unit, from the first or the second on: each is gone in one of them."""


def halves_of(unit_mask: Bool[Tensor, "batch unit"]) -> Bool[Tensor, "batch half unit"]:
    """The units of both halves of each text."""
    parity = torch.arange(unit_mask.shape[1], device=unit_mask.device) % len(HALVES)
    return torch.stack([unit_mask & (parity == half) for half in HALVES], dim=1)


def confirmed(
    reading: Reading,
    halves: Bool[Tensor, "batch half unit"],
    run: Float[Tensor, "batch half label"],
) -> Bool[Tensor, " batch"]:
    """Whether the logits of both halves are those that a pass gives, as far as rounding goes."""
    readout = reading.linear_readout
    assert readout is not None
    pooled, is_given = pooled_again(reading, halves)
    size = torch.maximum(readout.unit_logits.abs().amax(), readout.offset.abs().amax())
    limit = ROUNDING * torch.finfo(run.dtype).eps * float(size)
    is_close = torch.isclose(pooled, run, rtol=0, atol=limit).all(dim=2)
    return (is_given & is_close | ~halves.any(dim=2)).all(dim=1)


@torch.no_grad()
def are_independent(
    classifier: Classifier, batch: InterceptedBatch, read: Callable[[InterceptedBatch], Reading]
) -> bool:
    """Whether units have the scores and logits that they have among others, by a trial.

    Every unit is left out by itself, and random halves of each text are: then each unit that stays
    has other neighbours, other places and a text of another length.

    Returns:
        False too where the texts are too short to tell, and where attention lies on anything else.
    """
    whole = read(batch)
    spacing = ROUNDING * torch.finfo(whole.logits.dtype).eps
    rows, kept = _shorter_texts(batch.unit_mask)
    if len(rows) == 0 or bool((whole.rest > spacing).any()):
        return False
    encoded = tuple(batch.encoded[i] for i in rows.tolist())
    shorter = read(
        replace(
            batch,
            encoded=encoded,
            unit_mask=kept,
            inputs=classifier.delete(encoded, kept),
            readout_units=batch.readout_units[rows],
        )
    )
    own, found = whole.linear_readout, shorter.linear_readout
    if own is None or found is None:
        return False
    weights = whole.attention[rows, 0].double() * kept
    weights /= weights.sum(dim=-1, keepdim=True).clamp_min(MIN_SHARE)
    gap = (shorter.attention[:, 0] - weights).abs() > spacing * weights.clamp_min(spacing)
    moved = (found.unit_logits - own.unit_logits[rows]).abs().amax(dim=-1)
    is_moved = moved > spacing * own.unit_logits.abs().max()
    return not bool(((gap | is_moved) & kept).any())


def _shorter_texts(
    unit_mask: Bool[Tensor, "batch unit"],
) -> tuple[Int[Tensor, " row"], Bool[Tensor, "row unit"]]:
    generator = torch.Generator().manual_seed(0)
    rows, kept = [], []
    for row, mask in enumerate(unit_mask.cpu()):
        n_units = int(mask.sum())
        if n_units < MIN_UNITS:
            continue
        variants = [mask & (torch.arange(len(mask)) != i) for i in range(min(n_units, N_LEFT_OUT))]
        for _ in range(N_HALVES):
            order = torch.rand(len(mask), generator=generator).masked_fill(~mask, 2).argsort()
            variants.append(torch.zeros_like(mask).index_fill(0, order[: n_units // 2], True))
        rows += [row] * len(variants)
        kept += variants
    device = unit_mask.device
    stacked = torch.stack(kept) if kept else unit_mask[:0].cpu()
    return torch.tensor(rows, dtype=torch.long, device=device), stacked.to(device)
