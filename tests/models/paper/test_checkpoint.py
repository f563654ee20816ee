"""Our own checkpoint: what is written, and what is refused."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from attn_audit.errors import (
    AttnAuditError,
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
    UnsupportedModelError,
)
from attn_audit.models.loading import load_model
from attn_audit.models.paper.checkpoint import save_checkpoint
from attn_audit.models.paper.classifier import PaperModel
from attn_audit.models.task import TaskKind
from tests.tiny import KINDS, tiny_examples, tiny_model

CPU = torch.device("cpu")


def save(model: PaperModel, path: Path) -> None:
    save_checkpoint(
        path,
        model.network.architecture,
        model.tokenizer,
        model.vocabulary,
        model.task,
        model.network.state_dict(),
        {"epochs": 3},
    )


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    save(tiny_model(), path)
    return path


def edit(path: Path, **changes: Any) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)


def refused(path: Path, kind: type[AttnAuditError], match: str) -> None:
    with pytest.raises(kind, match=match):
        load_model(str(path), CPU)


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
    save_checkpoint(
        path, model.network.architecture, model.tokenizer, model.vocabulary, model.task, half, {}
    )
    loaded = load_model(str(path), CPU)
    batch = loaded.collate(loaded.encode(tiny_examples(2)))
    assert loaded.read(batch, [loaded.default_site])[0].logits.dtype == torch.float32
