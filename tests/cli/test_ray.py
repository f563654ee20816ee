"""The same audit on a Ray cluster of two workers, whatever becomes of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.auditing import Audit

pytest.importorskip("ray", reason="Ray is not installed: pip install 'attn-audit[ray]'")

Run = Callable[..., subprocess.CompletedProcess[str]]
SETTINGS = ("--permutations", "20", "--shard-size", "20", "--reproducible", "--quiet")


def words(folder: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "attn_audit", "audit", "demo", "texts.jsonl"),
        *(*SETTINGS, "--run-dir", str(folder), *more),
    ]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    from attn_audit import demo

    lines = demo.DATA.read_text(encoding="utf-8").splitlines()
    rows = [
        {**json.loads(line), "id": f"{i}-{n}"} for i in range(4) for n, line in enumerate(lines)
    ]
    texts = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "texts.jsonl").write_text(texts, encoding="utf-8")

    def run_words(*given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            given, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=300
        )

    return run_words


def environment() -> dict[str, str]:
    repository = str(Path(__file__).parents[2])
    return {**os.environ, "PYTHONPATH": repository, "RAY_USAGE_STATS_ENABLED": "0"}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of the workers that audit right now, on this test's own cluster."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    rows = (line.strip().split(maxsplit=1) for line in listed.stdout.splitlines()[1:])
    named = [int(pid) for pid, name in rows if name.startswith("ray::Worker")]
    return named if process.poll() is None else []


def test_records_equal_the_local_engines_though_workers_are_killed(
    run: Run, tmp_path: Path
) -> None:
    local = run(*words(tmp_path / "local", "--threads", "1"))
    assert local.returncode == 0, local.stderr
    process = subprocess.Popen(
        words(tmp_path / "cluster", "--engine", "ray", "--workers", "2"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    killed: set[int] = set()
    while process.poll() is None and len(killed) < 2:
        for pid in workers_of(process):
            if len(killed) < 2 and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
                break
        time.sleep(0.2)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert killed
    assert contents(tmp_path / "cluster") == contents(tmp_path / "local")


def test_an_audit_that_was_terminated_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    words = ("demo", str(tmp_path / "texts.jsonl"), *SETTINGS, "--engine", "ray", "--workers", "1")
    settings = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "TMPDIR": "/tmp",
    }  # names of sockets may not be long
    audit = Audit(tmp_path / "audit", words, settings)
    ended = audit.end_when(lambda: len(audit.shards()) > 0, signal.SIGTERM)
    assert ended.exit_code == 143, ended.stderr
    kept = "the finished shards are kept in run: go on with --resume"
    assert ended.stderr.startswith(f"error: terminated; {kept}\n")  # Ray may have its own to say
    assert "Traceback" not in ended.stderr
    assert 0 < len(audit.shards()) < 9


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--workers", "500"], "--workers 500: each needs 1 CPUs"),
        (["--ray-address", "127.0.0.1:1"], "--ray-address 127.0.0.1:1"),
    ],
)
def test_a_cluster_that_cannot_be_had(
    run: Run, tmp_path: Path, more: list[str], message: str
) -> None:
    done = run(*words(tmp_path / "run", "--engine", "ray", *more))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_cannot_be_started(tmp_path: Path) -> None:
    """Ray keeps sockets in the temporary folder, and their names may not be long."""
    folder = tmp_path / ("long" * 20)
    words = ("demo", "demo", "--permutations", "5", "--engine", "ray", "--workers", "1")
    ended = Audit(folder, words, {"RAY_USAGE_STATS_ENABLED": "0"}).finish("--quiet")
    assert ended.exit_code == 2, ended.stderr
    assert "error: --engine ray: no cluster can be started here: " in ended.stderr
    assert "AF_UNIX path length" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_error_of_a_worker_is_the_audits_own(run: Run, tmp_path: Path) -> None:
    texts = (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()
    broken = {**json.loads(texts[100]), "label": "no such label"}
    (tmp_path / "texts.jsonl").write_text("\n".join([*texts[:100], json.dumps(broken)]) + "\n")
    done = run(*words(tmp_path / "run", "--engine", "ray", "--workers", "1"))
    assert done.returncode == 2, done.stderr
    assert "no such label" in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_need_a_cluster(run: Run, tmp_path: Path) -> None:
    done = run(*words(tmp_path / "run", "--workers", "2"))
    assert done.returncode == 2
    assert "the local engine has no workers" in done.stderr


def test_shown_scores_travel_with_their_texts(run: Run, tmp_path: Path) -> None:
    texts = ("w w w", "a warm film", "dull and slow", "fine")
    rows = [{"text": text, "ours": [*range(len(text.split()))]} for text in texts]
    data = tmp_path / "shown.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    given = (
        *(sys.executable, "-m", "attn_audit", "recommend", "demo", "shown.jsonl"),
        *("--shown", "ours", "--measures", "leave_one_out", "--reproducible", "--quiet"),
    )
    local = run(*given, "--threads", "1", "--records", "local.jsonl")
    there = run(*given, "--engine", "ray", "--workers", "1", "--records", "there.jsonl")
    assert (local.returncode, there.returncode) == (0, 0), local.stderr + there.stderr
    records = (tmp_path / "local.jsonl").read_bytes()
    assert records == (tmp_path / "there.jsonl").read_bytes()
    assert b"erasure.shown.ours" in records
