"""Whether memory stays flat however many examples there are: an audit as a process, watched.

    python -m tests.benchmarks.million MODEL DATA [--examples 1000000] [--few 1000] [--json FILE]

MODEL is a checkpoint for single texts, DATA a data file, whose rows are repeated under new ids
until there are so many. Both audits keep their shards in a run directory and write a report. Memory
is what the process has in use (resident), looked at ten times a second; the peak of each third of
the time stands for itself. All other options are the audit's: `--permutations 10`.
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from attn_audit.data.reading import read_examples
from attn_audit.data.source import DataSource

REPOSITORY = Path(__file__).parents[2]

ALLOWED_MB = 200
"""That the peak may rise over that of few examples."""

PAUSE = 0.1


@dataclass(frozen=True)
class Figure:
    """What an audit of so many examples took."""

    n_examples: int
    seconds: float
    examples_per_second: float
    """Start-up included."""
    peaks_mb: tuple[float, float, float]
    """In the first, second and last third of the time."""
    run_directory_mb: float

    @property
    def peak_mb(self) -> float:
        """Of the whole time."""
        return max(self.peaks_mb)


def write_examples(source: str, n_examples: int, file: Path) -> None:
    """The rows of a data set, again and again under new ids."""
    rows = [
        {"text": example.text, "label": None if example.labels is None else example.labels[0]}
        for example in read_examples(DataSource(source))
    ]
    with file.open("w", encoding="utf-8") as out:
        for i, row in enumerate(itertools.islice(itertools.cycle(rows), n_examples)):
            out.write(json.dumps({"id": f"e{i}", **row}) + "\n")


def measure(model: str, source: str, n_examples: int, words: Sequence[str]) -> Figure:
    """Audit so many examples in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="million-") as name:
        folder = Path(name)
        write_examples(source, n_examples, folder / "examples.jsonl")
        command = [sys.executable, "-m", "attn_audit", "audit", model, "examples.jsonl"]
        settings = ["--run-dir", "run", "--output", "report.json", "--threads", "1", "--quiet"]
        environment = {**os.environ, "TMPDIR": name, "PYTHONPATH": str(REPOSITORY)}
        start = time.monotonic()
        process = subprocess.Popen([*command, *settings, *words], cwd=folder, env=environment)
        samples = list(watched(process))
        seconds = time.monotonic() - start
        if process.returncode != 0:
            raise SystemExit(f"the audit failed: exit code {process.returncode}")
        size = sum(path.stat().st_size for path in (folder / "run").rglob("*") if path.is_file())
        return Figure(n_examples, seconds, n_examples / seconds, thirds(samples), size / 2**20)


def watched(process: subprocess.Popen[bytes]) -> Iterator[float]:
    """Resident memory in MB until the process ends; Linux alone tells."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        if found := re.search(r"VmRSS:\s+(\d+) kB", status.read_text()):
            yield int(found.group(1)) / 1024
        time.sleep(PAUSE)


def thirds(samples: Sequence[float]) -> tuple[float, float, float]:
    """The largest of the first, second and last third."""
    n = len(samples)
    first, second, last = (max(samples[i * n // 3 : (i + 1) * n // 3]) for i in range(3))
    return first, second, last


def show(figures: Sequence[Figure], file: Path | None) -> float:
    """Print a table, and write the same as JSON; the MB that many examples add to a few."""
    columns = (
        "examples",
        "seconds",
        "examples/s",
        "MB: first third",
        "second",
        "last",
        "shards MB",
    )
    table = Table(*columns)
    for figure in figures:
        values = (figure.seconds, figure.examples_per_second, *figure.peaks_mb)
        shown = [f"{value:,.0f}" for value in (*values, figure.run_directory_mb)]
        table.add_row(f"{figure.n_examples:,}", *shown)
    added = figures[-1].peak_mb - figures[0].peak_mb
    Console().print(table, f"added: {added:.0f} MB of {ALLOWED_MB} MB allowed")
    if file is not None:
        file.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    return added


def main() -> None:
    """Measure few and many, print a table; exit code 1 where memory grows too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    said, words = parser.parse_known_args()
    model = str(Path(said.model).resolve())
    numbers = (said.few, said.examples)
    figures = [measure(model, said.data, number, words) for number in numbers]
    sys.exit(show(figures, said.json) > ALLOWED_MB)


if __name__ == "__main__":
    main()
