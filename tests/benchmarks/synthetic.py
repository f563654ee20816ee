"""Batches of random attention and unit logits: what the checks cost without any model."""

from dataclasses import replace
from enum import StrEnum

import torch
from torch import Tensor

from attn_audit.checks.base import AuditedBatch, read_batch
from attn_audit.data.example import Example
from attn_audit.models.contract import LinearReadout, Reading
from tests.tiny import tiny_model


class Relation(StrEnum):
    """How attention goes with what a unit does to the logit."""

    INDEPENDENT = "independent"
    CORRELATED = "correlated with |v|"
    RISING = "rising with |v|"
    """The exact adversary's worst case: it can leave nothing out."""


def synthetic_batch(n_examples: int, n_units: int, relation: Relation) -> AuditedBatch:
    """Texts of one length whose output is one sigmoid, linear in attention.

    Args:
        n_examples: How many texts.
        n_units: Units of each.
        relation: Between attention and unit logits.
    """
    model = tiny_model()
    texts = [Example(str(i), " ".join(["w4"] * n_units)) for i in range(n_examples)]
    audited = read_batch(model, model.collate(model.encode(texts)), model.default_site, seed=0)
    torch.manual_seed(0)
    values = torch.randn(n_examples, n_units, 1)
    attention = _attention(values[..., 0].double(), relation)
    rows = attention.float().unsqueeze(1)
    reading = _reading(audited.reading, rows, values)
    return replace(
        audited,
        reading=reading,
        attention=attention.unsqueeze(1),
        explanation=attention,
        probabilities=model.task.probabilities(reading.logits),
    )


def _attention(values: Tensor, relation: Relation) -> Tensor:
    match relation:
        case Relation.INDEPENDENT:
            return torch.randn_like(values).softmax(dim=1)
        case Relation.CORRELATED:
            return (values.abs() + 0.5 * torch.randn_like(values)).softmax(dim=1)
        case Relation.RISING:
            return values.abs().softmax(dim=1)


def _reading(reading: Reading, rows: Tensor, values: Tensor) -> Reading:
    def replay(weights: Tensor, mass: Tensor | None = None) -> Tensor:
        return weights[:, :, 0].to(values.dtype) @ values

    return replace(
        reading,
        logits=replay(rows.unsqueeze(1)).squeeze(1),
        attention=rows,
        replay=replay,
        find_linear_readout=lambda: LinearReadout(torch.zeros(len(values), 1), values),
    )
