"""Audits of the packaged demo, to be disturbed."""

from pathlib import Path

import pytest

from tests.faults.auditing import Audit

WORDS = (
    *("demo", "demo", "--limit", "12", "--shard-size", "2"),
    *("--permutations", "5", "--threads", "1"),
)
QUIET = (*WORDS, "--reproducible", "--quiet")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """An audit that came to its end, to hold others against."""
    audit = Audit(tmp_path_factory.mktemp("faults") / "undisturbed", QUIET)
    ended = audit.finish_here()
    assert ended.exit_code == 0, ended.stderr
    return audit


@pytest.fixture
def audit(tmp_path: Path) -> Audit:
    """The same audit, not begun."""
    return Audit(tmp_path / "audit", QUIET)
