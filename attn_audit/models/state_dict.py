"""State dicts: tensors by name, read from files without running code, and how names differ."""

import hashlib
import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.errors import (
    AttnAuditError,
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
)
from attn_audit.files import problem_of
from attn_audit.quoting import listed, quoted

_NOT_SAVED = "it is damaged, or not a file written by torch.save"

_UNSAFE = re.compile(r"(?:GLOBAL|global|class)\s+`?([\w.]+)`?")


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


def require_finite(source: str | Path, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse weights that are not numbers.

    Raises:
        InvalidWeightsError: NaN or infinity.
    """
    for name, tensor in weights:
        # Quantised weights are integers, or of 8 bits and never infinite.
        is_float = tensor.is_floating_point() and tensor.element_size() > 1
        # NaN passes through to the extremes, which are found faster than each weight is looked at.
        if is_float and tensor.numel() and not all(bool(x.isfinite()) for x in tensor.aminmax()):
            raise InvalidWeightsError(source, name)


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


def sha256_of_weights(module: nn.Module) -> str | None:
    """Of a module's state dict, whatever device it is on; None where it has no weights here."""
    found = hashlib.sha256()
    state = {name: each for name, each in module.state_dict().items() if isinstance(each, Tensor)}
    if not state or any(each.is_meta for each in state.values()):
        return None
    for name, weights in state.items():
        found.update(f"{name} {weights.dtype} {tuple(weights.shape)}\n".encode())
        found.update(weights.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


class _Placeholder:
    """Stands for whatever a pickle makes; keeps nothing."""

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: object) -> None: ...


class _SizeReader(pickle._Unpickler):
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
        return OrderedDict if name == "OrderedDict" else _Placeholder

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, n_numbers, *_ = pid
        size = BYTES[kind] * n_numbers
        self.sizes[str(key)] = max(size, self.sizes.get(str(key), size))
        return _Placeholder()


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
    reader = _SizeReader(path, file)
    reader.load()
    return reader.sizes


def _too_small(path: Path, announced: str, size: str) -> UnreadableCheckpointError:
    return UnreadableCheckpointError(path, f"it announces {announced} in a file of {size}")


UNWRAP = (
    "Take it off, as by {name.removeprefix(PREFIX): tensor for name, tensor in weights.items()}, "
    "or save the state dict of the module itself: torch.compile and DataParallel wrap it."
)


def mismatch(wanted: Collection[str], found: Collection[str]) -> tuple[str, str | None]:
    """How a file's names differ from those wanted, and a hint where only what precedes them does.

    Example:
        >>> mismatch(["a.bias"], ["module.a.bias"])[0]
        "every name begins with 'module.' (missing a.bias; not expected module.a.bias)"
    """
    missing, surplus = sorted({*wanted} - {*found}), sorted({*found} - {*wanted})
    named = (("missing", missing), ("not expected", surplus))
    parts = "; ".join(f"{word} {listed(names)}" for word, names in named if names)
    for front in sorted({name.removesuffix(missing[0]) for name in surplus} if missing else ()):
        if front.endswith(".") and {front + name for name in missing} <= {*surplus}:
            hint = UNWRAP.replace("PREFIX", repr(front))
            return f"every name begins with {front!r} ({parts})", hint
    return parts, None
