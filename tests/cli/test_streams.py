"""Standard output that nobody reads to its end."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("words", [["metrics"], ["gate", "--print-default-policy"]])
def test_who_has_seen_enough_is_no_error(words: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "attn_audit", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as said:
        assert said.read() == ""
    assert process.wait(timeout=60) == 0
