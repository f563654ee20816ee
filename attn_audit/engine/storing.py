"""Shards in order: those that were finished before as they were kept, the others audited now."""

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from attn_audit.data.example import Example
from attn_audit.engine.base import Engine
from attn_audit.engine.batch import records_of
from attn_audit.errors import RunDirectoryError
from attn_audit.results.record import Record
from attn_audit.results.site_record import SiteRecord
from attn_audit.store.shards import Shards

Found = tuple[Sequence[Record], Sequence[SiteRecord]]


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
