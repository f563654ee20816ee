"""What checks give: columns of values, one for each example of a batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from attn_audit.findings.example import Status

Columns = dict[str, Sequence[Any]]
"""Values of record fields by name, one for each example of a batch; None where not measured."""


def join_statuses(statuses: Sequence[str]) -> str:
    """A record's status field: the reasons, or `measured` where there is none."""
    return "+".join(statuses) if statuses else Status.MEASURED


def or_none(values: np.ndarray, keep: np.ndarray) -> list[float | None]:
    """Values as plain floats, None where `keep` is False."""
    pairs = zip(values.tolist(), keep.tolist(), strict=True)
    return [value if kept else None for value, kept in pairs]


def rows_of(values: Tensor, lengths: np.ndarray) -> list[tuple[float, ...]]:
    """Per-unit values without their padding."""
    table = values.cpu().tolist()
    return [tuple(row[:n]) for row, n in zip(table, lengths.tolist(), strict=True)]
