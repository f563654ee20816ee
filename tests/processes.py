"""Commands in processes of their own, forked from one that has imported what takes seconds.

A command has its own modules, registries, limits and standard output, as one that a shell starts.
"""

import os
import resource
import sys
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

IMPORTED = (
    "torch", "pyarrow.parquet", "scipy.stats", "pandas", "attn_audit.selftest",
    "attn_audit.verification", "attn_audit.cli.audit", "attn_audit.formats.html",
)  # fmt: skip
"""Before the fork: with them, what most commands need."""

SECONDS = 300
"""That a command may take on a busy machine."""

_servers = get_context("forkserver")
_servers.set_forkserver_preload(list(IMPORTED))


@dataclass(frozen=True)
class Ended:
    """What became of a command."""

    exit_code: int
    stdout: str
    stderr: str


def run(folder: Path, *words: object, memory: int | None = None, **environment: str) -> Ended:
    """Run a command line.

    Args:
        folder: Where it runs; what it says is kept there until it ends.
        words: Those behind `attn-audit`.
        memory: The most bytes that it may have.
        environment: Variables that it has beside those of the tests.
    """
    said = [folder / ".stdout", folder / ".stderr"]
    given = (str(folder), [str(word) for word in words], memory, environment)
    process = _servers.Process(target=_run, args=given)
    process.start()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"attn-audit {words} took over {SECONDS} s")
    texts = [path.read_text(encoding="utf-8", errors="backslashreplace") for path in said]
    for path in said:
        path.unlink()
    return Ended(process.exitcode, *texts)


def _run(folder: str, words: list[str], memory: int | None, environment: dict[str, str]) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    for number, name in ((1, ".stdout"), (2, ".stderr")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.argv = ["attn-audit", *words]
    from attn_audit.__main__ import main

    main()
