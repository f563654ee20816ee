"""Our own checkpoint and folders of the original code: what is read, and what is refused."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from attn_audit.errors import (
    AttnAuditError,
    CheckpointNotFoundError,
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
    UnsupportedModelError,
)
from attn_audit.models.loading import load_model
from attn_audit.models.options import ModelOptions
from attn_audit.models.paper.checkpoint import MARKERS, save_checkpoint
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.paper.network import EncoderKind
from attn_audit.models.task import Binary, TaskKind
from tests.goldens import NAMES, load_golden, token_ids
from tests.tiny import KINDS, checkpoint_of, tiny_examples, tiny_model

CPU = torch.device("cpu")


def save(model: PaperModel, path: Path) -> None:
    save_checkpoint(path, checkpoint_of(model, training={"epochs": 3}))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    save(tiny_model(), path)
    return path


def edit(path: Path, **changes: Any) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)


def refused(path: Path, kind: type[AttnAuditError], match: str) -> AttnAuditError:
    with pytest.raises(kind, match=match) as caught:
        load_model(str(path), CPU)
    return caught.value


@pytest.mark.parametrize(
    ("encoder", "attention", "is_pair"), KINDS, ids=["-".join(map(str, kind)) for kind in KINDS]
)
def test_a_model_comes_back_as_it_was(
    tmp_path: Path, encoder: Any, attention: Any, is_pair: bool
) -> None:
    kind = TaskKind.CANDIDATES if is_pair else TaskKind.BINARY
    model = tiny_model(encoder, attention, is_pair=is_pair, kind=kind)
    save(model, tmp_path / "model.pt")
    loaded = load_model(str(tmp_path / "model.pt"), CPU)
    examples = tiny_examples(5, is_pair=is_pair)
    logits = [
        m.read(m.collate(m.encode(examples)), [m.default_site])[0].logits for m in (model, loaded)
    ]
    assert torch.equal(*logits)
    assert loaded.task == model.task


def test_nothing_is_left_beside_it(checkpoint: Path) -> None:
    assert [path.name for path in checkpoint.parent.iterdir()] == ["model.pt"]


@pytest.mark.parametrize("content", [b"", b"not a model", b"PK\x03\x04 truncated"])
def test_refuses_what_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    refused(tmp_path / "model.pt", UnreadableCheckpointError, "cannot load the model")


def test_refuses_a_truncated_checkpoint(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-200])
    refused(checkpoint, UnreadableCheckpointError, "cannot load the model")


@pytest.mark.parametrize("is_plain", [False, True])
def test_refuses_a_pickle_that_would_run_code(tmp_path: Path, is_plain: bool) -> None:
    path, trap = tmp_path / "model.pt", Trap(tmp_path / "ran")
    if is_plain:
        path.write_bytes(pickle.dumps(trap))
    else:
        torch.save({"weights": trap}, path)
    refused(path, UnsafeCheckpointError, "would run code")
    assert not (tmp_path / "ran").exists()


class Trap:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_refuses_a_pickled_module(tmp_path: Path) -> None:
    torch.save(tiny_model().network, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", UnsafeCheckpointError, "would run code")


def test_refuses_bare_weights(tmp_path: Path) -> None:
    torch.save(tiny_model().network.state_dict(), tmp_path / "model.pt")
    refused(tmp_path / "model.pt", UnsupportedModelError, "bare weights")


def test_refuses_a_checkpoint_of_another_kind(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "model.pt")
    refused(tmp_path / "model.pt", UnsupportedModelError, "not a checkpoint of attn-audit")


def test_refuses_another_format_version(checkpoint: Path) -> None:
    edit(checkpoint, format_version=2)
    refused(checkpoint, UnsupportedModelError, "format version 2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("a",)}, "labels"),
        ({"labels": ("a", "a")}, "labels"),
        ({"vocabulary": ("<0>",)}, "words"),
        ({"task": "ranking"}, "task"),
        ({"weights": {}}, "missing"),
        ({"weights": 3}, "no weights"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_refuses_parts_that_do_not_fit(
    checkpoint: Path, changes: dict[str, Any], message: str
) -> None:
    edit(checkpoint, **changes)
    refused(checkpoint, UnreadableCheckpointError, message)


@pytest.mark.parametrize(
    ("size", "problem"), [(10**6, "its architecture needs"), (10**7, "architecture.hidden_size: ")]
)
def test_absurd_sizes_are_refused_before_memory_is_asked_for(
    checkpoint: Path, size: int, problem: str
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    edit(checkpoint, architecture={**content["architecture"], "hidden_size": size})
    refused(checkpoint, UnreadableCheckpointError, problem)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_weights_that_are_no_numbers(checkpoint: Path, value: float) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["weights"]["readout.output.bias"][0] = value
    torch.save(content, checkpoint)
    refused(checkpoint, InvalidWeightsError, "'readout.output.bias' holds NaN or infinity")


def test_half_precision_is_computed_in_single(tmp_path: Path) -> None:
    model = tiny_model()
    half = {name: tensor.half() for name, tensor in model.network.state_dict().items()}
    path = tmp_path / "model.pt"
    save_checkpoint(path, checkpoint_of(model, weights=half))
    loaded = load_model(str(path), CPU)
    batch = loaded.collate(loaded.encode(tiny_examples(2)))
    assert loaded.read(batch, [loaded.default_site])[0].logits.dtype == torch.float32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny average model in the original's layout."""
    path = tmp_path / "original"
    path.mkdir()
    config = {
        "model": {
            "encoder": {
                "vocab_size": 40,
                "embed_size": 10,
                "type": "average",
                "hidden_size": 8,
                "projection": True,
                "activation": "tanh",
            },
            "decoder": {"attention": {"type": "tanh"}, "output_size": 1},
        }
    }
    network = tiny_model(EncoderKind.AVERAGE).network.state_dict()
    encoder = {
        "embedding.weight": network["text_encoder.embedding.weight"],
        "projection.weight": network["text_encoder.encoder.projection.weight"],
        "projection.bias": network["text_encoder.encoder.projection.bias"],
    }
    decoder = {
        "linear_1.weight": network["readout.output.weight"],
        "linear_1.bias": network["readout.output.bias"],
        "attention.attn1.weight": network["attention.state.weight"],
        "attention.attn1.bias": network["attention.state.bias"],
        "attention.attn2.weight": network["attention.score.weight"],
    }
    (path / "config.json").write_text(json.dumps(config))
    vocabulary = {**dict(zip(MARKERS, range(4), strict=True)), **{f"w{i}": i for i in range(4, 40)}}
    (path / "vocab.json").write_text(json.dumps(vocabulary))
    torch.save(encoder, path / "enc.th")
    torch.save(decoder, path / "dec.th")
    return path


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_loads_and_names_labels_by_output_index(folder: Path) -> None:
    model = load_model(str(folder), CPU)
    assert isinstance(model.task, Binary)
    assert model.task.labels == ("0", "1")
    assert model.describe().format == "original folder"


@pytest.mark.parametrize("name", NAMES[::5])
def test_reads_texts_as_the_original_reads_token_ids(shared: Path, name: str) -> None:
    golden = load_golden(shared, name)
    ids = [list(encoded.token_ids) for encoded in golden.audited.batch.encoded]  # type: ignore[attr-defined]
    assert ids == token_ids(golden)


def test_a_text_that_spells_a_marker_is_unknown(folder: Path) -> None:
    model = load_model(str(folder), CPU)
    assert isinstance(model, PaperModel)
    assert model.vocabulary.ids(["<EOS>", "w5"]) == (2, 1, 5, 3)


@pytest.mark.parametrize("kind", ["logodds", "regularised"])
def test_refuses_log_odds_configurations_by_name(folder: Path, kind: str) -> None:
    def edit(config: dict[str, Any]) -> None:
        decoder = config["model"]["decoder"]
        if kind == "logodds":
            decoder["attention"] = {"type": "logodds", "logodds_file": "x.p"}
        else:
            decoder["regularizer_attention"] = {"type": "logodds", "logodds_file": "x.p"}

    change(folder / "config.json", edit)
    refused(folder, UnsupportedModelError, "log-odds configuration")


def test_refuses_attention_free_configurations_by_name(folder: Path) -> None:
    change(folder / "config.json", lambda c: c["model"]["decoder"].update(use_attention=False))
    refused(folder, UnsupportedModelError, "attention-free configuration")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("type", "transformer", "unknown encoder 'transformer'"),
        ("activation", "swish", "unknown activation 'swish'"),
        ("vocab_size", 41, r"announces 41 words, and its weights hold .* \[40, 10\]"),
        ("vocab_size", 10**12, "announces 1000000000000 words"),
        ("hidden_size", 9, "shape"),
        ("embed_size", "ten", "embedding_size"),
    ],
)
def test_refuses_configurations_that_do_not_fit(
    folder: Path, key: str, value: object, message: str
) -> None:
    change(folder / "config.json", lambda c: c["model"]["encoder"].update({key: value}))
    with pytest.raises((UnsupportedModelError, UnreadableCheckpointError), match=message):
        load_model(str(folder), CPU)


@pytest.mark.parametrize("name", ["config.json", "enc.th", "dec.th"])
def test_names_the_missing_file(folder: Path, name: str) -> None:
    (folder / name).unlink()
    refused(folder, UnreadableCheckpointError, f"there is no {name}")


def test_says_how_to_write_a_missing_vocabulary(folder: Path) -> None:
    (folder / "vocab.json").unlink()
    error = refused(folder, UnreadableCheckpointError, "there is no vocab.json")
    assert "json.dump(vec.word2idx" in (error.hint or "")


def test_reads_a_vocabulary_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder / "vocab.json", tmp_path / "words.json")
    options = ModelOptions(vocabulary=tmp_path / "words.json")
    assert load_model(str(folder), CPU, options).task.labels == ("0", "1")


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({"good": 40}, "id 40 is outside"),
        ({"good": -1}, "id -1 is outside"),
        ({"good": 5, "fine": 5}, "ids occur twice"),
        ({"<UNK>": 7}, "<UNK> must have id 1, not 7"),
        ({"good": "5"}, "whole number"),
        ([], "not a JSON object"),
    ],
)
def test_refuses_a_vocabulary_that_is_not_this_models(
    folder: Path, vocabulary: object, message: str
) -> None:
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    refused(folder, UnreadableCheckpointError, message)


def test_refuses_a_folder_whose_pickle_would_run_code(folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "ran"
    torch.save(Trap(trap), folder / "dec.th")
    refused(folder, UnsafeCheckpointError, "would run code")
    assert not trap.exists()


def test_refuses_a_folder_that_is_no_model(tmp_path: Path) -> None:
    refused(tmp_path, UnsupportedModelError, "it has no dec.th")


def test_says_that_there_is_no_model(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", CheckpointNotFoundError, "no model at")
