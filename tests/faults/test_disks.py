"""Disks that fail while an audit runs: one message that names the path, and nothing is lost."""

import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from attn_audit.engine.in_process import RecordTables
from attn_audit.engine.run_directory import Shards
from tests.faults.auditing import Audit, Ended
from tests.faults.comparing import differences
from tests.faults.disks import as_a_user, change, disk

KEPT = "hint: The finished shards are kept in run: go on with --resume.\n"


def refused(ended: Ended, message: str, hint: str = "") -> bool:
    """Whether the exit code is 2 and the message all that is said."""
    found = (ended.exit_code, ended.stdout, ended.stderr)
    assert found == (2, "", f"error: {message}\n{hint}")
    return True


@pytest.fixture
def finished(tmp_path: Path, undisturbed: Audit) -> Audit:
    """An audit whose shards are all there, and whose outputs are not."""
    audit = replace(undisturbed, folder=tmp_path / "finished")
    shutil.copytree(undisturbed.run, audit.run)
    return audit


def test_a_full_disk_keeps_the_finished_shards(audit: Audit, undisturbed: Audit) -> None:
    with disk(audit.run, "size=256k"):
        ended = audit.finish_here()
        shards = audit.shards()
        assert 0 < len(shards) < len(undisturbed.shards())
        name = min(undisturbed.shards() - shards)
        message = f"cannot write run/records/{name}: No space left on device"
        assert refused(ended, message, KEPT)
        assert list(audit.run.rglob("*.part")) == []
        change(audit.run, "size=8m")
        assert audit.finish_here("--resume").exit_code == 0
        assert differences(audit, undisturbed) == []


def test_files_that_may_not_be_so_large(audit: Audit) -> None:
    """The same for who cannot mount anything: a limit of the process, as by `ulimit -f`."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7 * 1024, limits[1]))
    try:
        ended = audit.finish_here()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ended.exit_code == 2
    assert ended.stderr.startswith("error: cannot write ")
    assert ended.stderr.count("File too large\n") == 1
    assert audit.shards() == set()


def test_a_read_only_disk(audit: Audit, undisturbed: Audit) -> None:
    with disk(audit.run, "size=8m"):
        shutil.copytree(undisturbed.run, audit.run, dirs_exist_ok=True)
        for name in ("complete", *(f"records/{shard}" for shard in sorted(audit.shards())[2:])):
            (audit.run / name).unlink()
        before = audit.shards()
        change(audit.run, "ro")
        ended = audit.finish_here("--resume")
        assert refused(ended, "run directory run: Read-only file system")
        assert audit.shards() == before


def test_no_permission(audit: Audit) -> None:
    audit.run.mkdir(parents=True)
    audit.run.chmod(0o500)
    with as_a_user():
        assert refused(audit.finish_here(), "run directory run: Permission denied")
    audit.run.rmdir()
    audit.folder.chmod(0o500)
    with as_a_user():
        ended = audit.finish_here()
    audit.folder.chmod(0o700)
    assert refused(ended, "cannot write report.json: Permission denied")


def test_a_run_directory_that_is_removed(audit: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Shards.write

    def removed(shards: Shards, number: int, found: RecordTables) -> None:
        if number == 2:
            shutil.rmtree(audit.run)
        write(shards, number, found)

    monkeypatch.setattr(Shards, "write", removed)
    ended = audit.finish_here()
    hint = "hint: Start again, in a folder that nobody clears away.\n"
    assert refused(ended, "run directory run: it was removed while the audit ran", hint)
    assert not audit.run.exists()
    assert not audit.report.exists()


@pytest.mark.parametrize(
    ("option", "name"),
    [("--output", "report.json"), ("--records", "records.parquet"), ("--records", "records.jsonl")],
)
def test_outputs_on_a_full_disk(finished: Audit, option: str, name: str) -> None:
    with disk(finished.folder / "out", "size=4k") as full:
        ended = finished.finish_here("--resume", option, f"out/{name}")
        message = f"cannot write out/{name}: No space left on device"
        assert refused(ended, message, KEPT)
        assert list(full.iterdir()) == []


def test_temporary_files_on_a_full_disk(finished: Audit, undisturbed: Audit) -> None:
    with disk(finished.folder / "tmp", "size=4k") as full:
        ended = finished.finish_here("--resume")
        assert ended.exit_code == 2
        assert f"error: cannot write {full}/attn-audit-" in ended.stderr
        assert "TMPDIR. The finished shards are kept in run" in ended.stderr
    assert finished.finish_here("--resume").exit_code == 0
    assert differences(finished, undisturbed) == []


FULL = Path("/dev/full")


needs_full = pytest.mark.skipif(not FULL.exists(), reason=f"there is no {FULL}")


@needs_full
@pytest.mark.parametrize("words", [["metrics"], ["--help"], ["gate", "--print-default-policy"]])
def test_standard_output_on_a_full_disk(words: list[str]) -> None:
    command = [sys.executable, "-m", "attn_audit", *words]
    with FULL.open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    expected = "error: cannot write standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, expected)


@needs_full
def test_messages_on_a_full_disk_leave_the_exit_code() -> None:
    command = [sys.executable, "-m", "attn_audit", "gate", "no such report"]
    with FULL.open("w") as full:
        assert subprocess.run(command, stderr=full).returncode == 2
