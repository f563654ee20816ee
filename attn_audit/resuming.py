"""An audit that is kept in a run directory, and one that goes on where it was cut short."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from attn_audit.checks.selection import make_checks
from attn_audit.data.example import Example
from attn_audit.engine.batch import SHARD_SIZE, Plan, records_of
from attn_audit.engine.running import Engine
from attn_audit.errors import RunDirectoryError
from attn_audit.models.base import AuditedModel, Site
from attn_audit.models.capacity import BatchLimits
from attn_audit.results.record import Record
from attn_audit.results.subject import Subject
from attn_audit.settings import AuditSettings
from attn_audit.store.manifest import BatchPlan, Manifest
from attn_audit.store.shards import Shards

Found = tuple[Sequence[Record], Sequence[Record]]


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
        limits = model.batch_limits(settings.batch_size)
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
    """What a run directory says of an audit."""
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


def audited(
    engine: Engine, shards: Iterable[Sequence[Example]], store: Shards | None
) -> Iterator[Found]:
    """What is found in each shard; what is new is kept before it is given.

    Args:
        engine: Audits.
        shards: In order, read as they are needed.
        store: Of a run directory; None: nothing is kept.

    Raises:
        AttnAuditError: Of the engine, or the store.
    """
    if store is None:
        for findings in engine.audit(shards):
            yield records_of(findings)
        return
    yield from _Resuming(engine, store).audited(shards)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A shard whose records were not given yet."""

    number: int
    ids: bytes
    """Hash of its examples' ids."""
    is_finished: bool


class _Resuming:
    def __init__(self, engine: Engine, store: Shards) -> None:
        self._engine, self._store = engine, store
        self._finished = set(store.finished())
        self._waiting: deque[_Waiting] = deque()
        self._n_shards = 0

    def audited(self, shards: Iterable[Sequence[Example]]) -> Iterator[Found]:
        for findings in self._engine.audit(self._unfinished(shards)):
            yield from self._kept()
            records, site_records = records_of(findings)
            self._store.write(self._waiting.popleft().number, records, site_records)
            yield records, site_records
        yield from self._kept()
        self._store.complete(self._n_shards)

    def _unfinished(self, shards: Iterable[Sequence[Example]]) -> Iterator[Sequence[Example]]:
        for number, shard in enumerate(shards):
            self._n_shards = number + 1
            is_finished = number in self._finished
            ids = _hash(example.id for example in shard)
            self._waiting.append(_Waiting(number, ids, is_finished))
            if is_finished:
                self._engine.skip(shard)
            else:
                yield shard

    def _kept(self) -> Iterator[Found]:
        """The finished shards before the next that is not."""
        while self._waiting and self._waiting[0].is_finished:
            shard = self._waiting.popleft()
            records, site_records = self._store.read(shard.number)
            if _hash(record.id for record in records) != shard.ids:
                raise RunDirectoryError(
                    self._store.folder,
                    f"shard {shard.number} is of other examples than the data now holds there",
                    hint="The data was changed since: name another --run-dir.",
                )
            yield records, site_records


def _hash(ids: Iterable[str]) -> bytes:
    return hashlib.sha256("\0".join(ids).encode()).digest()
