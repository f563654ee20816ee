"""A long run by hand: `python -m tests.fuzz.campaign --trials 2000 --kind data`."""

import argparse
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz.seeds import write_seeds
from tests.fuzz.trying import KINDS, Trial, prepare, try_here, try_process


def main() -> None:
    """Try changed inputs, print what must not be, and count exit codes by kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="of each kind")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--first", type=int, default=0, help="number of the first trial")
    parser.add_argument("--processes", action="store_true", help="each as a process of its own")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        (folder / "seeds").mkdir()
        write_seeds(folder / "seeds")
        numbers = range(said.first, said.first + said.trials)
        for kind in said.kind or KINDS:
            run_kind(kind, numbers, folder, as_process=said.processes)


def run_kind(kind: str, numbers: range, folder: Path, *, as_process: bool) -> None:
    """Try one kind of input, and print what came of it.

    Args:
        kind: One of `KINDS`.
        numbers: Of the trials.
        folder: Holds `seeds`.
        as_process: Each as a process of its own.
    """
    codes: Counter[int] = Counter()
    n_problems, slowest = 0, 0.0
    for number in numbers:
        trial = one_trial(kind, number, folder, as_process=as_process)
        codes[trial.exit_code] += 1
        slowest = max(slowest, trial.seconds)
        n_problems += bool(trial.problems)
        for problem in trial.problems:
            print(f"{kind} {number}: {' '.join(trial.words)}: {problem[:300]}", flush=True)
    counted = ", ".join(f"{code}: {n}" for code, n in sorted(codes.items()))
    print(f"== {kind}: {len(numbers)} trials, exit codes {{{counted}}}, ", end="")
    print(f"{n_problems} with problems, slowest {slowest:.1f} s", flush=True)


def one_trial(kind: str, number: int, folder: Path, *, as_process: bool) -> Trial:
    """One trial, the same whenever it is asked for.

    Args:
        kind: One of `KINDS`.
        number: Says what is changed.
        folder: Holds `seeds`.
        as_process: As a process of its own.
    """
    case = folder / "case"
    words = prepare(kind, folder / "seeds", case, Random(f"{kind} {number}"))
    try:
        return try_process(words, case) if as_process else try_here(words, case)
    finally:
        shutil.rmtree(case)


if __name__ == "__main__":
    main()
