"""Examples out of any data set, one at a time. The door to this folder."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from attn_audit.data.example import Example
from attn_audit.data.examples import examples_of
from attn_audit.data.fields import FieldNames
from attn_audit.data.formats.base import FileFormat
from attn_audit.data.formats.hub import hub_fingerprint, hub_rows, load_from_hub, load_saved
from attn_audit.data.formats.jsonl import StandardInput
from attn_audit.data.formats.registry import FORMATS
from attn_audit.data.gold import LookAhead
from attn_audit.data.locating import look_over_file, resolve, suffix_of
from attn_audit.data.rows import Row
from attn_audit.data.sampling import sample_examples
from attn_audit.data.source import DataSource, ResolvedSource, SourceKind
from attn_audit.data.trial import N_PEEKED, N_SEARCHED, Peekable, choose_trial
from attn_audit.locations import AnyPath, located

__all__ = [
    "N_PEEKED",
    "N_SEARCHED",
    "DataSource",
    "FieldNames",
    "Peekable",
    "ResolvedSource",
    "SourceKind",
    "choose_trial",
    "look_over",
    "read_examples",
    "resolve",
    "sample_examples",
]


def read_examples(source: DataSource) -> Iterator[Example]:
    """The examples of a data set in its own order, with flat memory.

    What can be found out without reading (no such file, no such split) is raised at once, the rest
    where it stands; what is wrong in the first rows at the first, where that has no label.

    Args:
        source: Where the data lies, and what its fields and labels are called.

    Raises:
        DataNotFoundError: Nothing is there.
        SplitNotFoundError: The folder has no such split.
        UnreadableDataError: The file cannot be read as what its name says, or holds no examples.
        RowError: A row is wrong; names file and line.
    """
    found = resolve(source)
    rows, look_ahead = _rows(found, source)
    return examples_of(rows, found.name, source.fields, source.label_map, look_ahead)


@dataclass(frozen=True)
class Content:
    """What is known of a data set before its rows are read."""

    fingerprint: str | None
    """The file's SHA-256, a HuggingFace data set's own fingerprint; None for standard input, which
    cannot be read twice."""
    n_rows: int | None
    """About how many there are: of a text file its lines; None where they are packed, or not there
    yet."""


def look_over(found: ResolvedSource) -> Content:
    """What identifies the content, and how much there is of it.

    Args:
        found: What `resolve` found.

    Raises:
        UnreadableDataError: The data set cannot be read.
    """
    match found.kind:
        case SourceKind.FILE:
            path = located(found.location)
            sha256, n_lines = look_over_file(path)
            return Content(sha256, _format_of(path).n_rows(path, n_lines))
        case SourceKind.SAVED:
            dataset = load_saved(found.location)
        case SourceKind.HUB:
            dataset = load_from_hub(found.location, found.split or "test")
        case SourceKind.STANDARD_INPUT:
            return Content(None, None)
    return Content(hub_fingerprint(dataset), len(dataset))


def _rows(found: ResolvedSource, source: DataSource) -> tuple[Iterator[Row], LookAhead]:
    """The rows, and a way to read them before their turn."""
    if found.kind is SourceKind.STANDARD_INPUT:
        stream = StandardInput(found.name)
        return stream.rows(), stream.rows_behind
    from_the_beginning = _reader(found, source)
    return from_the_beginning(), lambda _: from_the_beginning()


def _reader(found: ResolvedSource, source: DataSource) -> Callable[[], Iterator[Row]]:
    if found.kind is SourceKind.FILE:
        path = located(found.location)
        return partial(_format_of(path).rows, path, found.name, source)
    if found.kind is SourceKind.SAVED:
        dataset = load_saved(found.location)
    else:
        dataset = load_from_hub(found.location, found.split or "test")
    return partial(hub_rows, dataset, found.name, source.fields)


def _format_of(path: AnyPath) -> FileFormat:
    suffix = suffix_of(path)
    assert suffix is not None, "only files of a known kind are resolved"
    return FORMATS[suffix]
