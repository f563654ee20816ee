"""One batch: a forward pass for all sites, every check at each of them, and examples that fail."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from attn_audit.checks.base import AuditedBatch, Check, Columns, or_none, read_sites, rows_of
from attn_audit.data.example import Example
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import RECORD, AttnAuditError, ConfigurationError, InvalidOutputError
from attn_audit.findings.example import (
    ATTENTION,
    AUDITED,
    AUDITED_MASS,
    BORDER,
    FAILED,
    HEAD,
    ID,
    LABEL,
    LAYER,
    MARGIN,
    MAX_ATTENTION,
    N_UNITS,
    PREDICTION,
    PROBABILITY,
    READOUT_UNIT,
    REASON,
    STATUS,
    TRUNCATED,
    UNITS,
    WINDOWS,
)
from attn_audit.findings.registry import findings_of
from attn_audit.measures.costs import counting, timed
from attn_audit.measures.head_mix import Mixes
from attn_audit.models.capacity import BatchLimits
from attn_audit.models.contract import AuditedModel, Encoded, Site
from attn_audit.models.task import Task
from attn_audit.process import is_out_of_memory
from attn_audit.progress import READING
from attn_audit.quoting import one_line
from attn_audit.results.table import record_table, schemas

SHARD_SIZE = 2000
"""Examples that are in memory together, at most."""


@dataclass(frozen=True)
class Plan:
    """What an audit computes, and in which portions."""

    checks: tuple[Check, ...]
    sites: tuple[Site, ...]
    """The audited one, then those that stand beside it, each with its own records."""
    seed: int
    limits: BatchLimits = field(default_factory=BatchLimits)
    shard_size: int = SHARD_SIZE
    records_failures: bool = False
    """Whether an example that fails becomes a record that says so; else it ends the audit."""
    mixes: Mixes | None = None
    """Of heads, fitted before the first example is audited; None: none is asked for, or none could
    be."""


class Found(NamedTuple):
    """What was found for some examples, in their order."""

    records: pa.Table
    sites: pa.Table | None = None
    """Of each example, one row for each site beside the audited one, in the plan's order."""


def audit_batch(
    model: AuditedModel, encoded: Sequence[Encoded], plan: Plan, stopwatch: Stopwatch
) -> Found:
    """Audit examples together.

    Raises:
        AttnAuditError: Of the model's output, or a check.
    """
    with counting(stopwatch.costs):
        return _audit_batch(model, encoded, plan, stopwatch)


def _audit_batch(
    model: AuditedModel, encoded: Sequence[Encoded], plan: Plan, stopwatch: Stopwatch
) -> Found:
    every = tuple(dict.fromkeys(plan.sites))
    with stopwatch.measure(READING, encoded):
        batch = model.collate(encoded)
        with timed(ATTENTION.name, encoded, lambda n_units: 1, model.device):
            audited = read_sites(model, batch, every, plan.seed, plan.mixes)
    measured = {
        site: _measure(of_site, site, plan, stopwatch, is_audited=site == every[0])
        for site, of_site in zip(every, audited, strict=True)
    }
    records, sites = schemas(model.task.n_logits, model.task.is_multilabel)
    found = record_table(_describe(audited[0]) | measured[plan.sites[0]], records)
    if len(plan.sites) == 1:
        return Found(found)
    n, ids = len(encoded), audited[0].ids
    tables = [
        record_table(
            {
                **measured[site],
                ID.name: ids,
                LAYER.name: [site.layer] * n,
                HEAD.name: [site.head] * n,
            },
            sites,
        )
        for site in plan.sites[1:]
    ]
    by_example = np.arange(n * len(tables)).reshape(len(tables), n).T.ravel()
    return Found(found, pa.concat_tables(tables).take(by_example))


def _measure(
    audited: AuditedBatch, site: Site, plan: Plan, stopwatch: Stopwatch, *, is_audited: bool
) -> Columns:
    """What is known of attention at a site: its shape, and what every check finds.

    What would be the same at every site is measured at the audited one alone.
    """
    columns: Columns = {}
    if audited.has_attention:
        largest = audited.explanation.max(dim=-1).values.cpu().numpy()
        columns[AUDITED_MASS.name] = audited.mass.tolist()
        columns[MAX_ATTENTION.name] = or_none(largest, audited.has_mass)
        if is_audited:
            columns[ATTENTION.name] = rows_of(audited.explanation, audited.lengths)
    for check in plan.checks:
        if not (is_audited or findings_of(check.id).is_of_sites):
            continue
        with stopwatch.measure(check.id, audited.batch.encoded):
            found = check.run(audited)
        _require_numbers(audited.ids, found)
        columns |= found
    return columns


def _require_numbers(ids: Sequence[str], columns: Columns) -> None:
    """Whatever else a check found: NaN and infinity are no findings."""
    for values in columns.values():
        for i, value in enumerate(values):
            if isinstance(value, float) and not isfinite(value):
                raise InvalidOutputError(ids[i], "output under other attention")


def _describe(audited: AuditedBatch) -> Columns:
    """What is known of each example before any check."""
    task, batch = audited.model.task, audited.batch
    probabilities = audited.probabilities.tolist()
    return {
        ID.name: audited.ids,
        LABEL.name: [gold_label(task, item.example) for item in batch.encoded],
        STATUS.name: [AUDITED] * len(audited.ids),
        PREDICTION.name: task.predictions(audited.probabilities),
        PROBABILITY.name: [p[0] if task.n_logits == 1 else tuple(p) for p in probabilities],
        MARGIN.name: or_none(audited.margin.mean.cpu().numpy(), audited.has_margin),
        N_UNITS.name: [item.n_units for item in batch.encoded],
        TRUNCATED.name: [item.truncated for item in batch.encoded],
        WINDOWS.name: [n if (n := item.n_windows) > 1 else None for item in batch.encoded],
        READOUT_UNIT.name: [item.readout_unit for item in batch.encoded],
        BORDER.name: [item.border for item in batch.encoded],
        UNITS.name: [tuple(unit.text for unit in item.units) for item in batch.encoded],
    }


def gold_label(task: Task, example: Example) -> str | tuple[str, ...] | None:
    """An example's gold label as records have it: several for multilabel tasks, None without."""
    if example.labels is None:
        return None
    return example.labels if task.is_multilabel else example.labels[0]


def encode_or_record(
    model: AuditedModel, examples: Sequence[Example], plan: Plan
) -> tuple[list[Encoded], dict[int, Found]]:
    """Examples as the model takes them, and those that it does not take.

    Returns:
        The encoded examples in order, and by index what stands for each of the others.

    Raises:
        AttnAuditError: An example cannot be encoded, and failures are not recorded.
    """
    try:
        return list(model.encode(examples)), {}
    except Exception as error:
        if not _is_recorded(error, plan):
            raise
    encoded: list[Encoded] = []
    failed: dict[int, Found] = {}
    for i, example in enumerate(examples):
        try:
            encoded += model.encode([example])
        except Exception as error:
            if not _is_recorded(error, plan):
                raise
            failed[i] = failure(model, example, error)
    return encoded, failed


def audit_or_record(
    model: AuditedModel, batch: Sequence[Encoded], plan: Plan, stopwatch: Stopwatch
) -> list[Found]:
    """Audit a batch; where it fails, by halves, until the examples are found at which it does.

    Returns:
        What was found for its parts, in order.

    Raises:
        AttnAuditError: An example fails, and failures are not recorded.
        Exception: Memory is not enough.
    """
    try:
        return [audit_batch(model, batch, plan, stopwatch)]
    except Exception as error:
        if is_out_of_memory(error) or not _is_recorded(error, plan):
            raise
        if len(batch) == 1:
            return [failure(model, batch[0].example, error)]
    half = len(batch) // 2
    parts = (batch[:half], batch[half:])
    return [found for part in parts for found in audit_or_record(model, part, plan, stopwatch)]


def _is_recorded(error: Exception, plan: Plan) -> bool:
    """A wrong setting fails at every example: it ends the audit. Others say how to go on."""
    if isinstance(error, ConfigurationError):
        return False
    if not plan.records_failures and RECORD not in str(getattr(error, "hint", None)):
        error.add_note(f"{RECORD} goes on without such an example")
    return plan.records_failures


def failure(model: AuditedModel, example: Example, error: Exception) -> Found:
    """What stands for an example at which the model fails."""
    message = error.message if isinstance(error, AttnAuditError) else one_line(error)
    label = gold_label(model.task, example)
    found = {ID: example.id, LABEL: label, STATUS: FAILED, REASON: message}
    nothing = {N_UNITS: 0, TRUNCATED: False, UNITS: (), ATTENTION: ()}
    columns = {field.name: [value] for field, value in (found | nothing).items()}
    return Found(record_table(columns, schemas(model.task.n_logits, model.task.is_multilabel)[0]))
