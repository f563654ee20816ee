"""What an audit computes and in which portions: anew, or as the audit did that is gone on with."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from attn_audit.checks.selection import make_checks
from attn_audit.engine.batch_limits import BatchLimits, batch_limits
from attn_audit.engine.plan import SHARD_SIZE, Plan
from attn_audit.models.base import AuditedModel, Site
from attn_audit.results.subject import Subject
from attn_audit.settings import AuditSettings
from attn_audit.store.manifest import BatchPlan, Manifest


def settings_of_run(settings: AuditSettings, earlier: Manifest | None) -> AuditSettings:
    """Settings with the number of threads of the audit that is gone on with, where none is said.

    Args:
        settings: As the user gives them.
        earlier: Of the audit that was started before; None: none was.
    """
    if earlier is None or settings.threads is not None:
        return settings
    return replace(settings, threads=earlier.plan.threads)


def plan_of(
    settings: AuditSettings,
    model: AuditedModel,
    sites: Sequence[Site],
    earlier: Manifest | None,
) -> Plan:
    """What is computed, in the portions of the audit that is gone on with.

    Args:
        settings: As the user gives them.
        model: The model.
        sites: The audited one first.
        earlier: Of the audit that was started before; None: none was.
    """
    if earlier is not None and settings.batch_size == "auto":
        limits = BatchLimits(earlier.plan.batch_examples, earlier.plan.batch_tokens)
    else:
        limits = batch_limits(model, settings.batch_size)
    before = SHARD_SIZE if earlier is None else earlier.plan.shard_size
    return Plan(
        checks=make_checks(settings, model),
        sites=tuple(sites),
        seed=settings.seed,
        limits=limits,
        shard_size=settings.shard_size or before,
        records_failures=settings.on_error == "record",
    )


def manifest_of(subject: Subject, plan: Plan) -> Manifest:
    """What a run directory says of an audit.

    Args:
        subject: What is audited, and how.
        plan: In which portions.
    """
    return Manifest(
        subject=subject,
        plan=BatchPlan(
            batch_examples=plan.limits.n_examples,
            batch_tokens=plan.limits.n_tokens,
            shard_size=plan.shard_size,
            threads=torch.get_num_threads(),
        ),
        sites=tuple((site.layer, site.head) for site in plan.sites),
        on_error="record" if plan.records_failures else "stop",
    )
