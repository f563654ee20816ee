"""Kill a Ray worker many times in one audit, and hold its records against the local engine's.

    python -m tests.faults.ray_killing MODEL DATA [--kills 10] [--seed 0] [--shard-size 100]
        [--permutations 1000]

There is one worker, so that every kill falls on the one that computes; it is killed at a random
moment within a shard's time after a shard has come, that is, in the middle of the next. Exit code 1
where a record, the report or a file of the run directory differs.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from tests.faults.auditing import Audit
from tests.faults.comparing import differences
from tests.faults.killing import absolute

RAY = ("--engine", "ray", "--workers", "1")

QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of the workers of the cluster that a process has started."""
    words = ["ps", "-eo", "pid,ppid,args"]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()[1:]]
    parents = {int(pid): int(parent) for pid, parent, _ in rows}
    named = [int(pid) for pid, _, name in rows if name.startswith("ray::Worker")]
    return [pid for pid in named if process.pid in _ancestors(pid, parents)]


def _ancestors(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    while (parent := parents.get(pid)) is not None:
        yield parent
        pid = parent


def kill_workers(audit: Audit, n_kills: int, seconds: float, random: Random) -> int:
    """Audit on a cluster, and kill so many workers; how many were.

    Args:
        audit: On a cluster of one worker.
        n_kills: As long as the audit runs.
        seconds: That a shard takes.
        random: Draws how long to wait within them.
    """
    process = audit.start()
    killed: list[int] = []
    seen = 0
    while process.poll() is None:
        workers = [pid for pid in workers_of(process) if pid not in killed]
        if workers and len(killed) < n_kills and len(audit.shards()) > seen:
            time.sleep(random.uniform(0, seconds))
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])
            seen = len(audit.shards())
            print(f"killed worker {workers[0]} with {seen} shards finished", flush=True)
        time.sleep(0.05)
    _, said = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the audit failed: exit code {process.returncode}\n{said}")
    return len(killed)


def compared(words: Sequence[str], folder: Path, n_kills: int, random: Random) -> list[str]:
    """What differs between the two engines; too few kills among it."""
    local = Audit(folder / "local", words)
    start = time.monotonic()
    ended = local.finish()
    seconds = time.monotonic() - start
    if ended.exit_code != 0:
        raise SystemExit(f"the local audit failed:\n{ended.stderr}")
    n_shards = len(local.shards())
    print(f"local: {seconds:.1f} s, {n_shards} shards", flush=True)
    cluster = Audit(folder / "ray", [*words, *RAY], QUIET)
    start = time.monotonic()
    n_killed = kill_workers(cluster, n_kills, seconds / n_shards, random)
    print(f"ray: {time.monotonic() - start:.1f} s, {n_killed} workers killed", flush=True)
    missed = [f"only {n_killed} workers were killed"] if n_killed < n_kills else []
    return [*missed, *differences(cluster, local)]


def main() -> None:
    """Try it, and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shard-size", default="100")
    parser.add_argument("--permutations", default="1000")
    said = parser.parse_args()
    words = [*map(absolute, (said.model, said.data)), "--shard-size", said.shard_size]
    words += ["--permutations", said.permutations, "--threads", "1", "--reproducible", "--quiet"]
    with tempfile.TemporaryDirectory(prefix="rays-") as name:
        problems = compared(words, Path(name), said.kills, Random(said.seed))
    for problem in problems:
        print(problem)
    print(f"{len(problems) or 'no'} differences")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
