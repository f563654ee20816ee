"""One changed input, one command, and what it left behind."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

from typer.testing import CliRunner

from attn_audit.cli import app
from tests import processes
from tests.fuzz.changing import change, follow
from tests.fuzz.seeds import FEW
from tests.fuzz.watching import written_elsewhere

KINDS = ("checkpoint", "data", "configuration", "report", "policy")
DOCUMENTED = (0, 1, 2, 3, 4)
PATIENCE = 10
"""Seconds that a command may take."""

CONFIGURED = ("audit", "--quiet")
"""How the commands begin that a configuration tells all the rest."""

Files = dict[str, tuple[int, int]]
"""Sizes and times of change, by name."""

_CHECKPOINTS = (
    ("model.pt",), ("model.pt",), ("original", "config.json"), ("original", "vocab.json"),
    ("original", "enc.th"), ("original", "dec.th"), ("bert", "config.json"),
    ("bert", "model.safetensors"), ("bert", "tokenizer.json"), ("bert", "tokenizer_config.json"),
)  # fmt: skip
_DATA = ("data.jsonl", "data.jsonl.gz", "data.csv", "data.tsv", "data.parquet")
_DATA_OF = {
    "model.pt": "data.jsonl", "original": "unlabelled.jsonl", "bert": "sentences.jsonl",
}  # fmt: skip
_OUTPUTS = (
    "--output",
    "out/report.json",
    "--output",
    "out/report.md",
    "--output",
    "out/report.html",
)


@dataclass(frozen=True)
class Trial:
    """A command and what came of it."""

    words: tuple[str, ...]
    exit_code: int
    output: str
    seconds: float
    problems: tuple[str, ...]
    """What must never be; empty where all is as documented."""


def prepare(kind: str, seeds: Path, folder: Path, random: Random) -> tuple[str, ...]:
    """Copy valid inputs, change one of them, and say which command reads it.

    Args:
        kind: One of `KINDS`: what is changed.
        seeds: The valid inputs.
        folder: Where the copy goes; made new.
        random: Says what is changed.

    Returns:
        The words of the command.
    """
    shutil.copytree(seeds, folder)
    (folder / "out").mkdir()
    match kind:
        case "checkpoint":
            path = random.choice(_CHECKPOINTS)
            change(folder.joinpath(*path), random)
            data = _DATA_OF[path[0]]
            return ("audit", path[0], data, *FEW, *_OUTPUTS, "--config", "empty.toml")
        case "data":
            name = random.choice(_DATA)
            change(folder / name, random)
            return ("audit", "model.pt", name, *FEW, *_OUTPUTS, "--config", "empty.toml")
        case "configuration":
            change(folder / "attn-audit.toml", random)
            return (*CONFIGURED, *random.choice(((), ("--config", "attn-audit.toml"))))
        case "report":
            return _report(folder, random)
        case _:
            change(folder / "policy.toml", random)
            return _judging(random)


def _report(folder: Path, random: Random) -> tuple[str, ...]:
    if random.random() < 0.3:
        name, of = random.choice((("records.parquet", "report"), ("other.jsonl", "other")))
        change(folder / name, random)
        follow(folder / f"{of}.json", folder / name)
    else:
        of = random.choice(("report", "other"))
        change(folder / f"{of}.json", random)
    report = f"{of}.json"
    return random.choice(
        (
            ("report", report, *_OUTPUTS, "--format", "terminal"),
            ("gate", report, "--output", "out/gate.xml", "--output", "out/gate.sarif"),
            ("compare", "report.json", "other.json"),
            ("compare", "other.json", "report.json"),
            ("verify", report, "model.pt", "data.jsonl", "--quiet", "--threads", "1"),
        )
    )


def _judging(random: Random) -> tuple[str, ...]:
    judged = ("--policy", "policy.toml")
    return random.choice(
        (
            ("gate", "report.json", *judged, "--format", "json", "--output", "out/gate.xml"),
            ("gate", "report.json", *judged),
            ("report", "report.json", *judged, "--output", "out/gate.sarif"),
            ("compare", "report.json", "other.json", *judged),
        )
    )


def try_here(words: tuple[str, ...], folder: Path) -> Trial:
    """Run a command in this process.

    Args:
        words: Of the command.
        folder: Becomes the working directory meanwhile.
    """
    before, start, allowed = _listed(folder), time.monotonic(), _outputs(words, folder)
    with _within(folder), written_elsewhere(allowed) as elsewhere, _alarm():
        try:
            result = CliRunner().invoke(app, list(words))
        except BaseException as error:
            escaped = f"escaped: {type(error).__name__}: {error}"
            return Trial(words, -1, "", time.monotonic() - start, (escaped,))
    seconds, problems = time.monotonic() - start, [f"wrote {name}" for name in elsewhere]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        problems.append(f"raised {type(result.exception).__name__}: {result.exception}")
    problems += judged(result.exit_code, result.output, seconds)
    problems += _changes(before, _listed(folder), allowed)
    return Trial(words, result.exit_code, result.output, seconds, tuple(problems))


def try_process(words: tuple[str, ...], folder: Path) -> Trial:
    """Run a command as a process of its own, its memory limited to 6 GB.

    Args:
        words: Of the command.
        folder: Its working directory.
    """
    before, start = _listed(folder), time.monotonic()
    try:
        done = processes.run(folder, *words, memory=6 * 10**9)
    except TimeoutError:
        return Trial(words, -1, "", processes.SECONDS, ("hangs",))
    seconds = time.monotonic() - start
    output = done.stdout + done.stderr
    problems = judged(done.exit_code, output, seconds)
    problems += _changes(before, _listed(folder), _outputs(words, folder))
    return Trial(words, done.exit_code, output, seconds, tuple(problems))


def judged(exit_code: int, output: str, seconds: float) -> list[str]:
    """What is wrong with how a command ended.

    Args:
        exit_code: Of it.
        output: Standard output and error.
        seconds: That it took.
    """
    found = []
    if exit_code not in DOCUMENTED:
        found.append(f"exit code {exit_code}")
    if "attn-audit crashed" in output:
        found.append(output[output.index("attn-audit crashed") :].splitlines()[0])
    if "Traceback" in output or "panicked at" in output:
        found.append(f"traceback: {output.strip().splitlines()[-1]}")
    if "out of memory" in output:
        found.append("asked for more memory than there is")
    if seconds > PATIENCE:
        found.append(f"took {seconds:.0f} s")
    unseen = {c for c in output if not c.isprintable() and c != "\n"}
    if unseen:
        found.append(f"put {unseen!r} on the terminal")
    return found


def _listed(folder: Path) -> Files:
    """Every file but the outputs."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != "out"
    }


def _outputs(words: tuple[str, ...], folder: Path) -> Path:
    """Where new files may be: a configuration says it itself, and stands in the folder."""
    return folder if words[:2] == CONFIGURED else folder / "out"


def _changes(before: Files, after: Files, allowed: Path) -> list[str]:
    names = [name for name in before if before[name] != after.get(name)]
    if allowed.name == "out":
        names += [name for name in after if name not in before]
    return [f"changed {name}" for name in names]


@contextmanager
def _within(folder: Path) -> Iterator[None]:
    back = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(back)


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("still running")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.alarm(6 * PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
