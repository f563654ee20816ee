"""What a Ray cluster on this machine costs at its start, and what its workers bring.

    python -m tests.benchmarks.ray_workers MODEL DATA [--copies 10] [--shard-size 500] [--repeats 3]
        [--json FILE]

MODEL is a checkpoint for single texts, DATA a data file whose rows are audited so many times over,
with all checks. Start-up lasts until every worker has given its first shard, less the time that a
shard takes then: the cluster, its processes, and a model in each. Throughput is that of the shards
after those. One thread a worker; the engines take turns, and the figures are medians. With as many
workers as cores, the process that reads and writes takes its time from them.
"""

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from attn_audit.checks.registry import make_checks
from attn_audit.data.example import Example
from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource
from attn_audit.engine.audit import plan_of
from attn_audit.engine.in_process import Engine, LocalEngine, Plan, cut
from attn_audit.engine.inputs import AuditedData, load_named_model
from attn_audit.engine.ray import Cluster, RayEngine
from attn_audit.engine.stopwatch import Stopwatch
from attn_audit.models.contract import AuditedModel
from attn_audit.progress import Watcher
from attn_audit.settings import AuditSettings

WORKERS = (1, 2)

Load = Callable[[], AuditedModel]


@dataclass(frozen=True)
class Timing:
    """Of one audit."""

    start_up: float
    """Seconds."""
    examples_per_second: float


def audit(engine: Callable[[], Engine], shards: Sequence[Sequence[Example]], n: int) -> Timing:
    """Audit all shards, of which the first n come together."""
    start = time.perf_counter()
    came = [time.perf_counter() - start for _ in engine().audit(iter(shards))]
    per_second = sum(map(len, shards[n:])) / (came[-1] - came[n - 1])
    return Timing(came[n - 1] - n * len(shards[0]) / per_second, per_second)


def engines(load: Load, plan: Plan) -> dict[str, tuple[Callable[[], Engine], int]]:
    """Every engine by name, with the number of its workers."""

    def cluster(n: int) -> Engine:
        return RayEngine(load, plan, Cluster(None, n), Watcher(), 0)

    found: dict[str, tuple[Callable[[], Engine], int]] = {
        "local": (lambda: LocalEngine(load(), plan, Stopwatch(), Watcher()), 1)
    }
    for n in WORKERS:
        found[f"Ray, {n} worker{'s' * (n > 1)}"] = (partial(cluster, n), n)
    return found


def copies(examples: Sequence[Example], n: int) -> list[Example]:
    """The same examples so many times, under new ids."""
    repeated = itertools.product(range(n), examples)
    return [replace(example, id=f"{i}-{example.id}") for i, example in repeated]


def median(timings: Sequence[Timing]) -> Timing:
    """Of either figure by itself."""
    return Timing(
        statistics.median(timing.start_up for timing in timings),
        statistics.median(timing.examples_per_second for timing in timings),
    )


def show(medians: dict[str, Timing], file: Path | None) -> None:
    """Print a table, and write the same as JSON."""
    table = Table("engine", "start-up, s", "examples/s", "of local's")
    local = medians["local"].examples_per_second
    for name, timing in medians.items():
        rate = timing.examples_per_second
        table.add_row(name, f"{timing.start_up:.1f}", f"{rate:,.0f}", f"{rate / local:.2f}")
    Console().print(table, f"{os.cpu_count()} cores")
    if file is not None:
        content = {name: asdict(timing) for name, timing in medians.items()}
        file.write_text(json.dumps(content, indent=2) + "\n")


def main() -> None:
    """Measure in turns, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--shard-size", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    torch.set_num_threads(1)
    examples = copies(list(read_examples(DataSource(said.data))), said.copies)
    settings = AuditSettings(model=str(Path(said.model).resolve()), shard_size=said.shard_size)
    model, trial = AuditedData.of(settings, examples).load_model(settings)
    load = partial(load_named_model, settings, trial)
    plan = plan_of(settings, model, [model.default_site], make_checks(settings, model), None)
    shards = list(cut(examples, plan))
    timings: dict[str, list[Timing]] = {}
    for _ in range(said.repeats):
        for name, (engine, n) in engines(load, plan).items():
            timings.setdefault(name, []).append(audit(engine, shards, n))
    show({name: median(found) for name, found in timings.items()}, said.json)


if __name__ == "__main__":
    main()
