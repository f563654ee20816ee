"""How soon an audit starts: help, torch, and the first example of either kind of model.

    python -m tests.benchmarks.startup MODEL DATA TRANSFORMER ITS_DATA [--json FILE] [--repeats 5]

MODEL is a checkpoint of a paper model, TRANSFORMER a HuggingFace classifier. Every figure is the
median over processes of their own, which take turns. "First example": from torch being imported
to the first example being audited, with all checks for MODEL and `correlation` for TRANSFORMER.
"transformers alone": the same library loads the same model and runs it once, without attn-audit.
What users wait for shows in an environment of the package alone: where SciPy is installed, as it is
for the tests, `transformers` imports that, too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

HELP = """
import time; start = time.perf_counter()
import contextlib, io
from attn_audit.cli import app
with contextlib.redirect_stdout(io.StringIO()):
    app(["--help"], standalone_mode=False)
"""
TORCH = """
import time; start = time.perf_counter()
import torch
"""
FIRST_EXAMPLE = """
import time, torch; start = time.perf_counter()
from attn_audit.process import no_collection
with no_collection():  # as the commands do
    from attn_audit.engine.audit import run_audit
    from attn_audit.progress import Watcher
    from attn_audit.settings import AuditSettings
class Enough(Exception): pass
def stop(_): raise Enough
settings = AuditSettings(model={model!r}, data=({data!r},), limit=1, threads=1, checks={checks!r})
try:
    run_audit(settings, watcher=Watcher(stop))
    raise SystemExit("no progress was told of")
except Enough:
    pass
"""
TRANSFORMERS = """
import time, torch; start = time.perf_counter()
torch.set_num_threads(1)
from transformers import AutoModelForSequenceClassification, AutoTokenizer
module = AutoModelForSequenceClassification.from_pretrained({model!r}, use_safetensors=True)
tokens = AutoTokenizer.from_pretrained({model!r})("a lovely film", return_tensors="pt")
with torch.no_grad():
    module.eval()(**tokens)
"""
END = "\nprint('seconds', time.perf_counter() - start)\n"


def seconds_of(code: str) -> float:
    """What a new process measures of itself."""
    environment = dict(os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled, too
    done = subprocess.run(
        [sys.executable, "-c", code + END], capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return float(done.stdout.rsplit("seconds", 1)[1])


def measure(codes: dict[str, str], repeats: int) -> dict[str, float]:
    """The median of each, over rounds in which each is measured once."""
    seconds: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(repeats):
        for name, code in codes.items():
            seconds[name].append(seconds_of(code))
    return {name: statistics.median(times) for name, times in seconds.items()}


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("model", "data", "transformer", "its_data"):
        parser.add_argument(name)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    words = parser.parse_args()

    checks = ("correlation", "attended", "permutation", "adversarial")
    paper = {"model": words.model, "data": words.data, "checks": checks}
    other = {"model": words.transformer, "data": words.its_data, "checks": checks[:1]}
    codes = {
        "--help": HELP,
        "torch import": TORCH,
        "first example, paper model": FIRST_EXAMPLE.format(**paper),
        "transformers alone": TRANSFORMERS.format(model=words.transformer),
        "first example, transformer": FIRST_EXAMPLE.format(**other),
    }
    medians = measure(codes, words.repeats)
    table = Table("what", "seconds", title=f"medians of {words.repeats} processes")
    for name, seconds in medians.items():
        table.add_row(name, f"{seconds:.2f}")
    Console().print(table)
    if words.json is not None:
        words.json.write_text(json.dumps({"seconds": medians}, indent=2) + "\n")


if __name__ == "__main__":
    main()
