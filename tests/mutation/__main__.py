"""Change one number at a time, and see whether a test notices.

python -m tests.mutation                                every number that decides something
python -m tests.mutation checks.correlation --limit 3   of these modules or constants, at most 3
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
import scipy.stats  # noqa: F401
import torch  # noqa: F401

from tests.mutation.classified import CAPACITY
from tests.mutation.finding import REPOSITORY, Number, numbers

TESTS = {
    "checks.adversarial": (
        "tests/checks/adversarial/test_constants.py",
        "tests/checks/adversarial",
    ),
    "checks.attended": ("tests/checks/test_attended.py",),
    "checks.": ("tests/checks/test_base.py", "tests/test_pins.py", "tests/checks"),
    "statistics.kendall": ("tests/statistics/test_significance.py", "tests/test_pins.py"),
    "statistics.intervals": ("tests/statistics/test_intervals.py", "tests/statistics"),
    "findings.thresholds": (
        "tests/findings/test_thresholds.py",
        "tests/checks/test_attended.py",
        "tests/cli/test_decisive_numbers.py",
        "tests/formats",
    ),
    "judgement.": (
        "tests/judgement/test_answer.py",
        "tests/judgement/test_bounds.py",
        "tests/judgement/test_layers.py",
    ),
    "models.margin": ("tests/models/test_margin.py",),
    "findings.measure.LEAVE_ONE_OUT": ("tests/engine/test_plan.py",),
    "findings.measure": ("tests/checks/test_base.py", "tests/checks"),
    "findings.": ("tests/test_pins.py", "tests/findings", "tests/verification"),
    "engine.sampling": ("tests/engine/test_leverage.py", "tests/engine/test_sampling.py"),
    "engine.report": ("tests/engine/test_report.py",),
    "engine.": ("tests/test_pins.py", "tests/engine"),
    "statistics.": ("tests/statistics", "tests/test_pins.py"),
    "measures.": ("tests/measures",),
    "verification.": ("tests/test_pins.py", "tests/verification"),
}
"""By the beginning of a number's name, the first that fits: fast ones first."""


def main() -> None:
    """Print every number with what became of it, and the share that was noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of modules' or constants' names")
    parser.add_argument("--limit", type=int, help="numbers to try, at most")
    asked = parser.parse_args()
    chosen = [
        number
        for number in numbers()
        if number.constant not in CAPACITY
        and (not asked.names or any(name in number.id for name in asked.names))
    ]
    os.environ.setdefault("ATTN_AUDIT_SHARED", str(REPOSITORY.parent / "shared"))
    noticed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(Path(folder) / "repository")
        for number in (tried := chosen[: asked.limit]):
            by = _noticed_by(copy, number)
            noticed += by is not None
            print(f"{number.id:70} {'unnoticed' if by is None else f'noticed by {by}'}", flush=True)
    print(f"{noticed} of {len(tried)} noticed; {len(CAPACITY)} constants are capacity")


def _copy(folder: Path) -> Path:
    skipped = shutil.ignore_patterns(".git", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(REPOSITORY, folder, ignore=skipped)
    return folder


def _noticed_by(copy: Path, number: Number) -> str | None:
    """The first test that fails with the number changed."""
    path = copy / number.file
    source = path.read_text()
    path.write_text(number.changed(source))
    try:
        tests = next(paths for name, paths in TESTS.items() if number.id.startswith(name))
        return next(filter(None, (_failing(copy, path) for path in tests)), None)
    finally:
        path.write_text(source)


def _failing(copy: Path, tests: str) -> str | None:
    """In a child of this process, which has loaded what takes long to load."""
    output = copy / "output.txt"
    child = os.fork()
    if child == 0:
        with output.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", tests]))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 0:
        return None
    failed = [line for line in output.read_text().splitlines() if line[:6] in ("FAILED", "ERROR ")]
    return failed[0].split(" ")[1] if failed else f"exit code {code}"


if __name__ == "__main__":
    main()
