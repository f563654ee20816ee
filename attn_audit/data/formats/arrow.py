"""Tables of Arrow: Parquet files, and HuggingFace data sets from a hub or saved on the disk."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from logging import ERROR
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from attn_audit.data.source import DataSource, FieldNames, Row
from attn_audit.errors import RowError, UnreadableDataError, or_nearest
from attn_audit.files import AnyPath
from attn_audit.quoting import listed, one_line

if TYPE_CHECKING:
    from pyarrow import NativeFile, Schema

CLASSES = "ClassLabel"


def classes_of(features: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The classes' names in order of their numbers, of every column that holds such numbers.

    Args:
        features: As `Features.to_dict()` gives them, and the metadata of a Parquet file.

    Example:
        >>> classes_of({"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}})
        {'label': ('neg', 'pos')}
    """
    named = {column: _names(feature) for column, feature in features.items()}
    return {column: names for column, names in named.items() if names}


def flags_of(features: Mapping[str, object]) -> list[str]:
    """The columns of truth values and integers.

    Example:
        >>> flags_of({"joy": {"dtype": "bool", "_type": "Value"}})
        ['joy']
    """
    return [column for column, feature in features.items() if _may_be_flag(feature)]


def _may_be_flag(feature: object) -> bool:
    if not isinstance(feature, Mapping) or feature.get("_type") != "Value":
        return False
    return str(feature.get("dtype")).startswith(("bool", "int", "uint"))


def _names(feature: object) -> tuple[str, ...]:
    """Of one number, or of each in a list."""
    if isinstance(feature, list) and len(feature) == 1:
        return _names(feature[0])
    if not isinstance(feature, Mapping):
        return ()
    names = feature.get("names")
    if feature.get("_type") == CLASSES and isinstance(names, list):
        return tuple(map(str, names))
    return _names(feature.get("feature"))


ROWS_AT_ONCE = 1024

WRITTEN_BY_DATASETS = b"huggingface"
"""What `datasets` knows of a file that it writes, in the schema's metadata."""


def parquet_rows(path: AnyPath, name: str, source: DataSource) -> Iterator[Row]:
    """The rows; columns that are not asked for are not read.

    Raises:
        RowError: There is no column of texts, or several have one name.
        UnreadableDataError: It is no Parquet file, or a damaged one.
    """
    import pyarrow

    try:
        yield from _rows(path, name, source.fields)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = f"not a whole Parquet file ({one_line(error)})"
        raise UnreadableDataError(name, problem) from error


def _rows(path: AnyPath, name: str, fields: FieldNames) -> Iterator[Row]:
    from pyarrow.parquet import ParquetFile

    with _opened(path) as opened, ParquetFile(opened) as file:
        names = list(file.schema_arrow.names)
        classes = _classes(file.schema_arrow.metadata or {}, name)
        columns = fields.wanted(names, name, _may_be_flags(file.schema_arrow, classes))
        if len(set(columns)) < len(columns):
            raise RowError(name, f"it has columns of one name: {listed(columns)}")
        batches = file.iter_batches(batch_size=ROWS_AT_ONCE, columns=columns)
        values = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(values, start=1):
            yield Row(row, names, name, number, "row", classes)


def _may_be_flags(schema: "Schema", classes: Collection[str]) -> list[str]:
    """The columns of truth values and integers, as far as they have a name and no classes."""
    from pyarrow.types import is_boolean, is_integer

    found = [field.name for field in schema if is_boolean(field.type) or is_integer(field.type)]
    return [name for name in found if name not in classes and schema.names.count(name) == 1]


def _classes(metadata: Mapping[bytes, bytes], name: str) -> dict[str, tuple[str, ...]]:
    """What the numbers stand for, where `datasets` wrote the file."""
    try:
        content = json.loads(metadata.get(WRITTEN_BY_DATASETS, b"{}"))
        return classes_of(content.get("info", {}).get("features") or {})
    except (ValueError, AttributeError) as error:
        problem = "its schema does not say what its class numbers stand for"
        raise UnreadableDataError(name, f"{problem} ({one_line(error)})") from error


def _opened(path: AnyPath) -> "IO[bytes] | NativeFile":
    """By Arrow itself where that can be.

    Its threads may still hold a file while Python ends, as after an error in a row, and to let go
    of a Python object then aborts the process.
    """
    from pyarrow import OSFile

    return OSFile(str(path)) if isinstance(path, Path) else path.open("rb")


Dataset = Any
"""A `datasets.Dataset` in map mode; the library has no types."""

PATIENCE = 10.0
"""Seconds to wait for the hub's first answer."""


def load_from_hub(location: str, split: str) -> Dataset:
    """A split of `name` or `owner/name`, with `:config` where the data set has several.

    Raises:
        UnreadableDataError: There is no such data set or split, or the hub cannot be reached.
    """
    from datasets import load_dataset

    name, _, config = location.partition(":")
    no_file = f"no such file or folder{or_nearest(location)}"
    about = f"{no_file}, and no HuggingFace data set with a split {split!r}"
    load = partial(load_dataset, name, config or None, split=split)
    if _answers(name):
        return _loaded(load, location, about)
    with _from_cache_alone():
        return _loaded(load, location, f"{about} is in the cache; the hub does not answer")


def load_saved(folder: str) -> Dataset:
    """A data set that `Dataset.save_to_disk` wrote.

    Raises:
        UnreadableDataError: The folder is damaged.
    """
    from datasets import load_from_disk

    return _loaded(lambda: load_from_disk(folder), folder, "a damaged saved data set")


def table_as_dataset(table: Any) -> Dataset:
    """A data set that an Arrow table in memory is, with the names of its classes.

    Raises:
        UnreadableDataError: Columns of one name, for instance.
    """
    from datasets import Dataset as OfTable

    return _loaded(lambda: OfTable(table), "data", "an Arrow table that is no data set")


def hub_rows(dataset: Dataset, name: str, fields: FieldNames) -> Iterator[Row]:
    """The rows of a data set.

    Raises:
        RowError: There is no column of texts.
    """
    names: list[str] = list(dataset.column_names)
    classes = classes_of(dataset.features.to_dict())
    columns = fields.wanted(names, name, flags_of(dataset.features.to_dict()))
    for number, row in enumerate(dataset.with_format(None).select_columns(columns), start=1):
        yield Row(row, names, name, number, "row", classes)


def hub_fingerprint(dataset: Dataset) -> str | None:
    """What `datasets` identifies the content by."""
    value = getattr(dataset, "_fingerprint", None)
    return str(value) if value else None


def _loaded(load: Callable[[], Dataset], location: str, about: str) -> Dataset:
    try:
        with _quiet():
            return load()
    except Exception as error:  # `datasets` raises what its readers and the network raise
        raise UnreadableDataError(location, f"{about} ({one_line(error)})") from error


def _answers(name: str) -> bool:
    """Whether the hub says anything: asked once, where the libraries try for half a minute."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().dataset_info(name, timeout=PATIENCE)
    except HfHubHTTPError:
        return True
    except Exception:  # what the network raises differs between versions
        return False
    return True


@contextmanager
def _from_cache_alone() -> Iterator[None]:
    """Within: the libraries ask nothing of the hub, as if HF_HUB_OFFLINE were set."""
    from datasets import config
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, config.HF_HUB_OFFLINE = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars and retry messages, and with them again afterwards."""
    import datasets
    from huggingface_hub.utils import logging as hub_logging

    had_bars = not datasets.are_progress_bars_disabled()
    level = hub_logging.get_verbosity()
    datasets.disable_progress_bars()
    hub_logging.set_verbosity(ERROR)
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)
        if had_bars:
            datasets.enable_progress_bars()
