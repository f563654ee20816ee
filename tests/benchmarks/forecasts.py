"""Whether forecasts come true: `attn-audit plan` against the audit, and the time left meanwhile.

    python -m tests.benchmarks.forecasts MODEL DATA [--json FILE] [--cpu] [--repeats 3]
        [SETTING=VALUE ...]

Settings are those of `attn-audit.toml`, such as `limit=200`. The plan and the audit each run in a
process of their own on one thread, in turn; the table has the medians of their ratios, and the
least and the largest. On a busy machine the two see different speeds: with `--cpu` every clock in
them counts the seconds of the processor.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from attn_audit.settings import AuditSettings

TENTHS = range(1, 10)


def plan(settings: AuditSettings) -> dict[str, float]:
    """Seconds and the peak of memory that are forecast."""
    from attn_audit.planning import forecast_audit

    found = forecast_audit(settings)
    return {
        "seconds": found.seconds,
        "peak_bytes": max(stage.peak_bytes or 0 for stage in found.stages),
    }


def audit(settings: AuditSettings) -> dict[str, Any]:
    """Seconds and the peak of memory that were needed, and what was forecast on the way."""
    from attn_audit.auditing import run_audit
    from attn_audit.engine.watching import Progress, Watcher

    told: list[tuple[float, float | None]] = []
    start = time.perf_counter()

    def on_progress(progress: Progress) -> None:
        told.append((time.perf_counter() - start, progress.seconds_left))

    run_audit(settings, watcher=Watcher(on_progress))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": time.perf_counter() - start, "peak_bytes": peak, "told": told}


def of_what_is_left(told: list[tuple[float, float | None]], end: float) -> dict[str, float]:
    """Time left as it is shown over what was really left, at each tenth from the first batch on.

    What was said last counts down until something else is said; 0 where nothing was.
    """
    begin = told[0][0]
    ratios: dict[str, float] = {}
    for tenth in TENTHS:
        now = begin + (end - begin) * tenth / 10
        said, left = [words for words in told if words[0] <= now][-1]
        ratios[f"time left, at {tenth}/10"] = max(0.0, (left or 0.0) - (now - said)) / (end - now)
    return ratios


def in_own_process(what: str, settings: dict[str, Any], *, counts_cpu: bool) -> dict[str, Any]:
    """Run `plan` or `audit` alone, so that its memory is its own."""
    code = "import time; time.perf_counter = time.process_time\n" if counts_cpu else ""
    code += f"import json; from tests.benchmarks.forecasts import AuditSettings, {what}\n"
    code += f"print(json.dumps({what}(AuditSettings(**json.loads({json.dumps(settings)!r})))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


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
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    words = parser.parse_args()

    pairs = (word.split("=", 1) for word in words.settings)
    settings: dict[str, Any] = {"model": words.model, "data": words.data, "threads": 1}
    settings |= {name: _value(value) for name, value in pairs}
    found = [_one(settings, counts_cpu=words.cpu) for _ in range(words.repeats)]
    table = Table("what", "forecast / real", "least", "largest", title=words.model)
    for name in found[0]["ratios"]:
        ratios = [one["ratios"][name] for one in found]
        table.add_row(name, *(f"{f(ratios):.2f}" for f in (statistics.median, min, max)))
    Console().print(table, f"real: {found[-1]['real']}")
    if words.json is not None:
        words.json.write_text(json.dumps(found, indent=2) + "\n")


def _one(settings: dict[str, Any], *, counts_cpu: bool) -> dict[str, Any]:
    forecast, real = (
        in_own_process(what, settings, counts_cpu=counts_cpu) for what in ("plan", "audit")
    )
    left = of_what_is_left(real.pop("told"), real["seconds"])
    ratios = {name: forecast[name] / real[name] for name in ("seconds", "peak_bytes")}
    return {"forecast": forecast, "real": real, "ratios": ratios | left}


if __name__ == "__main__":
    main()
