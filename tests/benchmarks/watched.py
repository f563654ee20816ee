"""What it costs to be watched: the same audit with and without progress on a terminal.

    python -m tests.benchmarks.watched MODEL DATA [--json FILE] [--repeats 5] [SETTING=VALUE ...]

Settings are those of `attn-audit.toml`, such as `limit=200`. All runs are interleaved in one
process on one thread; the bars are drawn on a terminal that nobody sees. Seconds are the
processor's, those of the thread that draws among them. Both must find the same numbers, and the
ratio stay within 1 %: the median over rounds of two runs one after the other, which other
processes of the machine disturb alike.
"""

import argparse
import io
import json
import time
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from unittest.mock import patch

from rich.console import Console

from attn_audit.cli import progress
from attn_audit.engine.audit import run_audit
from attn_audit.progress import Watcher
from attn_audit.results.report import Report
from attn_audit.settings import AuditSettings
from tests.benchmarks.measuring import Stages, interleaved, show


def unwatched(settings: AuditSettings) -> Report:
    return run_audit(settings, watcher=Watcher())


def watched(settings: AuditSettings) -> Report:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    with (
        patch.object(progress, "error_console", lambda: terminal),
        progress.watching(quiet=False) as watcher,
    ):
        return run_audit(settings, watcher=watcher)


def _value(word: str) -> Any:
    try:
        return json.loads(word)
    except ValueError:
        return word.split(",") if "," in word else word


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    words = parser.parse_args()

    pairs = (word.split("=", 1) for word in words.settings)
    given = {name: _value(value) for name, value in pairs}
    settings = AuditSettings(
        model=words.model, data=(words.data,), threads=1, reproducible=True, **given
    )
    assert watched(settings) == unwatched(settings), "watching must change no number"
    stages: Stages = {
        "unwatched": lambda: unwatched(settings),
        "watched": lambda: watched(settings),
    }
    with patch("tests.benchmarks.measuring.time.perf_counter", time.process_time):
        rounds = interleaved(stages, words.repeats)
    ratios = [one / other for other, one in zip(*rounds.values(), strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    show(
        f"{words.model}, processor seconds, 1 thread",
        {name: median(times) for name, times in rounds.items()},
        words.json,
        watched_over_unwatched=round(middle, 4),
        quartiles=f"{low:.4f} to {high:.4f}",
    )


if __name__ == "__main__":
    main()
