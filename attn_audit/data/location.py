"""Finding the data set that the user means: a file, a folder of splits, a stream, a hub's."""

import re
from pathlib import Path

from attn_audit.data.formats.registry import FORMATS
from attn_audit.data.source import DataSource, ResolvedSource, SourceKind
from attn_audit.errors import (
    AttnAuditError,
    DataNotFoundError,
    SplitNotFoundError,
    UnreadableDataError,
)
from attn_audit.files import AnyPath, is_url, located, problem_of, sha256_and_lines_of
from attn_audit.quoting import listed, one_line

SUFFIXES = tuple(FORMATS)
"""The file names that can be read."""

NEVER_ON_A_HUB = (*SUFFIXES, ".json", ".json.gz", ".txt", ".arrow", ".xlsx", ".gz", ".zip")
SAVED_BY_DATASETS = ("state.json", "dataset_info.json")
HUB_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(:[\w.-]+)?", re.ASCII)


def resolve(source: DataSource) -> ResolvedSource:
    """Find what `source` names, without reading it.

    Raises:
        DataNotFoundError: Nothing is there, and it is no name of a hub's data set.
        SplitNotFoundError: The folder has no such split.
        UnreadableDataError: A file of a kind that is not known, or one split in several files.
    """
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


def suffix_of(path: AnyPath) -> str | None:
    """The known suffix that the file's name ends in.

    Example:
        >>> suffix_of(Path("sst/train.jsonl.gz"))
        '.jsonl.gz'
    """
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), None)


def look_over_file(path: AnyPath) -> tuple[str, int]:
    """SHA-256 of the file's bytes as they lie on the disk, in hexadecimal, and how many end a line.

    Raises:
        UnreadableDataError: The file cannot be read.
    """
    try:
        return sha256_and_lines_of(path)
    except OSError as error:
        raise UnreadableDataError(path.name, problem_of(error)) from error


def _found(path: AnyPath, split: str) -> ResolvedSource:
    if _is_saved(path):
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
        raise UnreadableDataError(
            str(path), "the name does not say what it is", hint=f"Known: {', '.join(SUFFIXES)}."
        )
    return ResolvedSource(SourceKind.FILE, path.name, str(path))


def _one_split(folder: AnyPath, split: str) -> ResolvedSource:
    splits = _splits(folder)
    found = [path for name in _spellings(split) for path in splits.get(name, [])]
    if not found:
        raise SplitNotFoundError(str(folder), split, splits)
    if len(found) > 1:
        names = listed(sorted(path.name for path in found))
        hint = "Name the file itself."
        raise UnreadableDataError(str(folder), f"several files for {split!r}: {names}", hint=hint)
    return _found(found[0], split)


def _splits(folder: AnyPath) -> dict[str, list[AnyPath]]:
    splits: dict[str, list[AnyPath]] = {}
    paths: list[AnyPath] = [*folder.iterdir()]
    for path in sorted(paths, key=str):
        suffix = suffix_of(path) if path.is_file() else ""
        if suffix or _is_saved(path):
            splits.setdefault(path.name[: len(path.name) - len(suffix or "")], []).append(path)
    return splits


def _spellings(split: str) -> tuple[str, ...]:
    return ("dev", "validation") if split in ("dev", "validation") else (split,)


def _is_saved(path: AnyPath) -> bool:
    return all((path / name).is_file() for name in SAVED_BY_DATASETS)


def _elsewhere(path: Path, source: DataSource) -> ResolvedSource:
    if not _may_be_on_a_hub(path, source.location):
        raise DataNotFoundError(source.location)
    split = "validation" if source.split == "dev" else source.split
    name = f"{source.location}[{split}]"
    return ResolvedSource(SourceKind.HUB, name, source.location, split)


def _may_be_on_a_hub(path: Path, location: str) -> bool:
    in_a_folder_of_ours = "/" in location and path.parent.is_dir()
    is_named_as_file = location.lower().endswith(NEVER_ON_A_HUB)
    return bool(HUB_NAME.fullmatch(location)) and not in_a_folder_of_ours and not is_named_as_file
