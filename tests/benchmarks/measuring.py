"""Figures side by side: medians of interleaved runs, and their ratios to the first of them."""

import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

Stages = dict[str, Callable[[], object]]
"""What is measured, by name; the first is what the others are compared with."""


def interleaved_medians(
    stages: Stages, repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """Seconds of each stage: the median over rounds in which every stage runs once.

    Args:
        clock: Of one thread, the process's own is disturbed less by what else the machine does.
    """
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(repeats):
        for name, run in stages.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def show(title: str, medians: dict[str, float], file: Path | None, **others: float | str) -> None:
    """Print a table, and write the same as JSON.

    Args:
        title: What was measured on.
        medians: From `interleaved_medians`.
        file: Where the JSON goes; None for nowhere.
        others: Further figures by name.
    """
    first = next(iter(medians.values()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    table = Table("stage", "seconds", "F", title=title)
    for name, seconds in medians.items():
        table.add_row(name, f"{seconds:.3f}", f"{seconds / first:.2f}")
    console = Console()
    console.print(table, f"peak memory {peak:.0f} MB")
    for name, value in others.items():
        console.print(f"{name.replace('_', ' ')}: {value}")
    if file is not None:
        ratios = {name: seconds / first for name, seconds in medians.items()}
        result = {"seconds": medians, "ratios": ratios, "peak_memory_mb": peak, **others}
        file.write_text(json.dumps(result, indent=2) + "\n")
