"""Checkpoints made to do harm: nothing in them runs, and no memory is asked for; exit code 2."""

import json
import pickle
import resource
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.conftest import AttnAudit
from tests.conftest import Checkpoint
from tests.fuzz.seeds import write_original

Place = Callable[[object], str]
"""Put an object where a checkpoint's weights belong, and say what MODEL is then."""


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


class Huge:
    """Unpickling it would fill 100 GB with zeros, by a call that torch itself allows."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (bytearray, (10**11,))


@pytest.fixture
def bert(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    """A copy of a tiny HuggingFace classifier."""
    return Path(shutil.copytree(checkpoint("bert"), tmp_path / "bert"))


def refused(attn_audit: AttnAudit, model: object, tmp_path: Path, code: int = 2) -> str:
    """The message about a model, after which nothing is there that was not there before."""
    (tmp_path / "texts.jsonl").write_text('{"text": "w5 w6"}\n')
    before = sorted(tmp_path.rglob("*"))
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2 * 10**12, limits[1]))  # the largest here ask for 4
    try:
        outcome = attn_audit("audit", model, "texts.jsonl", "--output", "report.json")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert outcome.exit_code == code, outcome.stderr
    assert "out of memory" not in outcome.stderr
    assert sorted(tmp_path.rglob("*")) == before
    return outcome.stderr


@pytest.mark.parametrize("is_zipped", [False, True])
@pytest.mark.parametrize("trap", [Trap(Path("ran")), Huge()], ids=["runs", "fills memory"])
def test_a_pickle_that_calls_something_is_not_run(
    attn_audit: AttnAudit, tmp_path: Path, trap: object, is_zipped: bool
) -> None:
    if is_zipped:
        torch.save({"weights": trap}, tmp_path / "model.pt")
    else:
        (tmp_path / "model.pt").write_bytes(pickle.dumps(trap))
    assert "would run code (" in refused(attn_audit, "model.pt", tmp_path)


@pytest.mark.parametrize("name", ["enc.th", "dec.th"])
@pytest.mark.parametrize("is_zipped", [False, True])
def test_nor_in_a_folder_of_the_original_code(
    attn_audit: AttnAudit, tmp_path: Path, name: str, is_zipped: bool
) -> None:
    write_original(tmp_path / "original")
    file, trap = tmp_path / "original" / name, {"a": Trap(tmp_path / "ran")}
    torch.save(trap, file, _use_new_zipfile_serialization=is_zipped)
    message = refused(attn_audit, "original", tmp_path)
    assert f"{name}: it is a pickle that would run code (" in message


def test_nor_beside_a_huggingface_configuration(
    attn_audit: AttnAudit, tmp_path: Path, bert: Path
) -> None:
    (bert / "model.safetensors").unlink()
    torch.save({"a": Trap(tmp_path / "ran")}, bert / "pytorch_model.bin")
    assert "its weights are a pickle (pytorch_model.bin)" in refused(attn_audit, "bert", tmp_path)


@pytest.mark.parametrize("n_kept", [0, 1, 10, 0.3, 0.9, -1])
def test_a_checkpoint_that_was_cut_off(
    attn_audit: AttnAudit, tmp_path: Path, model: Path, n_kept: float
) -> None:
    content = model.read_bytes()
    end = int(n_kept * len(content)) if isinstance(n_kept, float) else n_kept
    model.write_bytes(content[:end])
    assert "cannot load the model model.pt: " in refused(attn_audit, "model.pt", tmp_path)


def changed(model: Path, name: str, tensor: torch.Tensor | None) -> None:
    """Put another tensor in a checkpoint, or none."""
    content = torch.load(model, weights_only=True)
    content["weights"].pop(name, None)
    if tensor is not None:
        content["weights"][name] = tensor
    torch.save(content, model)


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("readout.output.bias", torch.zeros(2), "has shape [2]; its architecture needs [1]"),
        ("readout.output.bias", None, "missing readout.output.bias"),
        ("surplus", torch.zeros(1), "not expected surplus"),
        ("readout.output.bias", torch.zeros(1, dtype=torch.int64), "holds no plain numbers"),
        ("readout.output.bias", torch.zeros(1).to_sparse(), "would run code ("),
        ("readout.output.bias", torch.zeros(1, device="meta"), "would run code ("),
    ],
)
def test_tensors_that_are_not_the_architectures(
    attn_audit: AttnAudit, tmp_path: Path, model: Path, name: str, tensor: Any, message: str
) -> None:
    changed(model, name, tensor)
    assert message in refused(attn_audit, "model.pt", tmp_path)


def test_a_view_that_repeats_one_number(attn_audit: AttnAudit, tmp_path: Path, model: Path) -> None:
    content = torch.load(model, weights_only=True)
    name, size = "text_encoder.encoder.projection.weight", 10**6
    content["architecture"] |= {"encoder": "average", "hidden_size": size, "embedding_size": size}
    own = ("attention.score.weight", "readout.output.bias")
    shapes = {
        "text_encoder.embedding.weight": (len(content["vocabulary"]), size),
        name: (size, size),
        "text_encoder.encoder.projection.bias": (size,),
        "attention.state.weight": (size // 2, size),
        "attention.state.bias": (size // 2,),
        "attention.score.weight": (1, size // 2),
        "readout.output.weight": (1, size),
        "readout.output.bias": (1,),
    }
    assert set(own) <= set(shapes)
    content["weights"] = {key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    torch.save(content, model)
    message = refused(attn_audit, "model.pt", tmp_path)
    assert "numbers, and the file holds 1" in message


def announcing(model: Path, n_numbers: int) -> None:
    """Let the pickle of a checkpoint announce another size of its first storage."""
    with zipfile.ZipFile(model) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    name = next(part for part in parts if part.endswith("data.pkl"))
    at = parts[name].index(b"Q")  # the first storage: its size and the end of its tuple are before
    tuple_at = parts[name].rindex(b"t", 0, at)
    size_at = max(parts[name].rindex(code, 0, tuple_at) for code in (b"K", b"M"))
    size = b"\x8a\x08" + struct.pack("<q", n_numbers)
    parts[name] = parts[name][:size_at] + size + parts[name][tuple_at:]
    with zipfile.ZipFile(model, "w") as archive:
        for part, content in parts.items():
            archive.writestr(part, content)


@pytest.mark.parametrize("n_numbers", [10**5, 10**12, -1])
def test_a_size_that_the_archive_does_not_hold(
    attn_audit: AttnAudit, tmp_path: Path, model: Path, n_numbers: int
) -> None:
    announcing(model, n_numbers)
    message = refused(attn_audit, "model.pt", tmp_path)
    assert f"it announces {4 * n_numbers} bytes of numbers where there are" in message


def test_a_size_that_a_file_of_2019_does_not_hold(attn_audit: AttnAudit, tmp_path: Path) -> None:
    write_original(tmp_path / "original")
    file = tmp_path / "original" / "enc.th"
    old = torch.load(file, weights_only=True)["embedding.weight"].numel()
    content = file.read_bytes()
    assert content.count(b"M" + struct.pack("<H", old)) >= 1
    huge = b"\x8a\x08" + struct.pack("<q", 10**12)
    file.write_bytes(content.replace(b"M" + struct.pack("<H", old), huge, 1))
    message = refused(attn_audit, "original", tmp_path)
    assert "bytes of numbers in a file of" in message


def test_an_archive_that_unpacks_to_more(
    attn_audit: AttnAudit, tmp_path: Path, model: Path
) -> None:
    with zipfile.ZipFile(model) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    with zipfile.ZipFile(model, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
        archive.writestr("archive/data/99", bytes(10**7))
    assert "bytes in a file of" in refused(attn_audit, "model.pt", tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("vocab_size", 10**12, "announces more numbers than its"),
        ("max_position_embeddings", 10**12, "announces more numbers than its"),
        ("num_hidden_layers", 10**9, "announces 1000000000 as 'num_hidden_layers'"),
        ("num_labels", 10**9, "announces 1000000000 as 'num_labels'"),
        ("hidden_size", -1, "its weights: "),
    ],
)
def test_absurd_sizes_of_a_huggingface_configuration(
    attn_audit: AttnAudit, tmp_path: Path, bert: Path, key: str, value: int, message: str
) -> None:
    file = bert / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    assert message in refused(attn_audit, "bert", tmp_path)


@pytest.mark.parametrize(
    ("part", "key", "size"),
    [
        ("encoder", "embed_size", 2**32),
        ("encoder", "hidden_size", 2**63),
        ("decoder", "output_size", 10**30),
        ("decoder", "output_size", 2**32),
    ],
)
def test_absurd_sizes_of_an_original_configuration(
    attn_audit: AttnAudit, tmp_path: Path, part: str, key: str, size: int
) -> None:
    write_original(tmp_path / "original")
    file = tmp_path / "original" / "config.json"
    config = json.loads(file.read_text())
    config["model"][part][key] = size
    file.write_text(json.dumps(config))
    assert "original/config.json: " in refused(attn_audit, "original", tmp_path)


@pytest.mark.parametrize("size", [10**6, 2**40, 2**63])
def test_a_safetensors_header_longer_than_the_file(
    attn_audit: AttnAudit, tmp_path: Path, bert: Path, size: int
) -> None:
    file = bert / "model.safetensors"
    file.write_bytes(struct.pack("<Q", size) + file.read_bytes()[8:])
    assert "cannot load the model bert: its weights: " in refused(attn_audit, "bert", tmp_path)


@pytest.mark.parametrize("part", ["../other.safetensors", "/etc/passwd", "a/b.safetensors", 7])
def test_an_index_that_names_files_elsewhere(
    attn_audit: AttnAudit, tmp_path: Path, bert: Path, part: object
) -> None:
    index = {"metadata": {}, "weight_map": {"classifier.weight": part}}
    (bert / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "which is no file beside it" in refused(attn_audit, "bert", tmp_path)


def edited(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("limit", [{}, [], "many", None, -1, 10**30])
def test_a_length_that_is_none_limits_nothing(
    attn_audit: AttnAudit, tmp_path: Path, bert: Path, limit: object
) -> None:
    edited(bert / "tokenizer_config.json", model_max_length=limit)
    (tmp_path / "texts.jsonl").write_text('{"text": "A fine cast."}\n')
    outcome = attn_audit("inspect", "bert", "texts.jsonl")
    assert outcome.exit_code in (0, 2), outcome.stderr


def test_architectures_that_are_no_names(attn_audit: AttnAudit, tmp_path: Path, bert: Path) -> None:
    edited(bert / "config.json", architectures=[1, None])
    (tmp_path / "texts.jsonl").write_text('{"text": "A fine cast."}\n')
    assert attn_audit("inspect", "bert", "texts.jsonl").exit_code in (0, 2)


def test_a_tokenizer_that_panics(
    attn_audit: AttnAudit, tmp_path: Path, bert: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = bert / "tokenizer.json"
    content = json.loads(file.read_text())
    content["post_processor"]["special_tokens"] = {}
    file.write_text(json.dumps(content))
    message = refused(attn_audit, "bert", tmp_path)
    assert message.startswith("error: cannot load the model bert: its tokenizer")
    assert "panicked" not in message + capfd.readouterr().err


def test_a_tokenizer_with_more_strings_than_ids(
    attn_audit: AttnAudit, tmp_path: Path, bert: Path
) -> None:
    file = bert / "tokenizer.json"
    content = json.loads(file.read_text())
    content["post_processor"]["special_tokens"]["[CLS]"]["tokens"] *= 2
    file.write_text(json.dumps(content))
    assert "the tokenizer makes" in refused(attn_audit, "bert", tmp_path)


def test_a_gradient_that_overflows_is_exit_code_3(
    attn_audit: AttnAudit, tmp_path: Path, model: Path
) -> None:
    content = torch.load(model, weights_only=True)
    content["weights"]["readout.output.weight"].fill_(3e38)
    content["weights"]["readout.output.bias"].fill_(0)
    torch.save(content, model)
    assert "is not finite" in refused(attn_audit, "model.pt", tmp_path, code=3)
