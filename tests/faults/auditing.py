"""An audit as a user starts it: a process with a folder of its own, that may end at any moment."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

from typer.testing import CliRunner

from attn_audit.cli import app

REPOSITORY = Path(__file__).parents[2]

COMMAND = (sys.executable, "-m", "attn_audit")

SECONDS_TO_END = 60
"""That a process may take to end after a signal that lets it clean up."""

SECONDS_TO_FINISH = 600


@dataclass(frozen=True)
class Ended:
    """What became of a process."""

    exit_code: int
    """Below 0: the signal that ended it."""
    stdout: str
    stderr: str
    seconds: float | None = None
    """From the signal to the end; None where it had ended before."""


@dataclass(frozen=True)
class Audit:
    """One audit in a folder of its own, whose parts have the same names in every such folder."""

    folder: Path
    words: Sequence[str]
    """Model, data and settings; names are absolute."""
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        """The run directory."""
        return self.folder / "run"

    @property
    def report(self) -> Path:
        """Of the finished audit."""
        return self.folder / "report.json"

    @property
    def records(self) -> Path:
        """Of the finished audit."""
        return self.folder / "records.parquet"

    def shards(self) -> set[str]:
        """Files of the finished shards."""
        return {path.name for path in self.run.glob("records/*.parquet")}

    def command(self, *more: str) -> list[str]:
        """What is typed in its folder, which is made."""
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        words = ["--run-dir", "run", "--output", "report.json"]
        if "--records" not in more:
            words += ["--records", "records.parquet"]
        return ["audit", *self.words, *words, *more]

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Begin, or go on with `--resume` among the words."""
        # Of a shell's background jobs, children inherit that interrupts are ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            [*COMMAND, *self.command(*more)],
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                "TMPDIR": str(self.folder / "tmp"),
                "COLUMNS": "100",
                **self.environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, *more: str) -> Ended:
        """Let it run to its end."""
        return _ended(self.start(*more), SECONDS_TO_FINISH)

    def finish_here(self, *more: str) -> Ended:
        """Let it run to its end in this process, where it is no process that is tried.

        A report names the libraries that were used, and this audit needs no `transformers`.
        """
        words, place = self.command(*more), str(self.folder / "tmp")
        transformers = sys.modules.pop("transformers", None)
        try:
            with chdir(self.folder), patch.object(tempfile, "tempdir", place):
                result = CliRunner(env={"COLUMNS": "100"}).invoke(app, words)
        finally:
            if transformers is not None:
                sys.modules["transformers"] = transformers
        return Ended(result.exit_code, result.stdout, result.stderr)

    def end_when(self, moment: Callable[[], bool], number: signal.Signals, *more: str) -> Ended:
        """Start it, and send it a signal as soon as the moment has come, if it comes."""
        process = self.start(*more)
        while process.poll() is None and not moment():
            time.sleep(0.001)
        if process.poll() is not None:
            return _ended(process, SECONDS_TO_END)
        start = time.monotonic()
        process.send_signal(number)
        return replace(_ended(process, SECONDS_TO_END), seconds=time.monotonic() - start)


def _ended(process: subprocess.Popen[str], timeout: float) -> Ended:
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, stdout, stderr)
