import ast
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import transformers

from attn_audit.data.example import Example
from attn_audit.errors import CheckpointError, UnreadableCheckpointError, UnsupportedModelError
from attn_audit.models.huggingface import hub, tokenizer
from attn_audit.models.huggingface.loading import load_classifier
from attn_audit.models.options import ModelOptions
from tests.models.huggingface.conftest import CPU, Damage

TOKENIZER = ("tokenizer.json", "tokenizer_config.json")


def vocabularies() -> Iterator[dict[str, str]]:
    """The files of every tokenizer of the library; some cannot be imported without a package."""
    for file in sorted(Path(transformers.__file__).parent.glob("models/*/tokenization_*.py")):
        for found in re.findall(r"^VOCAB_FILES_NAMES = (\{.*?\})", file.read_text(), re.S | re.M):
            try:
                yield ast.literal_eval(found)
            except ValueError:
                continue  # names from elsewhere


def test_no_tokenizers_file_is_left_out() -> None:
    every = list(vocabularies())
    names = {name for files in every for name in files.values()}
    assert {"bpe.codes", "source.spm", "spm.model", "vocab.txt", "dict.txt"} <= names
    assert [n for n in sorted(names) if not any(fnmatch(n, p) for p in hub.FILES)] == []
    patterns = tokenizer.FILES
    for files in every:
        assert any(fnmatch(n, p) for n in files.values() for p in patterns), files


def refused(folder: Path, kind: type[CheckpointError]) -> CheckpointError:
    with pytest.raises(kind) as raised:
        load_classifier(str(folder), ModelOptions(), CPU)
    assert raised.value.message.isprintable()
    return raised.value


def with_tokenizer(damaged: Damage, name: str | None, kind: str = "bert", **files: str) -> Path:
    folder = damaged(kind, without=TOKENIZER)
    if name is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    for file, content in files.items():
        (folder / file.replace("_", ".")).write_text(content)
    return folder


@pytest.mark.parametrize(
    ("installed", "missing"),
    [
        ((), "sentencepiece and protobuf, which are"),
        (("sentencepiece", "tiktoken"), "protobuf, which is"),
        (("google", "google.protobuf"), "sentencepiece, which is"),
        (("google",), "sentencepiece and protobuf, which are"),
    ],
)
@pytest.mark.parametrize("name", ["DebertaV2Tokenizer", None])
def test_pieces_alone_say_what_to_install(
    damaged: Damage,
    monkeypatch: pytest.MonkeyPatch,
    installed: tuple[str, ...],
    missing: str,
    name: str | None,
) -> None:
    there = {package: package for package in installed}
    monkeypatch.setattr(tokenizer, "find_spec", there.get)
    folder = with_tokenizer(damaged, name, "deberta-v2", spm_model="\n\x0e\n")
    error = refused(folder, UnsupportedModelError)
    assert f"its spm.model cannot be read without {missing} not installed" in error.message
    assert "pip install" in (error.hint or "")


def test_pieces_of_tiktoken_take_its_own_package(
    damaged: Damage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokenizer, "find_spec", lambda name: None)
    folder = with_tokenizer(damaged, None, "llama", tokenizer_model="IQ== 0\nIQ== 0\n")
    error = refused(folder, CheckpointError)
    assert "tiktoken" in error.message


def test_pieces_that_are_damaged(damaged: Damage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "find_spec", lambda name: name)
    folder = with_tokenizer(damaged, None, "deberta-v2", spm_model="\n\x0e\n")
    error = refused(folder, UnreadableCheckpointError)
    assert "its tokenizer:" in error.message
    assert "spm.model" in error.message


@pytest.mark.parametrize(
    ("name", "package"), [("FlaubertTokenizer", "sacremoses"), ("RoFormerTokenizer", "rjieba")]
)
def test_a_tokenizer_whose_package_is_missing(damaged: Damage, name: str, package: str) -> None:
    try:
        __import__(package)
    except ImportError:
        vocabulary = {"vocab_json": '{"a": 0}', "merges_txt": "#\n", "vocab_txt": "[UNK]\na\n"}
        error = refused(with_tokenizer(damaged, name, **vocabulary), UnsupportedModelError)
        assert package in error.message
        assert error.hint is not None
    else:
        pytest.skip(f"{package} is installed")


@pytest.fixture
def bertweet(damaged: Damage) -> Path:
    codes, words = "#version: 0.2\na f 1\nf i 1\n", "a 1\nfi@@ 1\nne 1\nn@@ 1\ne 1\n"
    return with_tokenizer(damaged, "BertweetTokenizer", bpe_codes=codes, vocab_txt=words)


def test_byte_pairs_of_their_own_format(bertweet: Path) -> None:
    classifier = load_classifier(str(bertweet), ModelOptions(), CPU)
    (encoded,) = classifier.encode([Example("a", "a fine")])
    assert [unit.text for unit in encoded.units][:2] == ["a", "fi@@"]
    before = classifier.describe().sha256
    (bertweet / "bpe.codes").write_text("#version: 0.2\na f 1\n")
    after = load_classifier(str(bertweet), ModelOptions(), CPU)
    assert after.describe().sha256 != before


def test_a_file_of_a_tokenizer_that_is_missing(bertweet: Path) -> None:
    (bertweet / "bpe.codes").unlink()
    error = refused(bertweet, UnreadableCheckpointError)
    assert "its tokenizer, a BertweetTokenizer, lacks bpe.codes" in error.message


def test_a_tokenizer_that_nobody_knows(damaged: Damage) -> None:
    folder = with_tokenizer(damaged, "NoSuchTokenizer", vocab_txt="[UNK]\na\n")
    error = refused(folder, UnreadableCheckpointError)
    assert "is a 'NoSuchTokenizer', which transformers does not know" in error.message
