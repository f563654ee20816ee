"""Checkpoints of the original code: config.json, enc.th/dec.th (pairs: encP.th, encQ.th, dec.th).

Source: `successar/AttentionExplanation`, the layout that its trainers write; `configurations.py`
there names the configurations.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor

from attn_audit.errors import UnreadableCheckpointError, UnsupportedModelError, nearest
from attn_audit.models.paper.architecture import (
    MARKERS,
    Activation,
    Architecture,
    AttentionKind,
    EncoderKind,
    Tokenizer,
    Vocabulary,
)
from attn_audit.models.paper.checkpoint import Checkpoint, first_problem, load_state_dict
from attn_audit.models.task import TaskKind, make_task

ENCODERS = {"rnn": EncoderKind.BILSTM, "cnn": EncoderKind.CNN, "average": EncoderKind.AVERAGE}
ATTENTIONS = {
    "tanh": AttentionKind.ADDITIVE,
    "dot": AttentionKind.DOT,
    "tanh_qa": AttentionKind.ADDITIVE,
    "dot_qa": AttentionKind.DOT,
}
_RENAMED = {
    "single": (
        (r"^rnn\.", "encoder.lstm."),
        (r"^convolutions\.", "encoder.convolutions."),
        (r"^projection\.", "encoder.projection."),
    ),
    "decoder": (
        (r"^attention\.attn1p?\.", "attention.state."),
        (r"^attention\.attn1q\.", "attention.question."),
        (r"^attention\.attn2\.", "attention.score."),
        (r"^linear_1\.", "readout.output."),
        (r"^linear_1p\.", "readout.text."),
        (r"^linear_1q\.", "readout.question."),
        (r"^linear_2\.", "readout.output."),
    ),
}
_WRITE_VOCABULARY = (
    "The original pickles its own vocabulary, which is not loaded here. In the original's "
    "environment write it as JSON beside the model: "
    'json.dump(vec.word2idx, open("vocab.json", "w")) - or name a file with --vocabulary.'
)


def is_original_folder(folder: Path) -> bool:
    """Whether a folder holds a decoder in the original's layout."""
    return (folder / "dec.th").exists() or (folder / "enc.th").exists()


def read_original(folder: Path, vocabulary_file: Path | None) -> Checkpoint:
    """Read architecture, task, vocabulary and renamed weights; labels are the outputs' indices.

    Args:
        vocabulary_file: JSON object from word to id; None for `vocab.json` in the folder.

    Raises:
        UnreadableCheckpointError: A file is missing, damaged, or does not fit the others.
        UnsafeCheckpointError: A `.th` file would run code.
        UnsupportedModelError: A log-odds or attention-free configuration, or an unknown part.
    """
    config = _read_json(folder / "config.json")
    architecture = _architecture(folder, config)
    weights = _weights(folder, architecture)
    _require_embeddings(folder, architecture, weights)
    vocabulary = read_vocabulary(
        vocabulary_file or folder / "vocab.json", architecture.vocabulary_size
    )
    kind, n_labels = TaskKind.MULTILABEL, architecture.n_logits
    if architecture.is_pair:
        kind = TaskKind.CANDIDATES
    elif n_labels == 1:
        kind, n_labels = TaskKind.BINARY, 2
    task = make_task(kind, tuple(str(i) for i in range(n_labels)))
    return Checkpoint(
        "original folder", architecture, task, Tokenizer.WHITESPACE, vocabulary, weights
    )


def _require_embeddings(
    folder: Path, architecture: Architecture, weights: Mapping[str, Tensor]
) -> None:
    """The announced vocabulary is as large as the table of embeddings that is really there."""
    table = weights.get("text_encoder.embedding.weight")
    if table is None or table.shape[:1] != (architecture.vocabulary_size,):
        found = "no embeddings" if table is None else f"embeddings of shape {list(table.shape)}"
        raise UnreadableCheckpointError(
            folder,
            f"its config.json announces {architecture.vocabulary_size} words, "
            f"and its weights hold {found}",
        )


def _architecture(folder: Path, config: Mapping[str, Any]) -> Architecture:
    try:
        encoder = config["model"]["encoder"]
        decoder = config["model"]["decoder"]
        _refuse_other_kinds(folder, decoder)
        attention = _known(folder, "attention", decoder["attention"]["type"], ATTENTIONS)
        kind = _known(folder, "encoder", encoder["type"], ENCODERS)
        activation = Activation.RELU if kind is EncoderKind.CNN else Activation.LINEAR
        if encoder.get("activation") is not None:
            names = {each.value: each for each in Activation}
            activation = _known(folder, "activation", encoder["activation"], names)
        return Architecture(
            encoder=kind,
            attention=attention,
            is_pair=decoder["attention"]["type"].endswith("_qa"),
            vocabulary_size=encoder["vocab_size"],
            embedding_size=encoder["embed_size"],
            hidden_size=encoder.get("hidden_size") or encoder["embed_size"],
            n_logits=decoder["output_size"],
            kernel_sizes=tuple(encoder.get("kernel_sizes", (1, 3, 5, 7))),
            activation=activation,
            has_projection=bool(encoder.get("projection", True)),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableCheckpointError(folder / "config.json", f"no {error} in it") from None
    except ValidationError as error:
        raise UnreadableCheckpointError(folder / "config.json", first_problem(error)) from None


def _refuse_other_kinds(folder: Path, decoder: Mapping[str, Any]) -> None:
    if decoder.get("use_attention", True) is not True:
        raise UnsupportedModelError(
            f"{folder} is an attention-free configuration of the original code "
            "(`use_attention` is false): it predicts from the last state, there is nothing to audit"
        )
    regulariser = decoder.get("regularizer_attention") or {}
    if "logodds" in (decoder["attention"]["type"], regulariser.get("type")):
        raise UnsupportedModelError(
            f"{folder} is a log-odds configuration of the original code: its attention is a fixed "
            "table of word scores kept outside the checkpoint, not the model's own"
        )


def _known(folder: Path, what: str, name: str, table: Mapping[str, Any]) -> Any:
    if name not in table:
        raise UnsupportedModelError(f"{folder}: unknown {what} {name!r}", hint=nearest(name, table))
    return table[name]


def _weights(folder: Path, architecture: Architecture) -> dict[str, Tensor]:
    weights = {
        _rename(name, "decoder"): tensor
        for name, tensor in load_state_dict(folder / "dec.th").items()
    }
    files = {"text_encoder": "encP.th" if architecture.is_pair else "enc.th"}
    if architecture.is_pair:
        files["pair_encoder"] = "encQ.th"
    for part, file in files.items():
        for name, tensor in load_state_dict(folder / file).items():
            weights[f"{part}.{_rename(name, 'single')}"] = tensor
    if architecture.attention is AttentionKind.DOT and not architecture.is_pair:
        weights["attention.score.weight"] = weights.pop("attention.state.weight")
    return weights


def _rename(name: str, part: str) -> str:
    for pattern, replacement in _RENAMED[part]:
        name = re.sub(pattern, replacement, name)
    return name


def read_vocabulary(file: Path, size: int) -> Vocabulary:
    """Read a vocabulary from a JSON object of word to id.

    Raises:
        UnreadableCheckpointError: Missing, malformed, or not the vocabulary of this model.
    """
    if not file.exists():
        raise UnreadableCheckpointError(
            file.parent, f"there is no {file.name}", hint=_WRITE_VOCABULARY
        )
    ids = _read_json(file)
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in ids.values()):
        raise UnreadableCheckpointError(file, "not every word has a whole number for an id")
    words = {i: word for word, i in ids.items()} | dict(enumerate(MARKERS))
    wrong = next((i for i in words if not 0 <= i < size), None)
    if wrong is not None or len(ids.values()) != len(set(ids.values())):
        problem = f"id {wrong} is outside" if wrong is not None else "ids occur twice in"
        raise UnreadableCheckpointError(
            file, f"{problem} the model's vocabulary of {size} ids", hint=_WRITE_VOCABULARY
        )
    for marker, i in zip(MARKERS, range(4), strict=True):
        if ids.get(marker, i) != i:
            raise UnreadableCheckpointError(
                file, f"{marker} must have id {i}, not {ids[marker]}", hint=_WRITE_VOCABULARY
            )
    return Vocabulary([words.get(i, f"<unused {i}>") for i in range(size)])


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnreadableCheckpointError(file.parent, f"there is no {file.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableCheckpointError(file, str(error)) from None
    if not isinstance(content, dict):
        raise UnreadableCheckpointError(file, "it is not a JSON object")
    return content
