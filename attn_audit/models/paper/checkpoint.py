"""Our own checkpoint, `model.pt`, and weights from files: plain values and tensors, no code."""

import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attn_audit.errors import (
    AttnAuditError,
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
    UnsupportedModelError,
)
from attn_audit.files import problem_of, replacing
from attn_audit.models.paper.architecture import MARKERS, Architecture, Tokenizer, Vocabulary
from attn_audit.models.paper.network import AttentionPoolingNetwork
from attn_audit.models.task import Task, TaskKind, make_task
from attn_audit.models.weight_names import mismatch
from attn_audit.quoting import in_our_words, listed, quoted

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


def save_checkpoint(
    path: Path,
    architecture: Architecture,
    tokenizer: Tokenizer,
    vocabulary: Vocabulary,
    task: Task,
    weights: Mapping[str, Tensor],
    training: Mapping[str, Any],
) -> None:
    """Write a checkpoint, whole or not at all; one that is there is replaced.

    Args:
        training: Settings and results of the training, as plain values.
    """
    header = Header(
        format=FORMAT,
        format_version=FORMAT_VERSION,
        architecture=architecture,
        tokenizer=tokenizer,
        vocabulary=vocabulary.tokens,
        task=TaskKind(task.name),
        labels=task.labels,
        training=dict(training),
    )
    content = header.model_dump(mode="json") | {"weights": dict(weights)}
    with replacing(path) as temporary:
        torch.save(content, temporary)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a model is made of, wherever it was read."""

    format: str
    architecture: Architecture
    task: Task
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    weights: dict[str, Tensor]
    training: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    """How it was made, where that is told."""


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
        "attn-audit checkpoint",
        header.architecture,
        make_task(header.task, header.labels),
        header.tokenizer,
        Vocabulary(header.vocabulary),
        dict(weights),
        header.training,
    )


def _require_agreement(path: Path, header: Header) -> None:
    architecture = header.architecture
    task = make_task(header.task, header.labels)
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


_NOT_SAVED = "it is damaged, or not a file written by torch.save"

_UNSAFE = re.compile(r"(?:GLOBAL|global|class)\s+`?([\w.]+)`?")


def first_problem(error: ValidationError) -> str:
    """Where and what it is."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {in_our_words(first['msg'])}"


def load_plain(path: Path) -> Any:
    """Load a file that may hold tensors and plain values, and nothing that runs.

    Raises:
        UnreadableCheckpointError: Missing, not such a file, or damaged.
        UnsafeCheckpointError: Loading it would call code.
    """
    if not path.exists():
        raise UnreadableCheckpointError(path.parent, f"there is no {path.name}")
    try:
        require_announced(path)
    except AttnAuditError:
        raise
    except OSError as error:
        raise UnreadableCheckpointError(path, problem_of(error)) from None
    except Exception as error:  # of bytes that are no pickle, the reader raises anything
        raise UnreadableCheckpointError(path, _NOT_SAVED) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles that are refused right after
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = _UNSAFE.search(str(error))
        if named is not None:
            raise UnsafeCheckpointError(path, named.group(1)) from None
        raise UnreadableCheckpointError(path, "it is not a file written by torch.save") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError) as error:
        raise UnreadableCheckpointError(path, _first_line(error)) from None
    except (zipfile.BadZipFile, AttributeError, TypeError, AssertionError, UnicodeError) as error:
        raise UnreadableCheckpointError(path, f"damaged ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Load a state dict: tensors by name.

    Raises:
        UnreadableCheckpointError: Missing, damaged, or something else than tensors by name.
        UnsafeCheckpointError: Loading it would call code.
    """
    content = load_plain(path)
    if not is_state_dict(content):
        raise UnreadableCheckpointError(path, "it holds no tensors by name (a state dict)")
    return dict(content)


def is_state_dict(content: object) -> bool:
    """Whether a loaded object is tensors by name."""
    return isinstance(content, Mapping) and all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    )


# --- what a file announces ------------------------------------------------------------------------

# Loading asks for the memory that the file says it needs. Here its pickles are read first, by
# Python's own reader, with nothing behind the names in them: what they call is only written down.

_REBUILD = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
CALLED = {("collections", "OrderedDict"), *(("torch._utils", name) for name in _REBUILD)}
"""All that a state dict's pickle calls."""

BYTES = {
    "DoubleStorage": 8,
    "FloatStorage": 4,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "LongStorage": 8,
    "IntStorage": 4,
    "ShortStorage": 2,
    "CharStorage": 1,
    "ByteStorage": 1,
    "BoolStorage": 1,
}
"""Of one number, by what a pickle calls the kind of storage."""

N_PICKLES = 5
"""Of the format before archives: magic number, protocol, system, content, keys; then numbers."""


class _Nothing:
    """Stands for whatever a pickle makes; keeps nothing."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


class _Announced(pickle._Unpickler):
    """Collects the sizes of storages by key; the Python reader asks for no memory in advance."""

    def __init__(self, path: Path, file: BytesIO | BufferedReader) -> None:
        super().__init__(file, encoding="utf-8")
        self._path = path
        self.sizes: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in BYTES:
            return name
        if (module, name) not in CALLED:
            raise UnsafeCheckpointError(self._path, quoted(f"{module}.{name}")[1:-1])
        return OrderedDict if name == "OrderedDict" else _Nothing

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, n_numbers, *_ = pid
        size = BYTES[kind] * n_numbers
        self.sizes[str(key)] = max(size, self.sizes.get(str(key), size))
        return _Nothing()


def require_announced(path: Path) -> None:
    """Refuse a file that would call code, or that is smaller than what it announces.

    Raises:
        UnreadableCheckpointError: It announces more than it holds.
        UnsafeCheckpointError: It calls code.
        Exception: Whatever else a damaged pickle or archive gives.
    """
    on_disk = path.stat().st_size
    announced: dict[str, int] = {}
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            for _ in range(N_PICKLES):
                announced |= _sizes(path, file)
        if sum(announced.values()) > on_disk or min(announced.values(), default=0) < 0:
            raise _too_small(path, f"{sum(announced.values())} bytes of numbers", f"{on_disk}")
        return
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: part.file_size for part in archive.infolist()}
        if sum(parts.values()) > on_disk or len(parts) != len(archive.infolist()):
            raise _too_small(path, f"{sum(parts.values())} bytes", f"{on_disk}")
        content = next(name for name in parts if name.endswith("data.pkl"))
        announced = _sizes(path, BytesIO(archive.read(content)))
    for key, size in announced.items():
        there = parts[f"{content.removesuffix('data.pkl')}data/{key}"]
        if not 0 <= size <= there:
            problem = f"it announces {size} bytes of numbers where there are {there}"
            raise UnreadableCheckpointError(path, problem)


def _sizes(path: Path, file: BytesIO | BufferedReader) -> dict[str, int]:
    reader = _Announced(path, file)
    reader.load()
    return reader.sizes


def _too_small(path: Path, announced: str, size: str) -> UnreadableCheckpointError:
    return UnreadableCheckpointError(path, f"it announces {announced} in a file of {size}")


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
    with torch.device("meta"), Uninitialised():
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
        if not bool(weights[name].isfinite().all()):
            raise InvalidWeightsError(source, name)
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


class Uninitialised(TorchFunctionMode):
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
