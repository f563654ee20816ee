"""Whether forecasts come true: `attn-audit plan` against the audit, and the time left meanwhile.

    python -m tests.benchmarks.forecasts MODEL DATA [--json FILE] [SETTING=VALUE ...]

Settings are those of `attn-audit.toml`, such as `limit=200`. The plan and the audit each run in a
process of their own on one thread; on a busy machine the two see different speeds.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from attn_audit.config import AuditSettings

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


def of_total(told: list[tuple[float, float | None]]) -> dict[str, float | None]:
    """Forecast of the total over the real total, from each tenth of the time until the next."""
    end = told[-1][0]
    ratios: dict[str, float | None] = {}
    for tenth in TENTHS:
        later = (
            now + left
            for now, left in told
            if left is not None and tenth / 10 <= now / end < (tenth + 1) / 10
        )
        worst = max((total / end for total in later), key=lambda r: abs(r - 1), default=None)
        ratios[f"{tenth}/10"] = worst
    return ratios


def in_own_process(what: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Run `plan` or `audit` alone, so that its memory is its own."""
    code = f"import json; from tests.benchmarks.forecasts import AuditSettings, {what}\n"
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
    words = parser.parse_args()

    pairs = (word.split("=", 1) for word in words.settings)
    settings: dict[str, Any] = {"model": words.model, "data": words.data, "threads": 1}
    settings |= {name: _value(value) for name, value in pairs}
    forecast = in_own_process("plan", settings)
    real = in_own_process("audit", settings)

    table = Table("what", "forecast", "real", "forecast / real", title=words.model)
    ratios = {name: forecast[name] / real[name] for name in ("seconds", "peak_bytes")}
    for name, size, unit in (("seconds", 1, "s"), ("peak_bytes", 2**20, "MB")):
        values = (f"{found[name] / size:.1f} {unit}" for found in (forecast, real))
        table.add_row(name, *values, f"{ratios[name]:.2f}")
    by_tenth = of_total(real.pop("told"))
    for tenth, ratio in by_tenth.items():
        shown = "-" if ratio is None else f"{ratio:.2f}"
        table.add_row(f"total, said after {tenth}", "", "", shown)
    Console().print(table)
    if words.json is not None:
        result = {"forecast": forecast, "real": real, "ratios": ratios, "told": by_tenth}
        words.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
