"""Reading tensors from files without running anything in them."""

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from attn_audit.data.quoting import quoted
from attn_audit.errors import (
    InvalidWeightsError,
    UnreadableCheckpointError,
    UnsafeCheckpointError,
)
from attn_audit.files import problem_of
from attn_audit.models.attention_pooling.announced import (
    AnnouncesMoreError,
    CallsCodeError,
    require_announced,
)

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


def assign(network: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    """Put weights into a network built on the meta device, in float32.

    Args:
        network: Has the shapes that its checkpoint announces; holds no memory yet.
        weights: Tensors by the network's own names, of any floating type.
        source: The checkpoint, for messages.

    Raises:
        UnreadableCheckpointError: Names or shapes differ from what the architecture needs, or a
            tensor is no plain table of numbers, or announces more of them than the file holds.
        InvalidWeightsError: A tensor holds NaN or infinity.
    """
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
