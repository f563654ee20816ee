"""Kill an audit at many random moments, go on each time, and hold it against an undisturbed run.

    python -m tests.faults.killing MODEL DATA [--kills 50] [--seed 0] [--signal KILL|TERM|INT]
        [--shard-size 20] [--permutations 500]

Moments are drawn uniformly over the time of an undisturbed run, the very first from that before its
manifest is written; a fifth of the others wait for the next write. A resumed run that ends before
its moment is held against the undisturbed one: every column of every record, the report, and every
file of the run directory. Then the next round begins, until the audit was killed so many times.
Exit code 1 where anything differs.
"""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from rich.console import Console
from rich.table import Table

from tests.faults.auditing import Audit, Ended
from tests.faults.comparing import differences

BEFORE_MANIFEST = "before the manifest is written"
STARTING = "starting again, or in the first shard of a start"
IN_SHARD = "in a later shard"
WRITING = "while a shard is written"
SUMMING_UP = "after the last shard, while summing up"
PLACES = (BEFORE_MANIFEST, STARTING, IN_SHARD, WRITING, SUMMING_UP)

EXIT_CODES = {signal.SIGKILL: (-9,), signal.SIGTERM: (143, -15), signal.SIGINT: (130, -2)}
"""Below 0: Python had not yet got as far as to answer the signal."""


SHARE_WRITING = 0.2
"""Of the kills: these wait until a shard is being written, which takes milliseconds."""

MOST_SECONDS_LEFT = 1.0
"""That an audit may have needed to its end when a signal came too late."""


@dataclass
class Campaign:
    """What was tried, and what came of it."""

    n_rounds: int = 0
    places: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Before:
    """The run directory before a start, to tell afterwards how far it came."""

    shards: set[str]
    parts: set[Path]
    is_complete: bool

    @staticmethod
    def of(audit: Audit) -> "Before":
        """As it is now."""
        parts = set(audit.run.rglob("*.part"))
        return Before(audit.shards(), parts, (audit.run / "complete").exists())


def place(audit: Audit, before: Before) -> str:
    """Where a kill fell, as the run directory shows."""
    now = Before.of(audit)
    if not (audit.run / "manifest.json").exists():
        return BEFORE_MANIFEST
    if now.is_complete and not before.is_complete:
        return SUMMING_UP
    if now.parts - before.parts:
        return WRITING
    return IN_SHARD if now.shards - before.shards else STARTING


def campaign(
    words: Sequence[str], folder: Path, n_kills: int, random: Random, number: signal.Signals
) -> Campaign:
    """Kill so many times, and compare whatever comes to its end.

    Args:
        words: Model, data and settings of the audit.
        folder: Empty.
        n_kills: At least this many.
        random: Draws the moments.
        number: The signal.
    """
    expected = Audit(folder / "undisturbed", words)
    until_manifest, until_end = timed(expected)
    print(f"undisturbed: {until_end:.1f} s, manifest after {until_manifest:.1f} s", flush=True)
    result = Campaign()
    while result.places.total() < n_kills:
        result.n_rounds += 1
        audit = Audit(folder / f"round{result.n_rounds}", words)
        more = list[str]()
        while True:
            seconds = random.uniform(0, until_end if result.places else until_manifest)
            is_enough = result.places.total() >= n_kills
            moment = reached(float("inf") if is_enough else seconds)
            if more and random.random() < SHARE_WRITING:
                moment = first_write(audit, after=moment)
            before = Before.of(audit)
            ended = audit.end_when(moment, number, *more)
            result.problems += complaints(ended, number)
            if ended.exit_code == 0:
                break
            result.places[place(audit, before)] += 1
            more = ["--resume"]
        result.problems += differences(audit, expected)
        print(f"round {result.n_rounds}: {result.places.total()} kills so far", flush=True)
        shutil.rmtree(audit.folder)
    return result


def timed(audit: Audit) -> tuple[float, float]:
    """Seconds until the manifest of an undisturbed audit is there, and until it ends."""
    start, seen = time.monotonic(), 0.0

    def never() -> bool:
        nonlocal seen
        if not seen and (audit.run / "manifest.json").exists():
            seen = time.monotonic() - start
        return False

    ended = audit.end_when(never, signal.SIGKILL)
    if ended.exit_code != 0:
        raise SystemExit(f"the undisturbed audit failed:\n{ended.stderr}")
    return seen, time.monotonic() - start


def reached(seconds: float) -> Callable[[], bool]:
    """Whether so much time has passed since now."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def first_write(audit: Audit, after: Callable[[], bool]) -> Callable[[], bool]:
    """Whether, some time after a moment, a shard is being written."""
    return lambda: after() and any(audit.run.glob("records/*.part"))


def complaints(ended: Ended, number: signal.Signals) -> list[str]:
    """What a process must not do when it is ended."""
    if ended.exit_code not in (0, *EXIT_CODES[number]):
        return [f"exit code {ended.exit_code}, and said:\n{ended.stderr}"]
    if ended.exit_code == 0 and (ended.seconds or 0) > MOST_SECONDS_LEFT:
        return [f"went on for {ended.seconds:.1f} s after the signal, to its end"]
    is_clean = "Traceback" not in ended.stderr and "Exception ignored" not in ended.stderr
    return [] if is_clean else [f"said, at exit code {ended.exit_code}:\n{ended.stderr}"]


def show(result: Campaign) -> None:
    """Print where the kills fell, and all problems."""
    table = Table("where the kill fell", "kills")
    for name in PLACES:
        table.add_row(name, str(result.places[name]))
    Console().print(table)
    for problem in result.problems:
        print(problem)
    print(
        f"{result.places.total()} kills in {result.n_rounds} rounds, each gone on with to its end: "
        f"{len(result.problems) or 'no'} differences"
    )


def absolute(name: str) -> str:
    """A name that means the same in every folder."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def main() -> None:
    """Try it, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signal", choices=("KILL", "TERM", "INT"), default="KILL")
    parser.add_argument("--shard-size", default="20")
    parser.add_argument("--permutations", default="500")
    said = parser.parse_args()
    names = [absolute(name) for name in (said.model, said.data)]
    settings = ["--shard-size", said.shard_size, "--permutations", said.permutations]
    words = [*names, *settings, "--threads", "1", "--reproducible", "--quiet"]
    number = signal.Signals[f"SIG{said.signal}"]
    with tempfile.TemporaryDirectory(prefix="killing-") as name:
        result = campaign(words, Path(name), said.kills, Random(said.seed), number)
    show(result)
    sys.exit(bool(result.problems))


if __name__ == "__main__":
    main()
