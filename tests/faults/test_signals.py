"""An audit that is asked to end puts everything in order, and says how to go on."""

import signal

from tests.faults.auditing import Audit
from tests.faults.comparing import differences


def test_an_audit_that_was_asked_to_end_can_be_gone_on_with(
    audit: Audit, undisturbed: Audit
) -> None:
    ended = audit.end_when(lambda: len(audit.shards()) >= 2, signal.SIGTERM)
    assert ended.exit_code == 143, ended.stderr
    kept = "the finished shards are kept in run: go on with --resume"
    assert ended.stderr == f"error: terminated; {kept}\n"
    assert ended.stdout == ""
    assert 2 <= len(audit.shards()) < len(undisturbed.shards())
    files = {path.name for path in audit.folder.rglob("*") if path.is_file()}
    assert files == {".lock", "manifest.json", *audit.shards()}
    assert not any((audit.folder / "tmp").iterdir())
    assert audit.finish_here("--resume").exit_code == 0
    assert differences(audit, undisturbed) == []
