"""Whatever an input becomes: a documented exit code, no traceback, no hang, no file elsewhere."""

import os
import shutil
from pathlib import Path
from random import Random

import pytest

from tests import processes
from tests.fuzz.seeds import FEW, write_seeds
from tests.fuzz.trying import KINDS, Trial, prepare, try_here, try_process

N_EXAMPLES = int(os.environ.get("ATTN_AUDIT_FUZZ_EXAMPLES", "40"))
"""Of all kinds together."""

N_PROCESSES = max(1, N_EXAMPLES // 300)
"""Of each kind: they take seconds each."""


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A valid input of every kind."""
    folder = tmp_path_factory.mktemp("seeds")
    write_seeds(folder)
    return folder


def tried(kind: str, random: Random, seeds: Path, *, as_process: bool = False) -> Trial:
    """One changed input; the copy is gone afterwards."""
    case = seeds.with_name(f"{seeds.name}-case")
    shutil.rmtree(case, ignore_errors=True)
    words = prepare(kind, seeds, case, random)
    return try_process(words, case) if as_process else try_here(words, case)


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "model.pt", "data.parquet", "--config", "empty.toml", *FEW),
        ("audit", "original", "unlabelled.jsonl", "--config", "empty.toml", *FEW),
        ("audit", "bert", "sentences.jsonl", "--config", "empty.toml", *FEW),
        ("audit", "--quiet"),
        ("report", "report.json", "--output", "out/report.html"),
        ("compare", "report.json", "other.json"),
        ("verify", "other.json", "model.pt", "data.jsonl", "--quiet"),
        ("gate", "report.json", "--policy", "policy.toml", "--inconclusive", "pass"),
    ],
)
def test_what_is_changed_was_valid(seeds: Path, words: tuple[str, ...]) -> None:
    case = seeds.with_name(f"{seeds.name}-valid")
    shutil.rmtree(case, ignore_errors=True)
    shutil.copytree(seeds, case)
    (case / "out").mkdir()
    trial = try_here(words, case)
    assert trial.problems == ()
    assert trial.exit_code == 0, trial.output


@pytest.mark.parametrize("kind", KINDS)
def test_no_change_makes_a_command_crash(kind: str, seeds: Path) -> None:
    trials = (tried(kind, Random(f"{kind} {i}"), seeds) for i in range(N_EXAMPLES // len(KINDS)))
    assert [trial for trial in trials if trial.problems] == []


@pytest.mark.fuzz
@pytest.mark.parametrize("kind", KINDS)
def test_nor_a_process(kind: str, seeds: Path) -> None:
    processes.run(seeds, "--version")  # what they are forked from takes seconds to start
    numbers = range(N_PROCESSES)
    trials = (tried(kind, Random(f"{kind} {i}"), seeds, as_process=True) for i in numbers)
    assert [trial for trial in trials if trial.problems] == []
