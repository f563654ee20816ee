"""HuggingFace data sets, from a hub or saved by `datasets` on the disk."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from logging import ERROR
from typing import Any

from attn_audit.data.formats.parquet import classes_of, flags_of
from attn_audit.data.rows import Row
from attn_audit.data.source import FieldNames
from attn_audit.errors import UnreadableDataError, or_nearest
from attn_audit.quoting import one_line

Dataset = Any
"""A `datasets.Dataset` in map mode; the library has no types."""

PATIENCE = 10.0
"""Seconds to wait for the hub's first answer."""


def load_from_hub(location: str, split: str) -> Dataset:
    """A split of a data set on the hub, downloaded or from `datasets`' cache.

    Args:
        location: `name` or `owner/name`, and `:config` where the data set has several.

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
