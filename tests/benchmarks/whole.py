"""What a whole audit costs beyond start-up, against a bare forward pass of the same model.

    python -m tests.benchmarks.whole MODEL DATA [--json FILE] [--repeats 5]

MODEL is a checkpoint for single texts, DATA its data set. All checks run, with their records and
the report, in process and on one thread; medians of runs that are interleaved with the bare pass.
Stages are those of the report, whose sum is less than the whole: what is between them is in no
stage.
"""

import argparse
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path

import torch

from attn_audit.api import audit
from attn_audit.models.loading import load_model
from attn_audit.models.paper.classifier import PaperModel
from tests.benchmarks.measuring import Stages, interleaved_medians, show
from tests.benchmarks.stages import bare_pass, batches_of

Spent = dict[str, list[float]]


def audit_whole(model: PaperModel, data: str, records: Path, spent: Spent) -> None:
    """Audit, write records and report, and add what each stage took."""
    report = audit(model, data, records=records)
    records.with_suffix(".json").write_text(report.to_json())
    assert report.run is not None
    for stage, seconds in report.run.seconds_by_stage.items():
        spent[stage].append(seconds)


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    words = parser.parse_args()

    torch.set_num_threads(1)
    model = load_model(words.model, torch.device("cpu"))
    assert isinstance(model, PaperModel)
    batches = batches_of(model, words.data)
    spent: Spent = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.parquet"
        stages: Stages = {
            "bare forward pass (F)": lambda: bare_pass(model, batches),
            "whole audit": lambda: audit_whole(model, words.data, records, spent),
        }
        medians = interleaved_medians(stages, words.repeats)
    medians |= {f"  {stage}": statistics.median(times) for stage, times in spent.items()}
    show(f"{sum(map(len, batches))} examples, 1 thread", medians, words.json)


if __name__ == "__main__":
    main()
