"""Data made to do harm: named by file and line, or audited; never shown unescaped."""

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.cli.conftest import AttnAudit, Outcome
from tests.fuzz.seeds import FEW

GOOD = b'{"text": "w5 w6"}\n'


def audited(attn_audit: AttnAudit, model: Path, name: str, *words: object) -> Outcome:
    return attn_audit("audit", model, name, *FEW, *words)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "w5\0"}', "test.jsonl:2: NUL bytes"),
        (b'{"text": "w5\xff"}', "test.jsonl:2: not UTF-8"),
        (b'{"text": "w5\xed\xa0\x80"}', "test.jsonl:2: not UTF-8"),
        (b'{"text": "\\ud800"}', "test.jsonl:2: 'text' is not valid Unicode"),
        (b'{"text": ' + b"[" * 10**6 + b"]" * 10**6 + b"}", "test.jsonl:2: JSON nested too deeply"),
        (b'{"a": ' * 10**5, "test.jsonl:2: JSON nested too deeply"),
        (b'{"text": "w5", "label": ' + b"9" * 10**6 + b"}", "test.jsonl:2: malformed JSON"),
        ("\ufeff".encode() + GOOD, "test.jsonl:2: malformed JSON"),
        (b'{"id": 1, "text": "a"}\n{"id": "1", "text": "b"}', "is also that of test.jsonl:2"),
        (b'{"text": "w5", "label": "\x1b[31m"}', "test.jsonl:2: malformed JSON"),
        (b'{"text": "w5", "label": "\\u001b[31mred\\u202e"}', r"no label '\x1b[31mred\u202e'"),
    ],
)
def test_what_is_wrong_with_a_line_is_exit_code_2(
    attn_audit: AttnAudit, model: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "test.jsonl").write_bytes(GOOD + content)
    outcome = audited(attn_audit, model, "test.jsonl")
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert len(outcome.stderr) < 600
    assert outcome.stderr.replace("\n", "").isprintable()


def test_what_is_odd_is_audited_and_shown_escaped(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    """A byte-order mark, mixed line ends, 1 MB, right to left, unseen, escapes, and markup."""
    (tmp_path / "test.jsonl").write_bytes(
        b'\xef\xbb\xbf{"text": "w5"}\r\n\r\n{"text": "w6"}\n{"text": "w7"}\r\n'
        + b'{"text": "' + b"x" * 1_000_000 + b'"}\n'
        + '{"text": "w5 \u200bw6 שלום \u202ew7 \u2066x\u2069"}\n'.encode()
        + b'{"text": "w5 \\u001b[2J <script>alert(1)</script> ](http://x)"}\n'
    )  # fmt: skip
    files = ("r.json", "r.md", "r.html", "r.xml", "r.sarif")
    words = [word for file in files for word in ("--output", file)]
    policy = ("--policy", "default", "--inconclusive", "pass", "--format", "terminal")
    outcome = audited(attn_audit, model, "test.jsonl", *words, *policy)
    assert outcome.exit_code in (0, 1), outcome.stderr
    shown = [outcome.stdout, *((tmp_path / file).read_text() for file in files)]
    for text in shown:
        assert not set(text) & set("\x1b\u202e\u200b\u2066\u2069")
    assert all("<script>alert" not in text for text in shown[2:])


def test_a_gzip_bomb_is_exit_code_2_and_names_the_option(
    attn_audit: AttnAudit, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress((b" " * 999 + b"\n") * 3_000))
    outcome = audited(attn_audit, model, "test.jsonl.gz", "--max-unpacked-mb", "2")
    assert outcome.exit_code == 2
    assert "test.jsonl.gz: it unpacks to more than 2 MB" in outcome.stderr
    assert "--max-unpacked-mb" in outcome.stderr


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("label", pa.array([1], pa.timestamp("ns")), "test.parquet"),
        ("label", pa.array([b"\xff"]), "'label' must be a string or an integer"),
        ("text", pa.array([["a"]]), "'text' must be a string"),
        ("label", pa.array([{"a": 1}]), "'label' must be a string or an integer"),
    ],
)
def test_columns_of_another_kind(
    attn_audit: AttnAudit,
    model: Path,
    tmp_path: Path,
    column: str,
    values: pa.Array,
    message: str,
) -> None:
    table = pa.table({"text": ["w5"], "label": ["label0"]})
    table = table.set_column(table.column_names.index(column), column, values)
    parquet.write_table(table, tmp_path / "test.parquet")
    outcome = audited(attn_audit, model, "test.parquet")
    assert outcome.exit_code == 2
    assert message in outcome.stderr


def test_a_table_with_a_column_twice(attn_audit: AttnAudit, model: Path, tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    parquet.write_table(table, tmp_path / "test.parquet")
    outcome = audited(attn_audit, model, "test.parquet")
    assert outcome.exit_code == 2
    assert "it has columns of one name: text, text" in outcome.stderr
