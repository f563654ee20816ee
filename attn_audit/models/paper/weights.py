"""Weights from files, and nothing else: nothing runs, no memory is asked for that a file lacks."""

import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attn_audit.data.quoting import quoted
from attn_audit.errors import (
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
)
from attn_audit.files import problem_of
from attn_audit.models.paper.architecture import Architecture
from attn_audit.models.paper.network import AttentionPoolingNetwork

_NOT_SAVED = "it is damaged, or not a file written by torch.save"

_UNSAFE = re.compile(r"(?:GLOBAL|global|class)\s+`?([\w.]+)`?")


def load_plain(path: Path) -> Any:
    """Load a file that may hold tensors and plain values, and nothing that runs.

    Args:
        path: Written by `torch.save`.

    Raises:
        UnreadableCheckpointError: Missing, not such a file, or damaged.
        UnsafeCheckpointError: Loading it would call code.
    """
    if not path.exists():
        raise UnreadableCheckpointError(path.parent, f"there is no {path.name}")
    _require_announced(path)
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


def _require_announced(path: Path) -> None:
    try:
        require_announced(path)
    except CallsCodeError as error:
        raise UnsafeCheckpointError(path, quoted(str(error))[1:-1]) from None
    except AnnouncesMoreError as error:
        raise UnreadableCheckpointError(path, f"it announces {error}") from None
    except OSError as error:
        raise UnreadableCheckpointError(path, problem_of(error)) from None
    except Exception as error:  # of bytes that are no pickle, the reader raises anything
        raise UnreadableCheckpointError(path, _NOT_SAVED) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def load_state_dict(path: Path) -> dict[str, Tensor]:
    """Load a state dict: tensors by name.

    Args:
        path: Written by `torch.save(module.state_dict(), path)`.

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


class CallsCodeError(Exception):
    """The pickle calls something else than what makes tensors."""


class AnnouncesMoreError(Exception):
    """The file is too small for what it announces."""


class _Nothing:
    """Stands for whatever a pickle makes; keeps nothing."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


class _Announced(pickle._Unpickler):
    """Collects the sizes of storages by key; the Python reader asks for no memory in advance."""

    def __init__(self, file: BytesIO | BufferedReader) -> None:
        super().__init__(file, encoding="utf-8")
        self.sizes: dict[str, int] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in BYTES:
            return name
        if (module, name) not in CALLED:
            raise CallsCodeError(f"{module}.{name}")
        return OrderedDict if name == "OrderedDict" else _Nothing

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, n_numbers, *_ = pid
        size = BYTES[kind] * n_numbers
        self.sizes[str(key)] = max(size, self.sizes.get(str(key), size))
        return _Nothing()


def require_announced(path: Path) -> None:
    """Refuse a file that would call code, or that is smaller than what it announces.

    Args:
        path: Written by `torch.save`, or anything else.

    Raises:
        CallsCodeError: Says what would be called.
        AnnouncesMoreError: Says how much more it announces than it holds.
        Exception: Whatever else a damaged pickle or archive gives.
    """
    check: Callable[[Path], None] = _archive if zipfile.is_zipfile(path) else _bare
    check(path)


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: part for part in archive.infolist()}
        size, on_disk = sum(part.file_size for part in parts.values()), path.stat().st_size
        if size > on_disk or len(parts) != len(archive.infolist()):
            raise AnnouncesMoreError(f"{size} bytes in a file of {on_disk}")
        content = next(name for name in parts if name.endswith("data.pkl"))
        reader = _Announced(BytesIO(archive.read(content)))
        reader.load()
    folder = content.removesuffix("data.pkl")
    _require({key: parts[f"{folder}data/{key}"].file_size for key in reader.sizes}, reader.sizes)


def _require(there: Mapping[str, int], announced: Mapping[str, int]) -> None:
    for key, size in announced.items():
        if not 0 <= size <= there[key]:
            raise AnnouncesMoreError(f"{size} bytes of numbers where there are {there[key]}")


def _bare(path: Path) -> None:
    size = path.stat().st_size
    announced: dict[str, int] = {}
    with path.open("rb") as file:
        for _ in range(N_PICKLES):
            reader = _Announced(file)
            reader.load()
            announced |= reader.sizes
    if sum(announced.values()) > size or min(announced.values(), default=0) < 0:
        raise AnnouncesMoreError(f"{sum(announced.values())} bytes of numbers in a file of {size}")


# --- weights into a network -----------------------------------------------------------------------


def built(
    architecture: Architecture, weights: Mapping[str, Tensor], source: Path
) -> AttentionPoolingNetwork:
    """A network with weights from a file, in float32.

    No memory is asked for before the shapes are known to agree.

    Args:
        architecture: What its checkpoint announces.
        weights: Tensors by the network's own names, of any floating type.
        source: The checkpoint, for messages.

    Raises:
        UnreadableCheckpointError: Names or shapes differ from what the architecture needs, or a
            tensor is no plain table of numbers, or announces more of them than the file holds.
        InvalidWeightsError: A tensor holds NaN or infinity.
    """
    with torch.device("meta"), Uninitialised():
        network = AttentionPoolingNetwork(architecture)
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    _require_names(wanted, weights, source)
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


def _require_names(wanted: Mapping[str, Any], weights: Mapping[str, Tensor], source: Path) -> None:
    missing, surplus = sorted(wanted.keys() - weights), sorted(weights.keys() - wanted.keys())
    if missing or surplus:
        parts = [
            f"{word} {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
            for word, names in (("missing", missing), ("not expected", surplus))
            if names
        ]
        raise UnreadableCheckpointError(
            source, f"its weights do not fit its architecture: {'; '.join(parts)}"
        )


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
