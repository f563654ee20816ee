"""One batch: a forward pass for all sites, and every check at each of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TypeVar

from attn_audit.checks.base import AuditedBatch
from attn_audit.checks.columns import Columns, or_none, rows_of
from attn_audit.checks.reading import read_batches
from attn_audit.data.example import Example
from attn_audit.engine.plan import Plan
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.errors import InvalidOutputError
from attn_audit.models.base import AuditedModel, Encoded, Site
from attn_audit.models.task import Task, TaskKind
from attn_audit.results.record import Record
from attn_audit.results.site_record import SITE_FIELDS, SiteRecord

READING = "reading attention"

Row = TypeVar("Row")


@dataclass(frozen=True)
class Finding:
    """What was found for one example."""

    record: Record
    site_records: tuple[SiteRecord, ...]
    """One for each site beside the audited one, in the plan's order."""


def audit_batch(
    model: AuditedModel, encoded: Sequence[Encoded], plan: Plan, stopwatch: Stopwatch
) -> list[Finding]:
    """Audit examples together.

    Args:
        model: The model.
        encoded: Examples of similar length.
        plan: What to compute.
        stopwatch: Gets the time of each stage.

    Returns:
        What was found for each.

    Raises:
        AttnAuditError: Of the model's output, or a check.
    """
    sites = tuple(dict.fromkeys(plan.sites))
    with stopwatch.measure(READING):
        batch = model.collate(encoded)
    parts = read_batches(model, batch, sites, plan.seed)
    findings = []
    for part in stopwatch.timed(parts, READING):
        findings += _audit_part(dict(zip(sites, part, strict=True)), plan, stopwatch)
    return findings


def _audit_part(
    audited: dict[Site, AuditedBatch], plan: Plan, stopwatch: Stopwatch
) -> list[Finding]:
    main, *others = plan.sites
    columns = _measure(audited[main], main, plan, stopwatch)
    records = _rows(Record, _describe(audited[main]) | columns)
    ids = audited[main].ids
    by_site = []
    for site in others:
        found = columns if site == main else _measure(audited[site], site, plan, stopwatch)
        fields = {name: values for name, values in found.items() if name in SITE_FIELDS}
        fields |= {"layer": [site.layer] * len(ids), "head": [site.head] * len(ids)}
        by_site.append(_rows(SiteRecord, {"id": ids} | fields))
    return [Finding(record, tuple(rows[i] for rows in by_site)) for i, record in enumerate(records)]


def _measure(audited: AuditedBatch, site: Site, plan: Plan, stopwatch: Stopwatch) -> Columns:
    """What is known of attention at a site: its shape, and what every check finds."""
    largest = audited.explanation.max(dim=-1).values.cpu().numpy()
    columns: Columns = {
        "audited_mass": audited.mass.tolist(),
        "max_attention": or_none(largest, audited.has_mass),
    }
    for check in plan.checks:
        with stopwatch.measure(check.id, len(audited.ids), site):
            found = check.run(audited)
        _require_numbers(audited.ids, found)
        columns |= found
    return columns


def records_of(findings: Iterable[Finding]) -> tuple[list[Record], list[SiteRecord]]:
    """The examples' own records, and those of their other sites, in order."""
    kept = list(findings)
    records = [finding.record for finding in kept]
    return records, [record for finding in kept for record in finding.site_records]


def _require_numbers(ids: Sequence[str], columns: Columns) -> None:
    """Whatever else a check found: NaN and infinity are no findings."""
    for values in columns.values():
        for i, value in enumerate(values):
            if isinstance(value, float) and not isfinite(value):
                raise InvalidOutputError(ids[i], "output under other attention")


def _rows(kind: type[Row], columns: Columns) -> list[Row]:
    n_rows = len(columns["id"])
    return [kind(**{name: values[i] for name, values in columns.items()}) for i in range(n_rows)]


def _describe(audited: AuditedBatch) -> Columns:
    """What is known of each example before any check."""
    task, batch = audited.model.task, audited.batch
    probabilities = audited.probabilities.tolist()
    return {
        "id": audited.ids,
        "label": [gold_label(task, item.example) for item in batch.encoded],
        "prediction": task.predictions(audited.probabilities),
        "probability": [p[0] if task.n_logits == 1 else tuple(p) for p in probabilities],
        "n_units": [item.n_units for item in batch.encoded],
        "truncated": [item.truncated for item in batch.encoded],
        "readout_unit": [item.readout_unit for item in batch.encoded],
        "units": [tuple(unit.text for unit in item.units) for item in batch.encoded],
        "attention": rows_of(audited.explanation, audited.lengths),
    }


def gold_label(task: Task, example: Example) -> str | tuple[str, ...] | None:
    """An example's gold label as records have it: several for multilabel tasks, None without.

    Args:
        task: The model's.
        example: Any example.
    """
    if example.labels is None:
        return None
    return example.labels if task.kind is TaskKind.MULTILABEL else example.labels[0]
