"""Data inside of a page: exact, and unable to be anything else."""

import json

import pytest

from attn_audit.formats.html import data


@pytest.mark.parametrize(
    "text", ["</script>", "a & b", "\u202e", "\x00", "\ud800", "\U0001f600", "ü"]
)
def test_what_is_written_is_read_again_as_it_was(text: str) -> None:
    written = str(data({"text": text}))
    assert json.loads(written) == {"text": text}
    written.encode("utf-8")
    assert "<" not in written
    assert "&" not in written
