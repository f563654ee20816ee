"""Finding the data set that the user means: a file, a folder of splits, a stream, a hub's."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from glob import glob, has_magic
from pathlib import Path

from attn_audit.data.formats.arrow import parquet_rows
from attn_audit.data.formats.lines import json_rows
from attn_audit.data.formats.tables import table_rows
from attn_audit.data.source import DataSource, ResolvedSource, Row, SourceKind
from attn_audit.errors import (
    AttnAuditError,
    DataNotFoundError,
    RowError,
    SplitNotFoundError,
    UnreadableDataError,
)
from attn_audit.files import AnyPath, is_url, located, problem_of, sha256_of
from attn_audit.quoting import listed, one_line

Reader = Callable[[AnyPath, str, DataSource], Iterator[Row | RowError]]
"""Gives the rows of a file, which messages call by a name, in order and with flat memory; for one
that is wrong, and alone, its error. Raises a `RowError` where what is wrong concerns the rows
behind it too, an `UnreadableDataError` where the file is none of its kind."""

READERS: Mapping[str, Reader] = {
    **dict.fromkeys((".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"), json_rows),
    **dict.fromkeys((".json", ".json.gz"), json_rows),
    **dict.fromkeys((".csv", ".csv.gz"), table_rows),
    **dict.fromkeys((".tsv", ".tsv.gz"), partial(table_rows, delimiter="\t", may_be_plain=True)),
    ".parquet": parquet_rows,
}
"""The kinds of data files, by what their names end in."""

SUFFIXES = tuple(READERS)
"""The file names that can be read."""

SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")

NEVER_ON_A_HUB = (*SUFFIXES, ".txt", ".arrow", ".gz", ".zip", *SPREADSHEETS)
SAVED_BY_DATASETS = ("state.json", "dataset_info.json")
BESIDE_SPLITS = (*SAVED_BY_DATASETS, "dataset_dict.json", "dataset_infos.json")
"""What `datasets` writes into folders of splits, and is none."""

HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(:[\w.-]+)?", re.ASCII)


SHARD = re.compile(r"-\d+-of-\d+$")
"""What stands behind the split in the name of a part of it."""


def resolve(source: DataSource) -> ResolvedSource:
    """Find what `source` names, without reading it.

    Raises:
        DataNotFoundError: Nothing is there, and it is no name of a hub's data set.
        SplitNotFoundError: The folder has no such split.
        UnreadableDataError: A file of a kind that is not known, one split in several files that are
            no parts of it, or several data sets that are no files.
    """
    every = [_resolved(replace(source, location=each)) for each in (source.location, *source.more)]
    return every[0] if len(every) == 1 else _together(every)


def _resolved(source: DataSource) -> ResolvedSource:
    if source.location == "-":
        return ResolvedSource(SourceKind.STANDARD_INPUT, "<stdin>", "-")
    if is_url(source.location):
        return _at_url(source.location, source.split)
    path = Path(source.location)
    try:
        return _found(path, source.split) if path.exists() else _elsewhere(path, source)
    except OSError as error:
        problem = problem_of(error)
        raise UnreadableDataError(source.location, problem) from error


def _together(every: Sequence[ResolvedSource]) -> ResolvedSource:
    """Several files as one data set."""
    other = next((each for each in every if each.kind is not SourceKind.FILE), None)
    if other is not None:
        hint = "Audit it alone, or save it as a file."
        raise UnreadableDataError(other.name, "only files can be read together", hint=hint)
    first, *rest = (part for each in every for part in (replace(each, more=()), *each.more))
    return replace(first, more=tuple(rest))


def suffix_of(path: AnyPath) -> str | None:
    """The known suffix that the file's name ends in.

    Example:
        >>> suffix_of(Path("sst/train.jsonl.gz"))
        '.jsonl.gz'
    """
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def fingerprint_of(files: Sequence[AnyPath]) -> str:
    """SHA-256 of a file's bytes as they lie on the disk, in hexadecimal; of several, of theirs.

    Raises:
        UnreadableDataError: A file cannot be read.
    """
    found = []
    for path in files:
        try:
            found.append(sha256_of(path))
        except OSError as error:
            raise UnreadableDataError(path.name, problem_of(error)) from error
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def _found(path: AnyPath, split: str) -> ResolvedSource:
    if is_saved(path):
        return ResolvedSource(SourceKind.SAVED, path.name, str(path))
    return _one_split(path, split) if path.is_dir() else _file(path)


def _at_url(url: str, split: str) -> ResolvedSource:
    """Whatever goes wrong on the way to another machine, in its own words."""
    try:
        path = located(url)
        if path.exists():
            return _one_split(path, split) if path.is_dir() else _file(path)
    except AttnAuditError:
        raise
    except Exception as error:
        raise UnreadableDataError(url, one_line(error)) from error
    raise DataNotFoundError(url)


def _file(path: AnyPath) -> ResolvedSource:
    if not path.is_file():
        hint = "Give `-` as DATA and pipe JSON Lines into it."
        raise UnreadableDataError(str(path), "it is not a regular file", hint=hint)
    if suffix_of(path) is None:
        is_spreadsheet = path.suffix.lower() in SPREADSHEETS
        raise UnreadableDataError(
            str(path),
            "it is a spreadsheet" if is_spreadsheet else "the name does not say what it is",
            hint=("Save it as CSV. " if is_spreadsheet else "") + f"Known: {', '.join(SUFFIXES)}.",
        )
    return ResolvedSource(SourceKind.FILE, path.name, str(path))


def _one_split(folder: AnyPath, split: str) -> ResolvedSource:
    splits = _splits(folder)
    spellings = ("dev", "validation") if split in ("dev", "validation") else (split,)
    found = [path for name in spellings for path in splits.get(name, [])]
    if not found:
        raise SplitNotFoundError(str(folder), split, splits)
    if len(found) > 1 and not all(SHARD.search(_stem(path)) for path in found):
        names = listed(sorted(path.name for path in found))
        hint = "Name the file itself."
        raise UnreadableDataError(str(folder), f"several files for {split!r}: {names}", hint=hint)
    _require_all_parts(found)
    every = [_found(path, split) for path in found]
    return every[0] if len(every) == 1 else _together(every)


def _require_all_parts(parts: Sequence[AnyPath]) -> None:
    """Refuse to audit half of a split because a part of it was not copied."""
    named = SHARD.search(_stem(parts[0]))
    if named is not None and len(parts) != int(named[0].rpartition("-")[2]):
        raise UnreadableDataError(
            str(parts[0].parent),
            f"{parts[0].name} is one of {int(named[0].rpartition('-')[2])} parts, and there are "
            f"{len(parts)}",
            hint="Add those that are missing, or name the files themselves.",
        )


def _splits(folder: AnyPath) -> dict[str, list[AnyPath]]:
    splits: dict[str, list[AnyPath]] = {}
    paths: list[AnyPath] = [*folder.iterdir()]
    for path in sorted(paths, key=str):
        is_data = path.is_file() and suffix_of(path) is not None and path.name not in BESIDE_SPLITS
        if is_data or is_saved(path):
            splits.setdefault(SHARD.sub("", _stem(path)), []).append(path)
    return splits


def _stem(path: AnyPath) -> str:
    suffix = suffix_of(path) if path.is_file() else None
    return path.name[: len(path.name) - len(suffix or "")]


def is_saved(path: AnyPath) -> bool:
    """Whether a folder is what `Dataset.save_to_disk` wrote."""
    return all((path / name).is_file() for name in SAVED_BY_DATASETS)


def _elsewhere(path: Path, source: DataSource) -> ResolvedSource:
    if has_magic(source.location):
        matching = [_file(Path(name)) for name in sorted(glob(source.location))]  # noqa: PTH207
        if not matching:
            raise DataNotFoundError(source.location, hint="No file matches this pattern.")
        return matching[0] if len(matching) == 1 else _together(matching)
    if not _may_be_on_a_hub(path, source.location):
        raise DataNotFoundError(source.location)
    split = "validation" if source.split == "dev" else source.split
    name = f"{source.location}[{split}]"
    return ResolvedSource(SourceKind.HUB, name, source.location, split)


def _may_be_on_a_hub(path: Path, location: str) -> bool:
    in_a_folder_of_ours = "/" in location and path.parent.is_dir()
    is_named_as_file = location.lower().endswith(NEVER_ON_A_HUB)
    return bool(HUB_NAME.fullmatch(location)) and not in_a_folder_of_ours and not is_named_as_file
