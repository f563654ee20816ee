"""What Python users call: as the commands do, and on models and texts that are in memory too."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import torch
from torch import nn

from attn_audit.auditing import run_audit
from attn_audit.config import require_inputs, validate
from attn_audit.data.example import Example
from attn_audit.errors import AttnAuditError, ConfigurationError, nearest
from attn_audit.explaining import explain_text
from attn_audit.formats.outputs import require_outputs
from attn_audit.inputs import (
    MODEL_SETTINGS,
    AuditedData,
    LoadModel,
    load_in_memory,
)
from attn_audit.models.base import AuditedModel
from attn_audit.models.custom.custom_model import CustomModel
from attn_audit.models.frozen import frozen
from attn_audit.progress import Progress, Watcher
from attn_audit.results.explanation import Explanation
from attn_audit.results.report import Report
from attn_audit.settings import KEYS, AuditSettings, Head, Layer

Model = str | Path | AuditedModel | CustomModel | nn.Module
"""A checkpoint, a model that `wrap` made, a module of one's own, or one of `transformers`."""

Data = str | Path | Iterable[Example | Mapping[str, object] | str]
"""A file, folder or data set name; or texts, rows, a `datasets.Dataset` or examples."""


class LoadingOptions(TypedDict, total=False):
    """How a model is loaded, and which of its attention is looked at; as in `attn-audit.toml`."""

    dtype: Literal["float32", "float64", "bfloat16", "float16"] | torch.dtype
    max_length: int | None
    task: Literal["binary"] | None
    revision: str | None
    trust_remote_code: bool
    adapter: str | None
    vocabulary: str | Path | None
    layer: Layer
    head: Head
    rows: Literal["readout", "all"]
    unit: Literal["token", "word"]
    removal: Literal["mask", "delete"] | None
    permutations: int
    epsilon: float | None
    method: Literal["auto", "exact", "gradient"]
    iterations: int
    restarts: int
    plugin: str | Iterable[str]
    seed: int
    device: Literal["auto", "cpu", "cuda"] | torch.device
    threads: int | None


class AuditOptions(LoadingOptions, total=False):
    """All that an audit can be told; as in `attn-audit.toml`."""

    split: str
    limit: int | None
    quoting: Literal["auto", "none", "csv"]
    max_unpacked_mb: int | None
    label_map: Mapping[str, str]
    text_field: str
    text_pair_field: str
    label_field: str
    labels_field: str
    candidates_field: str
    id_field: str
    checks: str | Iterable[str]
    measures: str | Iterable[str]
    batch_size: int | Literal["auto"]
    on_error: Literal["stop", "record"]
    engine: Literal["local", "ray"]
    workers: int | None
    gpus_per_worker: float | None
    ray_address: str | None
    run_dir: str | Path | None
    resume: bool
    shard_size: int | None
    figures: str | Path | None
    records: str | Path | None
    reproducible: bool


def audit(
    model: Model,
    data: Data,
    *,
    tokenizer: Any = None,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Unpack[AuditOptions],
) -> Report:
    """Audit whether a model's attention weights may be shown as its reasons.

    Args:
        model: A checkpoint, or a model in memory.
        data: A file, folder of splits or data set name; or texts, rows or examples in memory.
        tokenizer: Of a `transformers` model in memory.
        on_progress: Called with how far the audit is.
        **options: As in `attn-audit.toml`: `checks`, `split`, `limit`, `seed`, `epsilon`, ...

    Returns:
        The report, as the command line gives it.

    Raises:
        UsageError: Model, data or options cannot be used.
        AuditFailedError: The model's weights or outputs are not numbers, or it fails the
            self-check.

    Example:
        >>> report = audit("demo", ["A fine film .", "Dull ."], checks="correlation")
        >>> report.data.n_examples
        2
    """
    with _named_as_arguments():
        settings = _settings({"model": model, "data": data}, options)
        require_inputs(settings)
        require_outputs(settings)
    with _named_as_arguments(), _as_it_was(model):
        return run_audit(
            settings,
            load=_loader(model, tokenizer, options),
            data=None if isinstance(data, str | Path) else AuditedData.in_memory(data, settings),
            watcher=Watcher(on_progress, on_note=lambda note: warnings.warn(note, stacklevel=2)),
        )


def explain(
    model: Model,
    text: str,
    text_pair: str | None = None,
    *,
    tokenizer: Any = None,
    **options: Unpack[LoadingOptions],
) -> Explanation:
    """Run every check on one text.

    Args:
        model: A checkpoint, or a model in memory.
        text: What attention is read over.
        text_pair: The second text of a pair.
        tokenizer: Of a `transformers` model in memory.
        **options: As in `attn-audit.toml`.

    Raises:
        UsageError: The model or an option cannot be used, or a text is blank.
        AuditFailedError: The model fails the self-check, or its outputs are not numbers.

    Example:
        >>> explain("demo", "A warm and funny film .").own.prediction
        'glad'
    """
    with _named_as_arguments(), _as_it_was(model):
        settings = _settings({"model": model}, options)
        return explain_text(settings, text, text_pair, load=_loader(model, tokenizer, options))


def _settings(places: Mapping[str, object], options: Mapping[str, Any]) -> AuditSettings:
    """Checked; what is in memory has a name that says so."""
    known = AuditOptions.__annotations__
    for name in options:
        if name not in known:
            hint = _INSTEAD.get(name) or nearest(name, known)
            raise ConfigurationError(f"{name}: no such option", hint=hint)
    named = {
        name: str(value) if isinstance(value, str | Path) else IN_MEMORY
        for name, value in places.items()
    }
    return validate(named | {name: _plain(value) for name, value in options.items()}, options, None)


IN_MEMORY = "in memory"

_INSTEAD = {
    "output": "Write the report that audit() returns: Path(...).write_text(report.to_json()).",
    "format": "Write the report that audit() returns: Path(...).write_text(report.to_json()).",
    "policy": "Judge the report that audit() returns: judge(report, load_policy(...)).",
    "inconclusive": "Judge the report that audit() returns: judge(report, load_policy(...)).",
}


def _plain(value: object) -> object:
    if isinstance(value, torch.dtype):
        return str(value).removeprefix("torch.")
    if isinstance(value, torch.device):
        return value.type
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return tuple(value)
    return value


def _loader(model: Model, tokenizer: Any, options: Mapping[str, object]) -> LoadModel | None:
    loaded = [name for name in MODEL_SETTINGS if name in options]
    if isinstance(model, AuditedModel) and loaded:
        raise ConfigurationError(f"--{loaded[0].replace('_', '-')}: the model is loaded already")
    if tokenizer is not None and not isinstance(model, nn.Module):
        raise ConfigurationError("tokenizer: only a transformers model in memory takes one")
    if isinstance(model, str | Path):
        return None
    return partial(load_in_memory, model, tokenizer)


def _as_it_was(model: Model) -> AbstractContextManager[None]:
    """Whatever is audited in memory may be trained on afterwards."""
    if isinstance(model, str | Path):
        return nullcontext()
    return frozen(model if isinstance(model, nn.Module) else model.module)


@contextmanager
def _named_as_arguments() -> Iterator[None]:
    """Messages of the engine name flags; who calls from Python has none."""
    try:
        yield
    except AttnAuditError as error:
        error.message = _as_arguments(error.message)
        error.hint = None if error.hint is None else _as_arguments(error.hint)
        error.args = (error.message,)
        raise


def _as_arguments(message: str) -> str:
    def argument(flag: re.Match[str]) -> str:
        name = flag[1].replace("-", "_")
        return name if name in KEYS else flag[0]

    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", argument, message)
