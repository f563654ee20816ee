"""Shards on a Ray cluster: scheduling, restarts, repetition and transport are Ray's."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from attn_audit.data.example import Example
from attn_audit.engine.arithmetic import full_precision
from attn_audit.engine.batch import Finding
from attn_audit.engine.cluster import Cluster, connected
from attn_audit.engine.plan import Plan
from attn_audit.engine.running import LocalEngine
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.engine.watching import Progress, Watcher
from attn_audit.errors import ConfigurationError
from attn_audit.models.base import AuditedModel

if TYPE_CHECKING:
    from collections.abc import Callable

SHARDS_PER_WORKER = 3
"""Shards that are under way or waiting to be kept, for each worker: what bounds the memory."""


class Worker:
    """One process of the cluster: loads the model once, then audits what it is given."""

    def __init__(self, load: "Callable[[], AuditedModel]", plan: Plan, threads: int) -> None:
        """Load the model.

        Args:
            load: Loads it.
            plan: What to compute.
            threads: CPU threads to compute with.
        """
        self._precision = full_precision(threads)
        self._precision.__enter__()
        self._engine = LocalEngine(load(), plan, Stopwatch(), Watcher())

    def audit(self, number: int, shard: Sequence[Example]) -> tuple[int, list[Finding]]:
        """What is found in a shard.

        Args:
            number: Of the shard, given back.
            shard: Its examples.

        Raises:
            AttnAuditError: As `LocalEngine.audit`.
        """
        (found,) = self._engine.audit([shard])
        return number, found


class RayEngine:
    """Audits on a cluster, the same numbers as the local engine's for the same plan and threads."""

    def __init__(
        self,
        load: "Callable[[], AuditedModel]",
        plan: Plan,
        cluster: Cluster,
        watcher: Watcher,
        n_examples: int | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            load: Loads the model on a worker; can be sent there.
            plan: What to compute.
            cluster: Where.
            watcher: Is told of every finished shard.
            n_examples: All there are, where that was counted.
        """
        self._load, self._plan, self._cluster = load, plan, cluster
        self._watcher, self._n_examples = watcher, n_examples
        self._threads = torch.get_num_threads()
        self._n_finished = self._n_skipped = 0

    def skip(self, shard: Sequence[Example]) -> None:
        """Take note of a shard that was audited before."""
        self._n_skipped += len(shard)

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[list[Finding]]:
        """What is found in each shard, in their order, however they come back.

        Args:
            shards: Read as workers need them.

        Raises:
            AttnAuditError: Of a worker, or because the cluster cannot have so many.
        """
        from ray.util import ActorPool

        with connected(self._cluster.address):
            workers = self._workers()
            pool, came, start = ActorPool(workers), dict[int, list[Finding]](), time.perf_counter()
            n_sent = n_given = 0
            for number, shard in enumerate(shards):
                while n_sent - n_given >= SHARDS_PER_WORKER * len(workers):
                    self._receive(pool, came, start)
                    while n_given in came:
                        yield came.pop(n_given)
                        n_given += 1
                pool.submit(_send, (number, shard))
                n_sent += 1
            while n_given < n_sent:
                if n_given not in came:
                    self._receive(pool, came, start)
                    continue
                yield came.pop(n_given)
                n_given += 1

    def _receive(self, pool: Any, came: dict[int, list[Finding]], start: float) -> None:
        number, found = pool.get_next_unordered()
        came[number] = found
        self._n_finished += len(found)
        if self._watcher.on_progress is None:
            return
        done, left = self._n_finished + self._n_skipped, None
        if self._n_examples is not None:
            rate = self._n_finished / (time.perf_counter() - start)
            left = (self._n_examples - done) / rate
        self._watcher.on_progress(Progress(done, self._n_examples, left))

    def _workers(self) -> list[Any]:
        import ray

        there = ray.cluster_resources()
        room = int(there.get("CPU", 0)) // self._threads
        if self._cluster.gpus_per_worker:
            room = min(room, int(there.get("GPU", 0) / self._cluster.gpus_per_worker))
        wanted = room if self._cluster.workers is None else self._cluster.workers
        if not 0 < wanted <= room:
            needs = f"{self._threads} CPUs and {self._cluster.gpus_per_worker:g} GPUs"
            raise ConfigurationError(
                f"--workers {max(1, wanted)}: each needs {needs}, and there is room for {room}",
                hint="Ask for fewer workers, or for fewer --threads each.",
            )
        remote = ray.remote(
            num_cpus=self._threads,
            num_gpus=self._cluster.gpus_per_worker,
            max_restarts=-1,  # a worker that dies is started again, and its shard repeated
            max_task_retries=-1,
        )(Worker)
        return [remote.remote(self._load, self._plan, self._threads) for _ in range(wanted)]


def _send(worker: Any, numbered: tuple[int, Sequence[Example]]) -> Any:
    return worker.audit.remote(*numbered)
