"""Checkpoints, ours (`model.pt`) and the original code's: networks, and how texts become ids.

Those of the original are folders: config.json, enc.th/dec.th (pairs: encP.th, encQ.th, dec.th).

Source: `successar/AttentionExplanation`, the layout that its trainers write; `configurations.py`
there names the configurations.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attn_audit.errors import (
    UnreadableCheckpointError,
    UnsupportedModelError,
    nearest,
)
from attn_audit.files import replacing
from attn_audit.models.contract import Unit
from attn_audit.models.paper.network import (
    END,
    KERNEL_SIZES,
    START,
    UNKNOWN,
    Activation,
    Architecture,
    AttentionKind,
    AttentionPoolingNetwork,
    EncoderKind,
)
from attn_audit.models.state_dict import (
    is_state_dict,
    load_plain,
    load_state_dict,
    mismatch,
    require_finite,
)
from attn_audit.models.task import TASKS, Task, TaskKind
from attn_audit.quoting import in_our_words, listed

MARKERS = ("<0>", "<UNK>", "<SOS>", "<EOS>")
"""What the first four ids stand for, in the original's spelling."""


class Tokenizer(StrEnum):
    """How texts are split."""

    WHITESPACE = "whitespace"
    """At white space, as the original's preprocessed texts need."""
    WORDS = "words"
    """Into lower-cased words and single punctuation marks."""

    def units(self, text: str) -> tuple[Unit, ...]:
        """The units of a text, in its own spelling, with their character spans.

        Example:
            >>> [unit.text for unit in Tokenizer.WORDS.units("Don't panic, Arthur!")]
            ["Don't", 'panic', ',', 'Arthur', '!']
            >>> [unit.text for unit in Tokenizer.WHITESPACE.units("Don't panic, Arthur!")]
            ["Don't", 'panic,', 'Arthur!']
        """
        pattern = _PATTERNS[self]
        return tuple([Unit(m[0], *m.span()) for m in pattern.finditer(text)])

    def token(self, unit: Unit) -> str:
        """What a unit is looked up by in the vocabulary."""
        return unit.text.lower() if self is Tokenizer.WORDS else unit.text


_PATTERNS = {
    Tokenizer.WHITESPACE: re.compile(r"\S+"),
    Tokenizer.WORDS: re.compile(r"\w+(?:['’]\w+)*|[^\w\s]"),
}


class Vocabulary:
    """Tokens by id; ids 0 to 3 are padding, unknown, start and end."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tuple(tokens)
        self._ids = {token: i for i, token in enumerate(self.tokens) if i >= len(MARKERS)}

    def __len__(self) -> int:
        return len(self.tokens)

    def ids(self, tokens: Iterable[str]) -> tuple[int, ...]:
        """Token ids between start and end marker; a text that spells a marker is unknown.

        Example:
            >>> Vocabulary([*MARKERS, "good", "film"]).ids(["good", "old", "film"])
            (2, 4, 1, 5, 3)
        """
        return (START, *[self._ids.get(token, UNKNOWN) for token in tokens], END)


OURS = "attn-audit checkpoint"
"""What reports call those that `save_checkpoint` wrote."""

FORMAT = "attn-audit model"
FORMAT_VERSION = 1


class Header(BaseModel):
    """Everything in a checkpoint but the weights, validated before any is used."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    format: str
    format_version: int
    architecture: Architecture
    tokenizer: Tokenizer
    vocabulary: tuple[str, ...]
    task: TaskKind
    labels: tuple[str, ...]
    training: dict[str, str | int | float | bool | None]
    """How it was made; shown, never used."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a model is made of, wherever it was read."""

    format: str
    architecture: Architecture
    task: Task
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    weights: Mapping[str, Tensor]
    training: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    """How it was made, where that is told."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint of ours, whole or not at all; one that is there is replaced."""
    header = Header(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        architecture=checkpoint.architecture,
        tokenizer=checkpoint.tokenizer,
        vocabulary=checkpoint.vocabulary.tokens,
        task=TaskKind(checkpoint.task.name),
        labels=checkpoint.task.labels,
        training=dict(checkpoint.training),
    )
    content = header.model_dump(mode="json") | {"weights": dict(checkpoint.weights)}
    with replacing(path) as temporary:
        torch.save(content, temporary)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what `save_checkpoint` wrote.

    Raises:
        UnreadableCheckpointError: Damaged, or its parts do not fit together.
        UnsafeCheckpointError: Loading it would run code.
        UnsupportedModelError: A checkpoint of another kind or of another format version.
    """
    content = load_plain(path)
    if not isinstance(content, Mapping) or content.get("format") != FORMAT:
        is_bare = isinstance(content, Mapping) and is_state_dict(content)
        raise UnsupportedModelError(
            f"{path} holds bare weights (a state dict), and no --adapter says of which model"
            if is_bare
            else f"{path} is not a checkpoint of attn-audit, and no --adapter says how to load it "
            f"(it holds {_kind(content)})",
            hint=NAME_ADAPTER,
        )
    if content.get("format_version") != FORMAT_VERSION:
        raise UnsupportedModelError(
            f"{path} has format version {content.get('format_version')!r}; "
            f"this version of attn-audit reads {FORMAT_VERSION}",
            hint="Update attn-audit, or train the model again.",
        )
    weights: Any = content.get("weights")
    if not is_state_dict(weights):
        raise UnreadableCheckpointError(path, "it holds no weights")
    try:
        header = Header(**{key: value for key, value in content.items() if key != "weights"})
    except ValidationError as error:
        raise UnreadableCheckpointError(path, first_problem(error)) from None
    _require_agreement(path, header)
    return Checkpoint(
        OURS,
        header.architecture,
        TASKS[header.task](header.labels),
        header.tokenizer,
        Vocabulary(header.vocabulary),
        dict(weights),
        header.training,
    )


def _require_agreement(path: Path, header: Header) -> None:
    architecture = header.architecture
    task = TASKS[header.task](header.labels)
    if len(header.vocabulary) != architecture.vocabulary_size:
        problem = f"{len(header.vocabulary)} words for {architecture.vocabulary_size} embeddings"
    elif header.vocabulary[: len(MARKERS)] != MARKERS:
        problem = f"its vocabulary does not begin with {', '.join(MARKERS)}"
    elif task.n_logits != architecture.n_logits or len(set(task.labels)) != len(task.labels):
        problem = f"labels {', '.join(task.labels[:5])} for {architecture.n_logits} outputs"
    elif header.task is TaskKind.BINARY and len(task.labels) != 2:
        problem = f"{len(task.labels)} labels for a binary task"
    else:
        return
    raise UnreadableCheckpointError(path, problem)


NAME_ADAPTER: Final = (
    "A model of your own takes --adapter file.py:FUNCTION, code of yours that makes it ("
    "Your own model). `attn-audit train` makes models that need none."
)


def _kind(content: object) -> str:
    kind = f"a {type(content).__name__}"
    names = [str(name) for name in content] if isinstance(content, Mapping) else []
    return f"{kind} of {listed(names)}" if names else kind


def first_problem(error: ValidationError) -> str:
    """Where and what it is."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {in_our_words(first['msg'])}"


# --- weights into a network -----------------------------------------------------------------------


def built(
    architecture: Architecture, weights: Mapping[str, Tensor], source: Path
) -> AttentionPoolingNetwork:
    """A network with weights from a file, in float32.

    No memory is asked for before the shapes are known to agree.

    Raises:
        UnreadableCheckpointError: Names or shapes differ from what the architecture needs, or a
            tensor is no plain table of numbers, or announces more of them than the file holds.
        InvalidWeightsError: A tensor holds NaN or infinity.
    """
    with torch.device("meta"), NoInitialisation():
        network = AttentionPoolingNetwork(architecture)
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if wanted.keys() != weights.keys():
        parts, hint = mismatch(wanted, weights)
        problem = f"its weights do not fit its architecture: {parts}"
        raise UnreadableCheckpointError(source, problem, hint=hint)
    for name, shape in wanted.items():
        if weights[name].shape != shape:
            raise UnreadableCheckpointError(
                source,
                f"{name} has shape {list(weights[name].shape)}; "
                f"its architecture needs {list(shape)}",
            )
        _require_numbers(name, weights[name], source)
    require_finite(source, weights.items())
    network.load_state_dict({n: t.float() for n, t in weights.items()}, assign=True)
    return network


def _require_numbers(name: str, tensor: Tensor, source: Path) -> None:
    """Each number that the shape asks for stands in the file: a view of one has any size."""
    is_dense = tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not (is_dense and tensor.is_floating_point()):
        problem = f"{name} holds no plain numbers ({tensor.layout}, {tensor.dtype})"
        raise UnreadableCheckpointError(source, problem.replace("torch.", ""))
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        n_there = tensor.untyped_storage().nbytes() // tensor.element_size()
        problem = f"{name} announces {tensor.numel()} numbers, and the file holds {n_there}"
        raise UnreadableCheckpointError(source, problem)


class NoInitialisation(TorchFunctionMode):
    """Leaves out the random start of every module made inside.

    It would be lost anyway; and without memory behind the parameters, torch takes it as a reason to
    import its compiler, which takes longer than the whole loading.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return named["tensor"] if "tensor" in named else args[0]
        return func(*args, **named)


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
    task = TASKS[kind](tuple(str(i) for i in range(n_labels)))
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
            kernel_sizes=tuple(encoder.get("kernel_sizes", KERNEL_SIZES)),
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
