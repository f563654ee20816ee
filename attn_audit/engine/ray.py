"""Shards on a Ray cluster: scheduling, restarts, repetition and transport are Ray's."""

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch

from attn_audit.data.example import Example
from attn_audit.engine.in_process import LocalEngine, Plan, RecordTables
from attn_audit.engine.stopwatch import Meter, StageTime, Stopwatch, progress_of
from attn_audit.errors import ConfigurationError
from attn_audit.models.contract import AuditedModel
from attn_audit.process import full_precision
from attn_audit.progress import READING, Watcher

SHARDS_PER_WORKER = 3
"""Shards that are under way or waiting to be kept, for each worker: what bounds the memory."""

PAUSE = 0.5
"""Seconds between looks at how far the workers are."""


@dataclass(frozen=True)
class Cluster:
    """Where shards are audited."""

    address: str | None
    """Of a running cluster; None: one is started on this machine and ends with the audit."""
    workers: int | None
    """None: as many as the cluster's CPUs allow."""
    gpus_per_worker: float = 0.0


class Worker:
    """One process of the cluster: loads the model once, then audits what it is given."""

    def __init__(
        self, load: Callable[[], AuditedModel], plan: Plan, threads: int, counts: Any
    ) -> None:
        """Load the model; `counts` is a queue of what is done of shards, None where nobody asks."""
        self._precision = full_precision(threads)
        self._precision.__enter__()
        self._model, self._plan, self._counts = load(), plan, counts

    def audit(self, number: int, shard: Sequence[Example]) -> tuple[int, RecordTables]:
        """What is found in a shard."""

        def tell(meter: Meter) -> None:
            self._counts.put_nowait((number, meter.spent()))

        stopwatch = Stopwatch()
        if self._counts is not None:
            stopwatch.meter = Meter(self._plan.checks, self._plan.sites, tell)
        engine = LocalEngine(self._model, self._plan, stopwatch, Watcher())
        (found,) = engine.audit([shard])
        return number, found


class RayEngine:
    """Audits on a cluster, the same numbers as the local engine's for the same plan and threads."""

    def __init__(
        self,
        load: Callable[[], AuditedModel],
        plan: Plan,
        cluster: Cluster,
        watcher: Watcher,
        n_examples: int,
    ) -> None:
        """`load` loads the model on a worker, and can be sent there."""
        self._load, self._plan, self._cluster = load, plan, cluster
        self._watcher, self._n_examples = watcher, n_examples
        self._threads = torch.get_num_threads()
        self._under_way: dict[int, dict[str, StageTime]] = {}
        self._finished: dict[str, StageTime] = {}
        self._n_finished = self._n_skipped = 0

    def skip(self, shard: Sequence[Example]) -> None:
        """Take note of a shard that was audited before."""
        self._n_skipped += len(shard)

    def audit(self, shards: Iterable[Sequence[Example]]) -> Iterator[RecordTables]:
        """What is found in each shard, in their order, however they come back."""
        with connected(self._cluster.address):
            from ray.util import ActorPool
            from ray.util.queue import Queue

            is_watched = self._watcher.on_progress is not None
            counts = Queue(actor_options={"num_cpus": 0}) if is_watched else None
            workers = self._workers(counts)
            pool, came = ActorPool(workers), dict[int, RecordTables]()
            n_sent = n_given = 0
            for number, shard in enumerate(shards):
                while n_sent - n_given >= SHARDS_PER_WORKER * len(workers):
                    self._receive(pool, came, counts, len(workers))
                    while n_given in came:
                        yield came.pop(n_given)
                        n_given += 1
                pool.submit(lambda worker, sent: worker.audit.remote(*sent), (number, shard))
                n_sent += 1
            while n_given < n_sent:
                if n_given not in came:
                    self._receive(pool, came, counts, len(workers))
                    continue
                yield came.pop(n_given)
                n_given += 1

    def _receive(
        self, pool: Any, came: dict[int, RecordTables], counts: Any, n_workers: int
    ) -> None:
        """Wait for a shard, and tell meanwhile how far all are."""
        while True:
            try:
                number, found = pool.get_next_unordered(None if counts is None else PAUSE)
            except TimeoutError:
                self._tell(counts, n_workers)
                continue
            came[number] = found
            if counts is not None:
                self._under_way.update(counts.get_nowait_batch(counts.qsize()))
                self._n_finished += len(found.records)
                self._finished = _sum(self._finished, self._under_way.pop(number, {}))
                self._tell(counts, n_workers)
            return

    def _tell(self, counts: Any, n_workers: int) -> None:
        """Of every shard what was heard of it last: one that is repeated is counted anew."""
        self._under_way.update(counts.get_nowait_batch(counts.qsize()))
        if self._watcher.on_progress is not None:
            progress = progress_of(
                _sum(self._finished, *self._under_way.values()),
                READING,
                n_finished=self._n_finished,
                n_skipped=self._n_skipped,
                n_examples=self._n_examples,
                n_workers=n_workers,
            )
            self._watcher.on_progress(progress)

    def _workers(self, counts: Any) -> list[Any]:
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
        return [remote.remote(self._load, self._plan, self._threads, counts) for _ in range(wanted)]


def _sum(*parts: dict[str, StageTime]) -> dict[str, StageTime]:
    total: dict[str, StageTime] = {}
    for name, spent in chain.from_iterable(part.items() for part in parts):
        before = total.get(name, StageTime())
        total[name] = StageTime(before.examples + spent.examples, before.seconds + spent.seconds)
    return total


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Within: a cluster; where no address is given, one of this machine, which ends with it.

    Raises:
        ConfigurationError: Ray is not installed, or there is no such cluster.
    """
    try:
        import ray
    except ImportError:
        raise ConfigurationError(
            "--engine ray: Ray is not installed", hint="pip install 'attn-audit[ray]'"
        ) from None
    _require_reachable(address)
    try:
        with keeping_signal_handlers():
            ray.init(
                address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR
            )
    except (OSError, ValueError, RuntimeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        if address is None:
            problem, hint = f"--engine ray: no cluster can be started here: {first}", None
        else:
            problem = f"--ray-address {address}: {first}"
            hint = "Run on a machine of the cluster, with its RAY_AUTH_TOKEN if it asks for one."
        raise ConfigurationError(problem, hint=hint) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_reachable(address: str | None) -> None:
    """Ray itself would wait for minutes, and then end the process."""
    if address is None:
        return
    host, _, port = address.rpartition(":")
    problem = "it is not HOST:PORT"
    if host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
            return
        except (OSError, OverflowError) as error:
            problem = str(error)
    raise ConfigurationError(
        f"--ray-address {address}: {problem}",
        hint="Give the address that `ray start --head` printed; without one, a cluster is started.",
    )


@contextmanager
def keeping_signal_handlers() -> Iterator[None]:
    """Afterwards, interrupts and terminations are answered as before, whoever set himself in."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers are the main thread's
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
