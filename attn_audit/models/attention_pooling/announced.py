"""What a file of `torch.save` announces, read without running it or asking for memory.

Loading asks for the memory that the file says it needs. Here its pickles are read first, by
Python's own reader, with nothing behind the names in them: what they call is only written down.
"""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

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
